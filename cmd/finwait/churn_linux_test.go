package main

import (
	"container/heap"
	"encoding/binary"
	"io"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
)

// This file is the traffic of the tests of memory: connections of every kind come
// and go, each from a host that was not seen before.

// A churnStep is one segment of an injected connection.
type churnStep struct {
	after    int  // ms after the one before
	server   bool // sent by it
	flags    byte
	seq, ack uint32 // relative: 0 is the SYN
	length   int
}

const (
	fFIN, fSYN, fRST, fACK = 1, 2, 4, 16
	fSYNACK, fFINACK       = fSYN | fACK, fFIN | fACK
)

// handshake, an exchange of data, and the ways to go on.
var (
	churnOpen = []churnStep{{0, false, fSYN, 0, 0, 0}, {1, true, fSYNACK, 0, 1, 0}, {1, false, fACK, 1, 1, 0},
		{5, false, fACK, 1, 1, 100}, {2, true, fACK, 1, 101, 0}, {5, true, fACK, 1, 101, 600}, {1, false, fACK, 101, 601, 0}}
	churnClose = []churnStep{{900, false, fFINACK, 101, 601, 0}, {2, true, fACK, 601, 102, 0}, {20, true, fFINACK, 601, 102, 0}, {1, false, fACK, 102, 602, 0}}
	churnKinds = [][]churnStep{
		append(churnOpen[:7:7], churnClose...),
		append(churnOpen[:7:7], churnStep{900, true, fFINACK, 601, 101, 0}, churnStep{2, false, fFINACK, 101, 602, 0}, churnStep{2, true, fACK, 602, 102, 0}),
		append(churnOpen[:7:7], churnStep{500, true, fRST, 601, 0, 0}),
		{{0, false, fSYN, 0, 0, 0}, {1000, false, fSYN, 0, 0, 0}, {2000, false, fSYN, 0, 0, 0}},
		{{0, false, fSYN, 0, 0, 0}, {1, true, fRST | fACK, 0, 1, 0}},
		// the last ACK is lost behind the tap
		append(append(churnOpen[:7:7], churnClose...), churnStep{210, true, fFINACK, 601, 102, 0}, churnStep{1, false, fACK, 102, 602, 0}),
		// data is lost behind the tap
		append(append(churnOpen[:7:7], churnStep{10, false, fACK, 101, 601, 500}, churnStep{250, false, fACK, 101, 601, 500},
			churnStep{2, true, fACK, 601, 601, 0}), churnStep{100, false, fRST | fACK, 601, 601, 0}),
		// the client closes its half; the server takes 20 s
		append(churnOpen[:7:7], churnStep{100, false, fFINACK, 101, 601, 0}, churnStep{2, true, fACK, 601, 102, 0}, churnStep{20_000, true, fFINACK, 601, 102, 0},
			churnStep{1, false, fACK, 102, 602, 0}),
		{{0, false, fSYN, 0, 0, 0}, {1, true, fSYNACK, 0, 1, 0}, {1000, true, fSYNACK, 0, 1, 0}},
	}
)

// churning is a connection on its way.
type churning struct {
	at     time.Duration
	steps  []churnStep
	client [4]byte
	server [4]byte
	port   uint16
	iss    uint32
	lasts  bool // for ever: its data goes on four times a second
	again  bool // the tuple is used once more when it has closed
	sent   int
	moved  uint32 // bytes of its data before those of its steps
	turns  uint32
}

type churnHeap []*churning

