package capture

import (
	"cmp"
	"errors"
	"io"
	"math"
	"slices"
	"sync/atomic"
)

// Reader is a timeline over capture files. It implements Source.
//
// With one file the frames come in the file's order. With several, each file
// keeps its own order and the file whose next frame is the oldest goes first.
// A file is opened only when the timeline reaches it, so that a directory of
// thousands of rotated files needs two or three at a time.
type Reader struct {
	files   []FileInfo
	ignored []string
	read    atomic.Int64
	total   int64

	waiting []*stream // not reached, the next one last
	open    []*stream // each with a frame in hand
	last    *stream   // gave the frame that the caller has
	damage  *Error    // the first one met
	err     error     // what Next goes on giving
	options Options
	numbers int // files that Files tells of, as far as they are known
}

// stream is one file of the timeline.
type stream struct {
	index int
	file  int   // its number in Files
	first int64 // time of its first packet
	in    *input
	frame Frame
}

// start finds out where each file stands in the timeline.
func (r *Reader) start(o Options) error {
	r.options = o
	if len(r.files) == 1 {
		s := &stream{}
		var err error
		if s.in, err = openInput(0, &r.files[0], o, windowSizeFor(&r.files[0], windowSize), &r.read); err != nil {
			return err
		}
		r.last = s
		r.numbers = r.files[0].count()
		return nil
	}
	for i := range r.files {
		s, err := r.probe(i)
		if err != nil {
			return err
		}
		r.waiting = append(r.waiting, s)
		r.numbers += r.files[i].count()
	}
	slices.SortStableFunc(r.waiting, func(a, b *stream) int { return cmp.Compare(b.first, a.first) })
	// Equal times: the stable sort kept the order given, but the next is taken from the end.
	for i := 0; i < len(r.waiting); {
		j := i + 1
		for j < len(r.waiting) && r.waiting[j].first == r.waiting[i].first {
			j++
		}
		slices.Reverse(r.waiting[i:j])
		i = j
	}
	return nil
}

func windowSizeFor(info *FileInfo, most int) int {
	if info.Size < 0 {
		return most
	}
	return int(min(max(info.Size, 4096), int64(most)))
}

// probe reads a file's first time. A pipe cannot be opened twice and stays open.
func (r *Reader) probe(i int) (*stream, error) {
	s := &stream{index: i, file: r.numbers, first: math.MinInt64}
	info := &r.files[i]
	regular := info.Size >= 0
	count := &r.read
	if regular {
		count = new(atomic.Int64) // it will be read again
	}
	in, err := openInput(s.file, info, r.options, windowSizeFor(info, smallWindowSize), count)
	if err != nil {
		return nil, err
	}
	if !regular {
		s.in = in
		return s, nil
	}
	defer in.close()
	if in.reader.next(&s.frame) == nil {
		s.first = s.frame.Time
	}
	s.frame = Frame{}
	info.reset()
	return s, nil
}

// Next gives the next frame of the timeline. When a file is damaged the
// timeline goes on with the others; at its end Next gives the first damage
// instead of io.EOF.
func (r *Reader) Next(f *Frame) error {
	if len(r.files) != 1 {
		return r.nextOfMany(f)
	}
	if r.err != nil {
		return r.err
	}
	if err := r.last.in.reader.next(f); err != nil {
		r.finish(r.last, err)
		r.err = io.EOF
		if r.damage != nil {
			r.err = r.damage
		}
		return r.err
	}
	r.note(&r.files[0], f)
	return nil
}

func (r *Reader) note(i *FileInfo, f *Frame) {
	if i.Packets == 0 {
		i.FirstTime = f.Time
	}
	i.Packets++
	i.LastTime = f.Time
}

func (r *Reader) nextOfMany(f *Frame) error {
	if r.err != nil {
		return r.err
	}
	if s := r.last; s != nil {
		r.last = nil
		r.advance(s)
	}
	r.reach()
	best := r.oldest()
	if best == nil {
		r.err = io.EOF
		if r.damage != nil {
			r.err = r.damage
		}
		return r.err
	}
	*f = best.frame
	r.last = best
	r.note(&r.files[best.index], f)
	return nil
}

