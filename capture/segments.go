package capture

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/finwait/finwait/reassembly"
	segments "github.com/finwait/finwait/reassembly/record"
)

// A file of segments holds what a Decoder made of captures instead of their
// packets (package record): a tenth of the bytes, and no payload. It tells of
// the captures that it was made from, so that a report on it is the report on
// them: their names, packet numbers, what was skipped and what was damaged.
//
//	file  = magic chunk*
//	chunk = kind (1 byte) length (4, big-endian) content CRC-32C of kind, length and content (4)
//
// The kinds are, in this order: one header, blocks of segments, one trailer. A
// file without its trailer was cut off. segmentwriter.go writes it.

const segmentsMagic = "\xf1FWSEG1\n"

// Kinds of chunks.
const (
	chunkHeader  = 'H' // JSON, segmentsHeader
	chunkBlock   = 'B' // a block of package record
	chunkTrailer = 'T' // JSON, segmentsTrailer
)

const (
	chunkHead = 5
	chunkSum  = 4
	maxChunk  = 64 << 20 // a trailer tells of each capture; blocks are far smaller
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// segmentsHeader begins a file of segments.
type segmentsHeader struct {
	Files []string `json:"files"` // paths of the captures, by Packet.File
}

// segmentsTrailer ends it.
type segmentsTrailer struct {
	Files   []toldFile  `json:"files"`
	Quality toldQuality `json:"quality"` // of what gave no segment
}

// toldFile is a FileInfo as JSON.
type toldFile struct {
	FileInfo
	Damage *toldDamage `json:",omitempty"` // in place of FileInfo's
}

// toldDamage is an Error as JSON.
type toldDamage struct {
	Op, File, Err, Detail, Hint string
	Packet                      uint64
	Offset                      int64
}

// toldQuality is a Quality as JSON: skips by name.
type toldQuality struct {
	Quality
	Skipped map[string]uint64 // in place of Quality's
}

func tellFile(f *FileInfo) toldFile {
	out := toldFile{FileInfo: *f}
	if e := f.Damage; e != nil {
		out.Damage = &toldDamage{e.Op, e.File, e.Err.Error(), e.Detail, e.Hint, e.Packet, e.Offset}
	}
	return out
}

func (t *toldFile) info() FileInfo {
	out := t.FileInfo
	if d := t.Damage; d != nil {
		out.Damage = &Error{Op: d.Op, File: d.File, Packet: d.Packet, Offset: d.Offset, Err: namedError(d.Err), Detail: d.Detail, Hint: d.Hint}
	}
	return out
}

// namedError finds the error value that has a text, so that errors.Is works on
// damage that was only told.
func namedError(text string) error {
	for _, err := range []error{ErrTruncated, ErrCorrupt, ErrEmpty, ErrNotCapture, ErrUnsupported} {
		if err.Error() == text {
			return err
		}
	}
	return errors.New(text)
}

func tellQuality(q Quality) toldQuality {
	q.Frames, q.Segments, q.Further, q.Duplicates = q.TotalSkipped(), 0, 0, 0 // the segments are counted again by who reads them
	out := toldQuality{Quality: q, Skipped: map[string]uint64{}}
	for _, s := range Skips() {
		if n := q.Skipped[s]; n > 0 {
			out.Skipped[s.String()] = n
		}
	}
	return out
}

func (t *toldQuality) quality() (Quality, error) {
	q := t.Quality
	for _, s := range Skips() {
		q.Skipped[s] = t.Skipped[s.String()]
		delete(t.Skipped, s.String())
	}
	if len(t.Skipped) > 0 || q.Frames != q.TotalSkipped() {
		return q, errors.New("the counts of skipped frames contradict each other")
	}
	return q, nil
}

// told is what a file of segments tells of its captures.
type told struct {
	files []FileInfo // only with their paths until the trailer was read
	rest  Quality    // of the trailer
}

type segmentFile struct {
	w     *window
	file  int // number of its first capture among all
	info  *FileInfo
	block segments.Decoder
	seg   reassembly.Segment
	count uint64 // segments read
	ended bool   // the trailer was read
}

func openSegments(w *window, file int, info *FileInfo) (*segmentFile, *Error) {
	info.Container = "segments"
	w.take(len(segmentsMagic))
	s := &segmentFile{w: w, file: file, info: info}
	s.block.Reset(nil)
	kind, content, err := s.chunk()
	if err != nil {
		err.Op = "open"
		return nil, err
	}
	var h segmentsHeader
	if kind != chunkHeader || json.Unmarshal(content, &h) != nil || len(h.Files) == 0 {
		return nil, s.corrupt("the header is not one of a file of segments")
	}
	if info.told == nil || len(info.told.files) != len(h.Files) {
		info.told = &told{files: make([]FileInfo, len(h.Files))}
	}
	for i, name := range h.Files {
		info.told.files[i] = FileInfo{Path: name, Size: -1}
	}
	return s, nil
}

func (s *segmentFile) corrupt(format string, a ...any) *Error {
	return &Error{Op: "read", File: s.info.Path, Packet: s.count, Offset: s.w.offset(), Err: ErrCorrupt,
		Detail: fmt.Sprintf(format, a...), Hint: "everything before it was read"}
}

// chunk reads the next chunk whole; its content is valid until the next call.
func (s *segmentFile) chunk() (kind byte, content []byte, err *Error) {
	head := s.w.peek(chunkHead)
	if len(head) < chunkHead {
		return 0, nil, cutShort(s.w, s.info.Path, s.count, "the segments")
	}
	n := int64(binary.BigEndian.Uint32(head[1:]))
	if n > maxChunk {
		return 0, nil, s.corrupt("a chunk claims %d bytes", n)
	}
	all := int(chunkHead + n + chunkSum)
	b := s.w.peek(all)
	if len(b) < all {
		return 0, nil, cutShort(s.w, s.info.Path, s.count, "the segments")
	}
	body := b[:chunkHead+n]
	if binary.BigEndian.Uint32(b[len(body):]) != crc32.Checksum(body, castagnoli) {
		return 0, nil, s.corrupt("a chunk does not have its checksum")
	}
	s.w.take(all)
	return body[0], body[chunkHead:], nil
}

func (s *segmentFile) next(f *Frame) error {
	for {
		tick, err := s.block.Next(&s.seg)
		if err == nil {
			return s.give(f, tick)
		}
		switch {
		case err != io.EOF:
			return s.corrupt("%v", err)
		case s.ended:
			return io.EOF
		}
		kind, content, damage := s.chunk()
		if damage != nil {
			return damage
		}
		switch kind {
		case chunkBlock:
			s.block.Reset(content)
		case chunkTrailer:
			if damage := s.trailer(content); damage != nil {
				return damage
			}
		default:
			return s.corrupt("a chunk is of kind %q", kind)
		}
	}
}

func (s *segmentFile) give(f *Frame, tick bool) error {
	*f = Frame{Time: s.seg.Time, Recorded: true}
	if tick {
		return nil
	}
	at := s.seg.Packet.File()
	if at >= len(s.info.told.files) {
		return s.corrupt("a segment is of capture %d of %d", at+1, len(s.info.told.files))
	}
	s.count++
	s.seg.Packet = reassembly.MakePacket(s.file+at, s.seg.Packet.Number())
	f.Packet, f.WireLen, f.Segment = s.seg.Packet, s.seg.Wire, &s.seg
	return nil
}

func (s *segmentFile) trailer(content []byte) *Error {
	var t segmentsTrailer
	if json.Unmarshal(content, &t) != nil || len(t.Files) != len(s.info.told.files) {
		return s.corrupt("the trailer does not tell of the captures in the header")
	}
	rest, err := t.Quality.quality()
	if err != nil {
		return s.corrupt("%v", err)
	}
	s.info.told.rest = rest
	for i := range t.Files {
		s.info.told.files[i] = t.Files[i].info()
	}
	s.ended = true
	return nil
}

// damage is the first damage that the captures had.
func (t *told) damage() *Error {
	for i := range t.files {
		if d := t.files[i].Damage; d != nil {
			return d
		}
	}
	return nil
}