func (h churnHeap) Len() int           { return len(h) }
func (h churnHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h churnHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *churnHeap) Push(x any)        { *h = append(*h, x.(*churning)) }
func (h *churnHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// newChurning is the n-th connection; of the kind that closes well so many of the
// first go on for ever.
func newChurning(n, lasting int, now time.Duration) *churning {
	c := &churning{at: now, steps: churnKinds[n%len(churnKinds)], client: [4]byte{10, byte(128 + n>>16), byte(n >> 8), byte(n)},
		server: [4]byte{10, 97, 0, byte(n % 50)}, port: uint16(1024 + n%60000), iss: uint32(n) * 77777}
	c.lasts = n%len(churnKinds) == 0 && n < lasting*len(churnKinds)
	if c.lasts {
		c.steps = churnOpen
	}
	c.again = n%90 == 0 && !c.lasts
	return c
}

// next is the frame that is due, and sets when the one after it is.
func (c *churning) next() []byte {
	s := c.steps[c.sent]
	c.sent++
	seq, ack := s.seq, s.ack
	if s.server {
		seq, ack = seq+c.iss+500, ack+c.iss+c.moved
	} else {
		seq, ack = seq+c.iss+c.moved, ack+c.iss+500
	}
	if s.flags&fACK == 0 {
		ack = 0
	}
	src, dst, sport, dport := c.client, c.server, c.port, uint16(80)
	if s.server {
		src, dst, sport, dport = dst, src, dport, sport
	}
	b := tcpFrame(src, dst, sport, dport, seq, ack, s.flags)
	b = append(b, make([]byte, s.length)...)
	binary.BigEndian.PutUint16(b[16:], uint16(40+s.length))
	switch {
	case c.sent < len(c.steps):
		c.at += time.Duration(c.steps[c.sent].after) * time.Millisecond
	case c.lasts:
		// Each time some data, now and then sent twice because it was lost: what is
		// kept of such a connection is full in five minutes.
		const size = 1000
		c.moved = 100 + size*c.turns // the handshake's steps have sent 100 bytes
		c.turns++
		data, ack := churnStep{250, false, fACK, 1, 601, size}, churnStep{2, true, fACK, 601, 1 + size, 0}
		c.steps, c.sent = []churnStep{data, ack}, 0
		if c.turns%4 == 0 {
			c.steps = []churnStep{data, data, ack}
		}
		c.at += 250 * time.Millisecond
	case c.again:
		c.again, c.sent, c.iss = false, 0, c.iss+1<<20
		c.at += 2 * time.Second
	}
	return b
}

// churnSource is that traffic without a network, as fast as it is taken: its time
// is that of the stamps.
type churnSource struct {
	waiting       churnHeap
	begin         int64 // ns since the epoch
	now, end      time.Duration
	rate, lasting int // connections a second; how many go on for ever
	begun         int
	packets       uint64
	look          func(at time.Duration) // once a minute
	looked        time.Duration
}

// Next fills f with the next frame.
func (s *churnSource) Next(f *capture.Frame) error {
	for len(s.waiting) == 0 || s.waiting[0].at > s.now {
		s.now += 5 * time.Millisecond
		if s.now > s.end {
			return io.EOF
		}
		if s.now >= s.looked+time.Minute {
			s.looked = s.now
			s.look(s.now)
		}
		for ; s.begun < int(s.now.Seconds()*float64(s.rate)); s.begun++ {
			heap.Push(&s.waiting, newChurning(s.begun, s.lasting, s.now))
		}
	}
	c := heap.Pop(&s.waiting).(*churning)
	at := c.at
	data := c.next()
	if c.sent < len(c.steps) {
		heap.Push(&s.waiting, c)
	}
	s.packets++
	*f = capture.Frame{Time: s.begin + int64(at), Packet: reassembly.MakePacket(0, s.packets), LinkType: s.LinkType(), WireLen: uint32(len(data)), Data: data}
	return nil
}

func (s *churnSource) Close() error             { return nil }
func (s *churnSource) LinkType() uint32         { return capture.LinkEthernet }
func (s *churnSource) SnapLen() int             { return capture.MaxSnapLen }
func (s *churnSource) Backend() string          { return "test" }
func (s *churnSource) Stats() capture.LiveStats { return capture.LiveStats{} }
func (s *churnSource) Quiet() time.Time         { return time.Time{} }