// oldest gives the open stream with the oldest frame; of equals the one whose
// file begins first. Few are open at once, so a plain search is fastest.
func (r *Reader) oldest() *stream {
	var best *stream
	for _, s := range r.open {
		if best == nil || s.frame.Time < best.frame.Time ||
			s.frame.Time == best.frame.Time && (s.first < best.first || s.first == best.first && s.index < best.index) {
			best = s
		}
	}
	return best
}

// reach opens every waiting file that begins no later than the oldest frame.
func (r *Reader) reach() {
	for len(r.waiting) > 0 {
		s := r.waiting[len(r.waiting)-1]
		if o := r.oldest(); o != nil && o.frame.Time < s.first {
			return
		}
		r.waiting = r.waiting[:len(r.waiting)-1]
		if s.in == nil {
			in, err := openInput(s.file, &r.files[s.index], r.options, windowSizeFor(&r.files[s.index], windowSize), &r.read)
			if err != nil {
				r.finish(s, err)
				continue
			}
			s.in = in
		}
		r.open = append(r.open, s)
		r.advance(s)
	}
}

// advance takes a stream's next frame in hand, or closes it at its end.
func (r *Reader) advance(s *stream) {
	if err := s.in.reader.next(&s.frame); err != nil {
		r.finish(s, err)
		r.open = slices.DeleteFunc(r.open, func(o *stream) bool { return o == s })
	}
}

func (r *Reader) finish(s *stream, err error) {
	info := &r.files[s.index]
	if errors.Is(err, io.EOF) {
		if info.told != nil && r.damage == nil {
			r.damage = info.told.damage()
		}
	} else {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Op: "read", File: info.Path, Packet: info.Packets, Err: err}
		}
		info.Damage = e
		if r.damage == nil {
			r.damage = e
		}
	}
	info.settle()
	if s.in != nil {
		s.in.close()
	}
}

// Close closes all files. The Reader is at its end afterwards.
func (r *Reader) Close() error {
	for _, s := range slices.Concat(r.open, r.waiting, []*stream{r.last}) {
		if s != nil && s.in != nil {
			s.in.close()
		}
	}
	if r.err == nil {
		r.err = io.EOF
	}
	return nil
}

// Files describes the files in the order of Packet.File. The description of a
// file grows while it is read; the slice must not be changed.
func (r *Reader) Files() []FileInfo {
	for i := range r.files {
		r.files[i].settle()
	}
	if !r.Recorded() {
		return r.files
	}
	var all []FileInfo
	for i := range r.files {
		all = append(all, r.files[i].captures()...)
	}
	return all
}

// Recorded reports whether an input is a file of segments, which has no packets.
func (r *Reader) Recorded() bool {
	return slices.ContainsFunc(r.files, func(f FileInfo) bool { return f.told != nil })
}

// Skipped is what files of segments tell of the frames that gave them no
// segment. It grows as they are read to their ends, and is to be added to what
// the Decoder counts.
func (r *Reader) Skipped() Quality {
	sum := Quality{LinkType: map[uint32]uint64{}}
	for i := range r.files {
		if t := r.files[i].told; t != nil {
			sum.Add(&t.rest)
		}
	}
	return sum
}

// Inputs lists the paths that are read: those of Files, but for files of
// segments their own.
func (r *Reader) Inputs() []string {
	paths := make([]string, len(r.files))
	for i := range r.files {
		paths[i] = r.files[i].Path
	}
	return paths
}

// Ignored lists the files in the given directories that are no captures.
func (r *Reader) Ignored() []string { return r.ignored }

// Bytes tells progress: bytes read from disk so far, and in all (-1 when a
// source has no known size). It may be called from any goroutine.
func (r *Reader) Bytes() (read, total int64) { return r.read.Load(), r.total }
