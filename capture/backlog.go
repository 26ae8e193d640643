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
	most int // batches that may be in use

	mu      sync.Mutex
	room    *sync.Cond // a batch was given back
	waiting []*batch   // oldest first; the last is being filled
	given   []*batch   // being given out, oldest first
	inUse   int        // batches that wait or are given out
	spare   []*batch
	unused  int   // so many of them were not needed since the counters were last asked for
	over    error // what the reading goroutine ended with
	closed  bool
	stats   LiveStats // not older than statsEvery
	quiet   time.Time

	news  chan struct{} // something waits
	done  chan struct{}
	idle  *time.Timer
	at    int // frames given out of the first batch
	taken []*batch
}

// batch is packets one after another. It never grows, so that a burst costs the
// reading goroutine no copy of what waits already.
type batch struct {
	frames []waitingFrame
	data   []byte
}

type waitingFrame struct {
	time   int64
	packet uint64
	link   uint32
	wire   uint32
	begin  uint32
	length uint32
}

// DefaultBacklog is how many bytes of packets wait at most.
const DefaultBacklog = 128 << 20

const (
	batchData   = 512 << 10 // holds a packet of the largest snaplen
	batchFrames = batchData / 64
	batchCost   = batchData + batchFrames*32
	batchSpares = 8 // batches that are not given back to the collector
	statsEvery  = 500 * time.Millisecond
)

// NewBacklog begins to take packets, of which so many bytes may wait. The Live is
// the Backlog's from then on.
func NewBacklog(l *Live, most int) *Backlog {
	b := &Backlog{Live: l, most: max(most/batchCost, 2), news: make(chan struct{}, 1), done: make(chan struct{}), idle: time.NewTimer(time.Hour)}
	b.room = sync.NewCond(&b.mu)
	go b.take()
	return b
}

func (b *Backlog) take() {
	defer close(b.done)
	favour()
	var f Frame
	var counted, looked time.Time
	for n := 0; ; n++ {
		err := b.Live.Next(&f)
		if err == ErrIdle || n%1024 == 0 {
			now := time.Now()
			// The counters are asked for here, where nobody else waits for a packet.
			if now.Sub(counted) >= statsEvery {
				counted = now
				s := b.Live.Stats()
				b.mu.Lock()
				b.stats = s
				b.release()
				b.mu.Unlock()
			}
			if err == ErrIdle && !looked.IsZero() {
				b.mu.Lock()
				b.quiet = looked // the buffer was found empty after that
				b.mu.Unlock()
			}
			looked = now
		}
		if err == ErrIdle {
			continue
		}
		b.mu.Lock()
		if err != nil {
			b.over = err
		} else {
			b.add(&f)
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

// add copies a packet; it waits while there is no room.
func (b *Backlog) add(f *Frame) {
	var t *batch
	for {
		if n := len(b.waiting); n > 0 {
			if t = b.waiting[n-1]; len(t.frames) < batchFrames && len(t.data)+len(f.Data) <= batchData {
				break
			}
		}
		if b.inUse < b.most || b.closed {
			t = b.fresh()
			break
		}
		b.room.Wait()
	}
	t.frames = append(t.frames, waitingFrame{f.Time, f.Packet.Number(), f.LinkType, f.WireLen, uint32(len(t.data)), uint32(len(f.Data))})
	t.data = append(t.data, f.Data...)
}

// fresh is an empty batch at the end of those that wait.
func (b *Backlog) fresh() (t *batch) {
	if n := len(b.spare); n > 0 {
		t = b.spare[n-1]
		b.spare = b.spare[:n-1]
		b.unused = min(b.unused, n-1)
	} else {
		t = &batch{make([]waitingFrame, 0, batchFrames), make([]byte, 0, batchData)}
	}
	b.inUse++
	b.waiting = append(b.waiting, t)
	return t
}

// release leaves the collector the spare batches that a burst needed and nobody
// since then.
func (b *Backlog) release() {
	n := len(b.spare) - b.unused
	clear(b.spare[n:])
	b.spare = b.spare[:n]
	b.unused = n
}

// Next gives the next packet; ErrIdle if none came for IdleAfter. After Close it
// gives what had been taken until then, and then io.EOF.
func (b *Backlog) Next(f *Frame) error {
	for len(b.given) == 0 || b.at == len(b.given[0].frames) {
		if err := b.turn(); err != nil {
			return err
		}
	}
	t := b.given[0]
	w := &t.frames[b.at]
	b.at++
	*f = Frame{Time: w.time, Packet: reassembly.MakePacket(0, w.packet), LinkType: w.link, WireLen: w.wire,
		Data: t.data[w.begin : w.begin+w.length : w.begin+w.length]}
	return nil
}

// turn goes on to the next batch, or waits for one.
func (b *Backlog) turn() error {
	b.at = 0
	for wait := true; ; wait = false {
		b.mu.Lock()
		b.giveBack()
		over := b.over
		b.mu.Unlock()
		b.room.Signal()
		switch {
		case len(b.given) > 0:
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

// giveBack takes the first batch off those given out, and what waits when there
// are no more.
func (b *Backlog) giveBack() {
	if len(b.given) > 0 {
		t := b.given[0]
		b.given[0] = nil
		b.given = b.given[1:]
		b.inUse--
		if t.frames, t.data = t.frames[:0], t.data[:0]; len(b.spare) < batchSpares {
			b.spare = append(b.spare, t)
		}
	}
	if len(b.given) == 0 {
		b.taken = b.taken[:0]
		b.given, b.waiting, b.taken = b.waiting, b.taken, b.waiting
	}
}

// Quiet is a time up to which all packets were taken out of the kernel's buffer,
// but for the moment that the kernel takes to hand them over. A process that was
// kept from running may find no packet here while seconds of them wait there.
func (b *Backlog) Quiet() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.quiet
}

// Stats counts packets and losses, as of at most half a second ago; after
// Close, up to then.
func (b *Backlog) Stats() LiveStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return b.Live.Stats()
	}
	return b.stats
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
