package main

import (
	"bytes"
	"sync/atomic"
	"time"
)

// This file keeps a live capture from waiting for whoever takes its output: a
// slow reader of standard output, a full disk. What they do not take in time is
// left out and counted.

const (
	queueChunk   = 64 << 10 // bytes that are handed over at once, at least
	queuePending = 1 << 20  // bytes that wait before the queue while it is full
)

// parcel is some output and how many lines or packets it is.
type parcel struct {
	data  []byte
	items uint64
}

// queue is output on its way to a goroutine that writes it. All methods but
// lost and failure belong to the goroutine that fills it.
type queue struct {
	parcels  chan parcel
	done     chan struct{}
	spare    chan []byte // what was written, to be filled again
	waiting  atomic.Int64
	limit    int64 // bytes that may wait
	now      parcel
	patient  bool         // nothing is left out any more
	handed   atomic.Int64 // lines or packets handed over and not yet written
	lostOnes atomic.Uint64
	failed   atomic.Pointer[error]
}

// newQueue starts the goroutine. About so many bytes may wait. An error of write is remembered; the parcel
// counts as lost, and later ones are tried all the same.
func newQueue(limit int, write func(parcel) error) *queue {
	q := &queue{parcels: make(chan parcel, limit/queueChunk), done: make(chan struct{}), spare: make(chan []byte, 4), limit: int64(limit)}
	go func() {
		defer close(q.done)
		for p := range q.parcels {
			if err := write(p); err != nil {
				q.failed.Store(&err)
				q.lostOnes.Add(p.items)
			}
			q.count(&p, -1)
			select {
			case q.spare <- p.data[:0]:
			default:
			}
		}
	}()
	return q
}

// add takes one line or packet.
func (q *queue) add(b []byte) {
	q.now.data = append(q.now.data, b...)
	q.now.items++
	if len(q.now.data) >= queueChunk {
		q.flush()
	}
}

// Write takes lines, for report.Writer. It never fails: what the capture tells
// must not depend on who listens.
func (q *queue) Write(b []byte) (int, error) {
	q.now.items += uint64(bytes.Count(b, []byte{'\n'}))
	q.now.data = append(q.now.data, b...)
	if len(q.now.data) >= queueChunk && b[len(b)-1] == '\n' {
		q.flush()
	}
	return len(b), nil
}

// flush hands over what was added, if there is room.
func (q *queue) flush() {
	if len(q.now.data) == 0 {
		return
	}
	if q.patient {
		q.count(&q.now, 1)
		q.parcels <- q.now
		q.renew()
		return
	}
	if q.waiting.Load()+int64(len(q.now.data)) <= q.limit {
		q.count(&q.now, 1)
		select {
		case q.parcels <- q.now:
			q.renew()
			return
		default: // many small ones wait
			q.count(&q.now, -1)
		}
	}
	if len(q.now.data) >= queuePending {
		q.lostOnes.Add(q.now.items)
		q.now = parcel{data: q.now.data[:0]}
	}
}

// count adds a parcel to what is on its way, or with -1 takes it off.
func (q *queue) count(p *parcel, sign int64) {
	q.waiting.Add(sign * int64(len(p.data)))
	q.handed.Add(sign * int64(p.items))
}

func (q *queue) renew() {
	q.now = parcel{}
	select {
	case q.now.data = <-q.spare:
	default:
		q.now.data = make([]byte, 0, queueChunk+queueChunk/8)
	}
}

// lost is how many lines or packets were left out.
func (q *queue) lost() uint64 { return q.lostOnes.Load() }

// failure is the last error of a write, nil if there was none.
func (q *queue) failure() error {
	if err := q.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// wait makes the queue patient: the capture is over and has nothing to lose.
func (q *queue) wait() { q.patient = true }

// close hands over the rest and waits until it is written.
func (q *queue) close() { q.closeBefore(nil) }

// closeWithin is close where the rest may never be written: what is not written
// after so long is lost. It reports whether all that was tried in time; if not,
// the goroutine is left to itself.
func (q *queue) closeWithin(d time.Duration) bool { return q.closeBefore(time.After(d)) }

func (q *queue) closeBefore(limit <-chan time.Time) bool {
	if len(q.now.data) > 0 {
		q.count(&q.now, 1)
		select {
		case q.parcels <- q.now:
			q.now = parcel{}
		case <-limit:
			return q.giveUp()
		}
	}
	close(q.parcels)
	select {
	case <-q.done:
		return true
	case <-limit:
		return q.giveUp()
	}
}

func (q *queue) giveUp() bool {
	q.lostOnes.Add(uint64(max(q.handed.Load(), 0)))
	return false
}
