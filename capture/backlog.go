package capture

import (
	"sync"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// Backlog takes packets from a Live in a goroutine of its own, so that the
// kernel's buffer is emptied even while the analysis is busy with something
// else. When it is full itself, the packets stay in the kernel's buffer, and
// what does not fit there is counted as the kernel's loss. It implements Source.
type Backlog struct {
	*Live
	most int // bytes that may wait

	mu      sync.Mutex
	room    *sync.Cond // the waiting batch was taken
	waiting batch
	over    error // what the reading goroutine ended with
	closed  bool

	news  chan struct{} // something waits
	done  chan struct{}
	idle  *time.Timer
	batch batch // being given out
	at    int
}

// batch is packets one after another.
type batch struct {
	frames []waitingFrame
	data   []byte
}

type waitingFrame struct {
	time   int64
	packet uint64
	link   uint32
	wire   uint32
	begin  int
	length int
}

// DefaultBacklog is how many bytes of packets wait at most.
const DefaultBacklog = 64 << 20

const (
	frameCost = 40      // bytes that a waiting frame costs beside its data
	batchKeep = 4 << 20 // bytes of a batch that are not given back
)

// NewBacklog begins to take packets. The Live is the Backlog's from then on.
func NewBacklog(l *Live, most int) *Backlog {
	b := &Backlog{Live: l, most: most, news: make(chan struct{}, 1), done: make(chan struct{}), idle: time.NewTimer(time.Hour)}
	b.room = sync.NewCond(&b.mu)
	go b.take()
	return b
}

func (b *Backlog) take() {
	defer close(b.done)
	favour()
	var f Frame
	for {
		err := b.Live.Next(&f)
		if err == ErrIdle {
			continue
		}
		b.mu.Lock()
		if err != nil {
			b.over = err
		} else {
			for len(b.waiting.data)+frameCost*len(b.waiting.frames) >= b.most && !b.closed {
				b.room.Wait()
			}
			b.waiting.add(&f)
		}
		b.mu.Unlock()
		select {
		case b.news <- struct{}{}:
		default:
		}
		if err != nil {
			return
		}
	}
}

func (t *batch) add(f *Frame) {
	t.frames = append(t.frames, waitingFrame{f.Time, f.Packet.Number(), f.LinkType, f.WireLen, len(t.data), len(f.Data)})
	t.data = append(t.data, f.Data...)
}

// clear empties a batch and gives back what a burst made of it.
func (t *batch) clear() {
	if cap(t.data) > batchKeep && len(t.data) < cap(t.data)/8 {
		*t = batch{}
		return
	}
	t.frames, t.data = t.frames[:0], t.data[:0]
}

// Next gives the next packet; ErrIdle if none came for IdleAfter. After Close it
// gives what had been taken until then, and then io.EOF.
func (b *Backlog) Next(f *Frame) error {
	for b.at == len(b.batch.frames) {
		if err := b.turn(); err != nil {
			return err
		}
	}
	w := &b.batch.frames[b.at]
	b.at++
	*f = Frame{Time: w.time, Packet: reassembly.MakePacket(0, w.packet), LinkType: w.link, WireLen: w.wire,
		Data: b.batch.data[w.begin : w.begin+w.length : w.begin+w.length]}
	return nil
}

// turn takes what waits, or waits for it.
func (b *Backlog) turn() error {
	b.batch.clear()
	b.at = 0
	for wait := true; ; wait = false {
		b.mu.Lock()
		b.batch, b.waiting = b.waiting, b.batch
		over := b.over
		b.mu.Unlock()
		b.room.Signal()
		switch {
		case len(b.batch.frames) > 0:
			return nil
		case over != nil:
			return over
		case !wait:
			return ErrIdle
		}
		b.idle.Reset(IdleAfter)
		select {
		case <-b.news:
			b.idle.Stop()
		case <-b.idle.C:
		}
	}
}

// Waits reports whether packets wait to be given.
func (b *Backlog) Waits() bool {
	if b.at < len(b.batch.frames) {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting.frames) > 0
}

// Close ends the capture. It may be called from any goroutine.
func (b *Backlog) Close() error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.room.Broadcast()
	// The reader may hold a frame that lies in the ring: it ends first.
	b.Live.interrupt()
	<-b.done
	return b.Live.Close()
}

var _ Source = (*Backlog)(nil)
