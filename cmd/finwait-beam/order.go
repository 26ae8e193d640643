package main

import (
	"container/heap"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/record"
)

// This file brings the batches of one flow, which come in any order, into the
// order of the trace. Each batch is in order by itself, so they are merged.
// Memory is bounded whatever the flow's length: batches beyond the limit wait
// in a temporary file, and of each only its place and its extent are held; a
// batch is read when the merge reaches its first segment, and batches of one
// file never overlap, so that as many are open at once as files do overlap.

// shelf holds the batches of one flow.
type shelf struct {
	limit   int // bytes held before they go to the file
	batches []shelved
	chunk   []byte // what is held
	file    *os.File
	size    int64 // of the file
	opened  opening
	spare   []*reader
}

// shelved is one batch: where its block begins and how long it is.
type shelved struct {
	at    place
	begin int64
	len   int32
}

// shelvedCost is what a batch costs beside its bytes.
const shelvedCost = 48

// add keeps a copy of a batch.
func (s *shelf) add(batch []byte) error {
	at, block, err := cutBatch(batch)
	if err != nil {
		return err
	}
	if s.file == nil && len(s.chunk)+len(block) > s.limit {
		if s.file, err = os.CreateTemp("", "finwait-flow-*"); err != nil {
			return fmt.Errorf("a flow of more than %d bytes needs a temporary file: %w", s.limit, err)
		}
		// An open file without a name cannot be left behind.
		_ = os.Remove(s.file.Name())
		if _, err = s.file.Write(s.chunk); err != nil {
			return err
		}
		s.size, s.chunk = int64(len(s.chunk)), nil
	}
	b := shelved{at: at, begin: int64(len(s.chunk)), len: int32(len(block))}
	if s.file == nil {
		s.chunk = append(s.chunk, block...)
	} else {
		b.begin = s.size
		if _, err = s.file.Write(block); err != nil {
			return err
		}
		s.size += int64(len(block))
	}
	s.batches = append(s.batches, b)
	return nil
}

// reader reads one batch.
type reader struct {
	at   place // of seg
	seg  reassembly.Segment
	dec  record.Decoder
	data []byte // of a batch that was in the file
}

// next reads the next segment; io.EOF after the last.
func (r *reader) next() error {
	for {
		tick, err := r.dec.Next(&r.seg)
		if err != nil {
			return err
		}
		if !tick {
			r.at.clock = r.dec.Clock()
			return nil
		}
	}
}

// opening is a heap of readers by their segments' places.
type opening []*reader

func (o opening) Len() int           { return len(o) }
func (o opening) Less(i, j int) bool { return o[i].at.compare(o[j].at) < 0 }
func (o opening) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }
func (o *opening) Push(x any)        { *o = append(*o, x.(*reader)) }
func (o *opening) Pop() any {
	last := (*o)[len(*o)-1]
	*o = (*o)[:len(*o)-1]
	return last
}

// each gives the segments in the order of the trace, with the trace clock and
// the number of their file. A segment is valid during the call only.
func (s *shelf) each(do func(seg *reassembly.Segment, clock int64, file int)) error {
	slices.SortFunc(s.batches, func(a, b shelved) int { return a.at.compare(b.at) })
	waiting := s.batches
	for len(waiting) > 0 || len(s.opened) > 0 {
		if len(s.opened) == 0 || len(waiting) > 0 && waiting[0].at.compare(s.opened[0].at) < 0 {
			if err := s.open(&waiting[0]); err != nil {
				return err
			}
			waiting = waiting[1:]
			continue
		}
		r := s.opened[0]
		do(&r.seg, r.at.clock, r.at.file)
		switch err := r.next(); err {
		case nil:
			heap.Fix(&s.opened, 0)
		case io.EOF:
			s.spare = append(s.spare, heap.Pop(&s.opened).(*reader))
		default:
			return err
		}
	}
	return nil
}

func (s *shelf) open(b *shelved) error {
	r := new(reader)
	if n := len(s.spare); n > 0 {
		r, s.spare = s.spare[n-1], s.spare[:n-1]
	}
	r.at = b.at
	if s.file == nil {
		r.dec.Reset(s.chunk[b.begin : b.begin+int64(b.len)])
	} else {
		r.data = slices.Grow(r.data[:0], int(b.len))[:b.len]
		if _, err := s.file.ReadAt(r.data, b.begin); err != nil {
			return fmt.Errorf("reading a flow's temporary file: %w", err)
		}
		r.dec.Reset(r.data)
	}
	switch err := r.next(); err {
	case nil:
		heap.Push(&s.opened, r)
		return nil
	case io.EOF: // nothing but ticks
		s.spare = append(s.spare, r)
		return nil
	default:
		return err
	}
}

// clear makes the shelf empty for the next flow. It keeps some memory, but not
// that of an elephant.
func (s *shelf) clear() {
	if s.file != nil {
		_ = s.file.Close()
		s.file = nil
	}
	s.size, s.opened = 0, s.opened[:0]
	s.batches, s.chunk = s.batches[:0], s.chunk[:0]
	if cap(s.batches) > 1<<16 {
		s.batches = nil
	}
	if cap(s.chunk) > 4<<20 {
		s.chunk = nil
	}
}
