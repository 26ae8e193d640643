package reassembly

import (
	"net/netip"
	"testing"

	"github.com/finwait/finwait/reassembly/tcpstate"
)

const liveSecond = int64(1e9)

// liveSegment is a segment of one connection; the client is 10.0.0.1.
func liveSegment(n uint64, at int64, fromClient bool, flags uint8, seq, ack uint32) *Segment {
	s := &Segment{Time: at, Packet: MakePacket(0, n), Src: netip.MustParseAddr("10.0.0.1").As16(), Dst: netip.MustParseAddr("10.0.0.2").As16(),
		SrcPort: 4000, DstPort: 80, Flags: flags, Seq: seq, Ack: ack}
	if !fromClient {
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
	}
	return s
}

// told is what one call of Changed tells.
func told(t *Tracker) (list []*Lifecycle) {
	for t.Changed(1, func(l *Lifecycle) { list = append(list, l) }) {
	}
	return list
}

func TestChangedTellsAConnectionWhileItLives(t *testing.T) {
	base := 1000 * liveSecond
	var emitted int
	k := NewTracker(Options{Live: true, Emit: func(*Lifecycle) { emitted++ }})
	expect := func(client, server tcpstate.State) {
		t.Helper()
		list := told(k)
		if len(list) != 1 {
			t.Fatalf("%d connections told", len(list))
		}
		if c, s := list[0].Endpoints[Client].State, list[0].Endpoints[Server].State; c != client || s != server {
			t.Fatalf("%v and %v, not %v and %v", c, s, client, server)
		}
		if again := told(k); len(again) != 0 {
			t.Fatalf("told again without a change: %v", again)
		}
	}
	k.Add(liveSegment(1, base, true, FlagSYN, 100, 0))
	expect(tcpstate.SynSent, tcpstate.Unknown) // nobody has answered
	k.Add(liveSegment(2, base+1, false, FlagSYN|FlagACK, 500, 101))
	k.Add(liveSegment(3, base+2, true, FlagACK, 101, 501))
	expect(tcpstate.Established, tcpstate.Established)
	k.Add(liveSegment(4, base+3, true, FlagFIN|FlagACK, 101, 501))
	k.Add(liveSegment(5, base+4, false, FlagACK, 501, 102))
	expect(tcpstate.FinWait2, tcpstate.CloseWait)
	k.Add(liveSegment(6, base+5, false, FlagFIN|FlagACK, 501, 102))
	k.Add(liveSegment(7, base+6, true, FlagACK, 102, 502))
	expect(tcpstate.TimeWait, tcpstate.Closed)
	k.Advance(base + 59*liveSecond)
	told(k)
	k.Advance(base + 61*liveSecond)
	if list := told(k); len(list) != 0 {
		t.Errorf("told after it retired: %v", list)
	}
	if emitted != 1 {
		t.Errorf("%d connections retired", emitted)
	}
}

// TestChangedLooksAgain: what only time shows is told without a packet.
func TestChangedLooksAgain(t *testing.T) {
	base := 1000 * liveSecond
	k := NewTracker(Options{Live: true})
	k.Add(liveSegment(1, base, true, FlagSYN, 100, 0))
	looks := 0
	for s := int64(0); s < 200; s++ {
		k.Advance(base + s*liveSecond)
		looks += len(told(k))
	}
	if looks < 10 || looks > 60 {
		t.Errorf("looked %d times in 200 s", looks)
	}
}

// TestChangedForgets: neither what is told nor places used again leave anything behind.
func TestChangedForgets(t *testing.T) {
	k := NewTracker(Options{Live: true, MaxConnections: 8})
	for n := range uint64(1000) {
		s := liveSegment(n+1, 1000*liveSecond+int64(n), true, FlagSYN, uint32(n), 0)
		s.SrcPort = uint16(n + 1)
		k.Add(s)
		if n%3 == 0 {
			told(k)
		}
	}
	told(k)
	if len(k.changes.list) != 0 {
		t.Errorf("%d left in the list", len(k.changes.list))
	}
	if n := len(k.changes.known); n > 2048 {
		t.Errorf("%d places are remembered", n)
	}
}

// TestLossesAreBoundedWhileLive: a connection that loses something again and
// again for weeks neither takes more and more memory nor hides how often.
func TestLossesAreBoundedWhileLive(t *testing.T) {
	const losses = 1000
	for _, live := range []bool{false, true} {
		kept, untold := 0, uint64(0)
		k := NewTracker(Options{Live: live, Check: func(c *Case) { kept = len(c.Losses()) },
			Emit: func(l *Lifecycle) { untold = l.Untold }})
		at, n := 1000*liveSecond, uint64(0)
		add := func(after int64, fromClient bool, flags uint8, seq, ack, length uint32) {
			n++
			at += after
			s := liveSegment(n, at, fromClient, flags, seq, ack)
			s.Length = length
			k.Add(s)
		}
		add(0, true, FlagSYN, 100, 0, 0)
		add(1e6, false, FlagSYN|FlagACK, 500, 101, 0)
		add(1e6, true, FlagACK, 101, 501, 0)
		for i := range uint32(losses) {
			seq := 101 + 100*i
			add(1e9, true, FlagACK, seq, 501, 100)
			add(250e6, true, FlagACK, seq, 501, 100)
			add(1e6, false, FlagACK, 501, seq+100, 0)
		}
		k.Close()
		if !live && (kept != losses || untold != 0) || live && (kept != maxLiveLosses || untold != losses-maxLiveLosses) {
			t.Errorf("live %v: %d losses kept, %d said to be untold", live, kept, untold)
		}
	}
}

// TestNote: what the receiver of Changed leaves with a connection comes back with
// it and with no other one.
func TestNote(t *testing.T) {
	base := 1000 * liveSecond
	var last []uint16
	k := NewTracker(Options{Live: true, Emit: func(l *Lifecycle) { last = append(last, l.Note) }})
	for n, want := range []uint16{0, 1, 2} {
		k.Add(liveSegment(uint64(n)+1, base+int64(n), true, FlagSYN, 100, 0))
		k.Changed(0, func(l *Lifecycle) {
			if l.Note != want {
				t.Errorf("%d, not %d", l.Note, want)
			}
			l.Note++
		})
	}
	k.Advance(base + 1000*liveSecond) // it leaves, and its place is free
	k.Add(liveSegment(4, base+1001*liveSecond, true, FlagSYN, 900, 0))
	k.Close()
	if len(last) != 2 || last[0] != 3 || last[1] != 0 {
		t.Errorf("%v when they retired, not [3 0]", last)
	}
}
