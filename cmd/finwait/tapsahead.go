package main

import (
	"sync"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/pair"
)

// This file is the goroutines of a run over captures of several points: each
// capture is read and decoded by one, packets are paired by another, and the
// tracker has a third. What goes from one to the next goes in batches and in
// order, so that the report is the same for any number.

const aheadBatch = 256 // packets

// ahead is a Source that is read by a goroutine of its own.
type ahead struct {
	src         pair.Source
	full, empty chan *decoded
	now         *decoded
	next        int
}

// decoded is what a Source gave, packet by packet, and its error at last.
type decoded struct {
	n    int
	segs [aheadBatch]reassembly.Segment
	sums [aheadBatch]uint32
	oks  [aheadBatch]bool
	err  error
}

func readAhead(src pair.Source) pair.Source {
	a := &ahead{src: src, full: make(chan *decoded, 4), empty: make(chan *decoded, 4)}
	for range cap(a.empty) {
		a.empty <- new(decoded)
	}
	go func() {
		defer close(a.full)
		for b := range a.empty {
			b.n, b.err = 0, nil
			for b.n < aheadBatch && b.err == nil {
				if b.sums[b.n], b.oks[b.n], b.err = src.Next(&b.segs[b.n]); b.err == nil {
					b.n++
				}
			}
			a.full <- b
			if b.err != nil {
				return
			}
		}
	}()
	return a
}

// Next implements pair.Source.
func (a *ahead) Next(s *reassembly.Segment) (sum uint32, ok bool, err error) {
	for a.now == nil || a.next == a.now.n {
		if a.now != nil {
			if a.now.err != nil {
				return 0, false, a.now.err
			}
			a.empty <- a.now
		}
		a.now, a.next = <-a.full, 0
	}
	i := a.next
	a.next++
	*s = a.now.segs[i]
	return a.now.sums[i], a.now.oks[i], nil
}

// Close ends the goroutine and closes what it read.
func (a *ahead) Close() error {
	close(a.empty)
	for range a.full { // the reader ends at its next batch
	}
	return a.src.Close()
}

// handover is a pair.Sink whose packets another goroutine takes over.
type handover struct {
	full, empty chan []crossed
	now         []crossed
	to          pair.Sink
	end         int64 // time of the last frame
	gone        sync.WaitGroup
}

// crossed is a packet on its way to the tracker.
type crossed struct {
	seg   reassembly.Segment
	cross reassembly.Crossing
}

func handOver(to pair.Sink) *handover {
	h := &handover{to: to, full: make(chan []crossed, 4), empty: make(chan []crossed, 5)}
	for range cap(h.empty) {
		h.empty <- make([]crossed, 0, aheadBatch)
	}
	h.now = <-h.empty
	h.gone.Go(func() {
		for b := range h.full {
			for i := range b {
				to.AddCrossing(&b[i].seg, b[i].cross)
			}
			h.empty <- b[:0]
		}
	})
	return h
}

// AddCrossing implements pair.Sink.
func (h *handover) AddCrossing(s *reassembly.Segment, x reassembly.Crossing) {
	if h.now = append(h.now, crossed{*s, x}); len(h.now) == cap(h.now) {
		h.full <- h.now
		h.now = <-h.empty
	}
}

// Advance implements pair.Sink: it comes once, at the end.
func (h *handover) Advance(now int64) { h.end = now }

// close waits until all has been taken over.
func (h *handover) close() {
	h.full <- h.now
	close(h.full)
	h.gone.Wait()
	h.to.Advance(h.end)
}

// progress adds up how far the passes over all points are.
type progress struct {
	mu   sync.Mutex
	open []*capture.Reader // of all passes so far
	all  int64             // bytes of all passes
}

// expect says what will be read.
func (p *progress) expect(bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all += bytes
}

func (p *progress) begin(in *capture.Reader) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, in)
}

// Bytes implements measured.
func (p *progress) Bytes() (read, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, in := range p.open {
		n, _ := in.Bytes()
		read += n
	}
	return read, p.all
}
