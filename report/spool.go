package report

import (
	"bufio"
	"cmp"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"slices"
)

// This file sorts what does not fit into memory: records are kept until they
// fill the bound, then go to a temporary file as a sorted run; at the end the
// runs are merged. Memory is the bound, however many records there are.

const (
	// DefaultSpill is the memory that sorting may take before it spills, bytes.
	DefaultSpill = 64 << 20
	recordCost   = 40 // what a record costs beside its payload
	mergeBuffer  = 64 << 10
)

// record is one payload with its place in the order.
type record struct {
	key, id uint64
	payload []byte
}

func (r record) compare(o record) int {
	return cmp.Or(cmp.Compare(r.key, o.key), cmp.Compare(r.id, o.id))
}

type spool struct {
	limit int    // bytes before a run is written
	dir   string // of the temporary file, "" for the system's

	count   int
	held    int
	records []record
	chunk   []byte // payloads are cut from it, so that the collector sees few objects

	file *os.File
	runs []int64 // ends of the runs in file
	size int64
}

// add keeps a copy of payload. Lower keys come first; ids break ties.
func (s *spool) add(key, id uint64, payload []byte) error {
	if len(s.chunk)+len(payload) > cap(s.chunk) {
		s.chunk = make([]byte, 0, max(256<<10, len(payload)))
	}
	from := len(s.chunk)
	s.chunk = append(s.chunk, payload...)
	s.records = append(s.records, record{key, id, s.chunk[from:len(s.chunk):len(s.chunk)]})
	s.count++
	s.held += len(payload) + recordCost
	if s.held < s.limit {
		return nil
	}
	return s.spill()
}

// spill writes what is held as one sorted run.
func (s *spool) spill() error {
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "finwait-sort-*")
		if err != nil {
			return fmt.Errorf("sorting needs a temporary file: %w", err)
		}
		s.file = f
		// An open file without a name cannot be left behind. Where the system
		// does not allow that, close removes it.
		_ = os.Remove(f.Name())
	}
	s.sort()
	w := bufio.NewWriterSize(s.file, mergeBuffer)
	var head []byte
	for _, r := range s.records {
		head = binary.AppendUvarint(head[:0], r.key)
		head = binary.AppendUvarint(head, r.id)
		head = binary.AppendUvarint(head, uint64(len(r.payload)))
		// bufio.Writer keeps its first error for Flush.
		_, _ = w.Write(head)
		_, _ = w.Write(r.payload)
		s.size += int64(len(head) + len(r.payload))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sorting in a temporary file: %w", err)
	}
	s.runs = append(s.runs, s.size)
	clear(s.records)
	s.records, s.chunk, s.held = s.records[:0], nil, 0
	return nil
}

func (s *spool) sort() { slices.SortFunc(s.records, record.compare) }

// each gives the payloads in order until do fails. A payload is valid during
// the call only.
func (s *spool) each(do func(payload []byte) error) error {
	if s.file == nil {
		s.sort()
		for _, r := range s.records {
			if err := do(r.payload); err != nil {
				return err
			}
		}
		return nil
	}
	if err := s.spill(); err != nil {
		return err
	}
	var m merge
	var from int64
	for _, end := range s.runs {
		r := &run{in: bufio.NewReaderSize(io.NewSectionReader(s.file, from, end-from), mergeBuffer)}
		from = end
		switch err := r.next(); err {
		case nil:
			m = append(m, r)
		case io.EOF:
		default:
			return err
		}
	}
	heap.Init(&m)
	for len(m) > 0 {
		if err := do(m[0].record.payload); err != nil {
			return err
		}
		switch err := m[0].next(); err {
		case nil:
			heap.Fix(&m, 0)
		case io.EOF:
			heap.Pop(&m)
		default:
			return err
		}
	}
	return nil
}

// close gives the temporary file back.
func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
		s.file = nil
	}
}

// run reads one sorted run.
type run struct {
	in     *bufio.Reader
	record record
}

// next reads the next record; io.EOF at the end of the run.
func (r *run) next() error {
	key, err := binary.ReadUvarint(r.in)
	if err == io.EOF {
		return err
	}
	id, err2 := binary.ReadUvarint(r.in)
	n, err3 := binary.ReadUvarint(r.in)
	payload := slices.Grow(r.record.payload[:0], int(n))[:n]
	_, err4 := io.ReadFull(r.in, payload)
	for _, e := range []error{err, err2, err3, err4} {
		if e != nil {
			return fmt.Errorf("sorting: reading the temporary file: %w", e)
		}
	}
	r.record = record{key, id, payload}
	return nil
}

// merge is a heap of runs by their next records.
type merge []*run

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].record.compare(m[j].record) < 0 }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(*run)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
