package reassembly

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// talk writes the segments of hand-made connections: sequence numbers relative
// to 1000 on the client's side and 9000 on the server's.
type talk struct {
	now    int64
	packet uint64
	out    []Segment
}

func testIP(n byte) IP { return IP{10: 255, 11: 255, 12: 10, 15: n} }

// segment adds a segment of a connection named by the client's port; c says
// that the client sends it.
func (k *talk) segment(after time.Duration, port uint16, c bool, flags uint8, seq, ack, length uint32) {
	k.now += int64(after)
	k.packet++
	s := Segment{Time: k.now, Packet: MakePacket(0, k.packet), Flags: flags, Window: 1000, Length: length, TTL: 64,
		Src: testIP(1), Dst: testIP(2), SrcPort: port, DstPort: 80, Seq: 1000 + seq, Ack: 9000 + ack}
	if !c {
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		s.Seq, s.Ack = 9000+seq, 1000+ack
	}
	if flags&FlagACK == 0 {
		s.Ack = 0
	}
	k.out = append(k.out, s)
}

const ms = time.Millisecond

func (k *talk) open(port uint16) {
	k.segment(ms, port, true, FlagSYN, 0, 0, 0)
	k.segment(ms, port, false, FlagSYN|FlagACK, 0, 1, 0)
	k.segment(ms, port, true, FlagACK, 1, 1, 0)
}

// close ends a connection in which the client sent up to seq and the server up to ack.
func (k *talk) close(port uint16, seq, ack uint32) {
	k.segment(ms, port, true, FlagFIN|FlagACK, seq, ack, 0)
	k.segment(ms, port, false, FlagACK, ack, seq+1, 0)
	k.segment(ms, port, false, FlagFIN|FlagACK, ack, seq+1, 0)
	k.segment(ms, port, true, FlagACK, seq+1, ack+1, 0)
}

func lives(o Options, segments []Segment, end int64) []*Lifecycle {
	var out []*Lifecycle
	o.Emit = func(l *Lifecycle) { out = append(out, l) }
	t := NewTracker(o)
	for i := range segments {
		t.Add(&segments[i])
	}
	t.Advance(end)
	t.Close()
	return out
}

func path(e *Endpoint) string {
	var b strings.Builder
	for i, s := range e.History {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s/%s", s.State, s.Evidence)
	}
	return b.String()
}

// TestLongConnection: a connection of far more segments than are remembered
// keeps its history and its counts, and a late copy is still known as one.
func TestLongConnection(t *testing.T) {
	var k talk
	k.open(1)
	const rounds = 3000
	seq, ack := uint32(1), uint32(1)
	for range rounds {
		k.segment(ms, 1, true, FlagACK|FlagPSH, seq, ack, 100)
		seq += 100
		k.segment(ms, 1, false, FlagACK|FlagPSH, ack, seq, 1000)
		ack += 1000
	}
	k.segment(300*ms, 1, true, FlagACK|FlagPSH, seq-100, ack, 100) // a copy
	k.segment(ms, 1, false, FlagACK, ack, seq, 0)
	k.close(1, seq, ack)
	got := lives(Options{}, k.out, k.now)
	if len(got) != 1 {
		t.Fatalf("%d connections", len(got))
	}
	l := got[0]
	if l.Packets != uint64(len(k.out)) {
		t.Errorf("%d packets of %d", l.Packets, len(k.out))
	}
	c := &l.Endpoints[Client]
	if want := "SYN-SENT/observed ESTABLISHED/confirmed FIN-WAIT-1/observed FIN-WAIT-2/presumed TIME-WAIT/presumed"; path(c) != want {
		t.Errorf("client %s, want %s", path(c), want)
	}
	if c.Stats.Bytes != (rounds+1)*100 || c.Stats.Retransmissions != 1 {
		t.Errorf("client sent %d bytes, %d again", c.Stats.Bytes, c.Stats.Retransmissions)
	}
	if l.RoleGuessed || l.Open != OpenThreeWay || l.Close != CloseFourWay || l.CloseFirst != Client {
		t.Errorf("roles guessed %v, open %s, close %s by %s", l.RoleGuessed, l.Open, l.Close, l.CloseFirst)
	}
}

// TestTimeouts: each silence ends a connection at its own limit, and says so.
func TestTimeouts(t *testing.T) {
	for name, c := range map[string]struct {
		build func(k *talk)
		limit time.Duration
		close CloseKind
		why   string
	}{
		"half-open": {func(k *talk) { k.segment(ms, 1, true, FlagSYN, 0, 0, 0) }, DefaultHalfOpenTimeout, CloseTimeout, "half-open timeout"},
		"half-open, sent again": {func(k *talk) {
			for range 4 {
				k.segment(time.Second, 1, true, FlagSYN, 0, 0, 0)
				k.segment(ms, 1, false, FlagSYN|FlagACK, 0, 1, 0)
			}
		}, DefaultHalfOpenTimeout, CloseTimeout, "half-open timeout"},
		"half-open, a bare ACK to each SYN": {func(k *talk) {
			for range 3 {
				k.segment(time.Second, 1, true, FlagSYN, 0, 0, 0)
				k.segment(ms, 1, false, FlagACK, 77, 88, 0)
			}
		}, DefaultHalfOpenTimeout, CloseTimeout, "half-open timeout"},
		"idle, the SYN-ACK missed": {func(k *talk) {
			k.segment(ms, 1, true, FlagSYN, 0, 0, 0)
			k.segment(ms, 1, true, FlagACK, 1, 1, 0)
			k.segment(ms, 1, true, FlagACK, 1, 1, 10)
		}, DefaultIdleTimeout, CloseTimeout, "idle timeout"},
		"idle":        {func(k *talk) { k.open(1) }, DefaultIdleTimeout, CloseTimeout, "idle timeout"},
		"half-closed": {func(k *talk) { k.open(1); k.segment(ms, 1, true, FlagFIN|FlagACK, 1, 1, 0) }, DefaultHalfClosedTimeout, CloseTimeout, "half-closed timeout"},
		"closed":      {func(k *talk) { k.open(1); k.close(1, 1, 1) }, 2 * DefaultMSL, CloseFourWay, ""},
	} {
		var k talk
		c.build(&k)
		var retired *Lifecycle
		tr := NewTracker(Options{Emit: func(l *Lifecycle) { retired = l }})
		for i := range k.out {
			tr.Add(&k.out[i])
		}
		tr.Advance(k.now + int64(c.limit) - int64(time.Second))
		if retired != nil {
			t.Errorf("%s: retired before its time", name)
		}
		tr.Advance(k.now + int64(c.limit) + 2*int64(time.Second))
		if retired == nil {
			t.Errorf("%s: not retired", name)
			continue
		}
		if retired.Close != c.close || retired.Evicted != c.why {
			t.Errorf("%s: closed %s, %q", name, retired.Close, retired.Evicted)
		}
		if tr.Open() != 0 {
			t.Errorf("%s: %d connections left in the table", name, tr.Open())
		}
	}
}

// TestEviction: a full table lets the connections go that were silent longest.
func TestEviction(t *testing.T) {
	var k talk
	const most, all = 160, 1000
	for p := range uint16(all) {
		k.segment(ms, p, true, FlagSYN, 0, 0, 0)
	}
	var order []uint16
	evicted := 0
	tr := NewTracker(Options{MaxConnections: most, Emit: func(l *Lifecycle) {
		order = append(order, l.Client.Port())
		if l.Close == CloseEvicted {
			evicted++
		}
	}})
	for i := range k.out {
		tr.Add(&k.out[i])
		if tr.Open() > most {
			t.Fatalf("%d connections open, the limit is %d", tr.Open(), most)
		}
	}
	tr.Close()
	if len(order) != all || evicted < all-most {
		t.Errorf("%d told, %d of them evicted", len(order), evicted)
	}
	for i, p := range order {
		if int(p) != i {
			t.Fatalf("connection %d went %dth", p, i)
		}
	}
}

// TestFINInSynSent: a FIN without ACK at the SYN's own number closes nothing,
// and is no copy of the SYN.
func TestFINInSynSent(t *testing.T) {
	var k talk
	k.segment(ms, 1, true, FlagSYN, 0, 0, 0)
	k.segment(290*ms, 1, true, FlagFIN, 0, 0, 0)
	k.segment(300*ms, 1, false, FlagSYN|FlagACK, 0, 1, 0)
	k.segment(ms, 1, true, FlagACK, 1, 1, 0)
	k.segment(ms, 1, true, FlagACK|FlagPSH, 1, 1, 100)
	k.segment(ms, 1, false, FlagACK, 1, 101, 0)
	l := lives(Options{}, k.out, k.now)[0]
	if got, want := path(&l.Endpoints[Client]), "SYN-SENT/observed ESTABLISHED/confirmed"; got != want {
		t.Errorf("client %s, want %s", got, want)
	}
	if got, want := path(&l.Endpoints[Server]), "LISTEN/assumed SYN-RECEIVED/confirmed ESTABLISHED/confirmed"; got != want {
		t.Errorf("server %s, want %s", got, want)
	}
	if l.Close != CloseNone || l.Endpoints[Client].Stats.Retransmissions != 0 {
		t.Errorf("closed %s, %d sent again", l.Close, l.Endpoints[Client].Stats.Retransmissions)
	}
}

// TestTimeWaitExpires: TIME-WAIT ends by the clock, at its own time, and the
// peer's MSL does not matter.
func TestTimeWaitExpires(t *testing.T) {
	var k talk
	k.open(1)
	k.close(1, 1, 1)
	o := Options{HostMSL: map[IP]time.Duration{testIP(1): 15 * time.Second}}
	e := lives(o, k.out, k.now+int64(45*time.Second))[0].Endpoints[Client]
	last := e.History[len(e.History)-1]
	if last.State != tcpstate.Closed || last.Evidence != Timer || last.At != k.now+int64(30*time.Second) || last.Packet != 0 {
		t.Errorf("%+v", last)
	}
	o.HostMSL[testIP(1)] = 30 * time.Second
	e = lives(o, k.out, k.now+int64(45*time.Second))[0].Endpoints[Client]
	if !e.InTimeWait || e.TimeWaitLeast != int64(15*time.Second) || e.TimeWaitMost != e.TimeWaitLeast {
		t.Errorf("in TIME-WAIT %v, %d to %d ns left", e.InTimeWait, e.TimeWaitLeast, e.TimeWaitMost)
	}
}

// FuzzTracker: packets in = packets of connections, whatever comes.
func FuzzTracker(f *testing.F) {
	var k talk
	k.open(1)
	k.close(1, 1, 1)
	var seed []byte
	for _, s := range k.out {
		seed = append(seed, byte(s.SrcPort), s.Flags, byte(s.Seq), byte(s.Ack), byte(s.Length), 1)
	}
	f.Add(seed)
	f.Add([]byte("\x01\x02\x00\x00\x00\x05\x50\x12\x00\x01\x00\x05\x01\x14\x01\x01\x10\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer fuzzlimit.Watch(t, len(data))()
		var k talk
		for len(data) >= 6 {
			b := data[:6]
			data = data[6:]
			k.segment(time.Duration(b[5])*time.Duration(b[5])*ms, uint16(b[0]&3), b[0]&4 != 0, b[1], uint32(int8(b[2])), uint32(int8(b[3])), uint32(b[4]))
			s := &k.out[len(k.out)-1]
			if b[0]&8 != 0 {
				s.HasTimestamps, s.TSVal, s.TSEcr = true, uint32(b[2])+uint32(b[5]), uint32(b[3])
			}
			if b[0]&16 != 0 {
				s.SACKCount, s.SACK[0] = 1, SACKBlock{s.Ack + uint32(b[4]), s.Ack + uint32(b[4]) + uint32(b[3])}
			}
			s.IPID = uint16(b[0] >> 5)
		}
		packets, first := uint64(0), ""
		for range 2 {
			packets = 0
			var told []string
			tr := NewTracker(Options{MaxConnections: 3, Emit: func(l *Lifecycle) {
				packets += l.Packets
				checkLifecycle(t, l)
				told = append(told, fmt.Sprint(l.ID, l.Open, l.Close, path(&l.Endpoints[0]), path(&l.Endpoints[1])))
			}, Check: func(c *Case) { c.Segments(); c.Losses(); c.Seen() }, CheckClean: func(*Lifecycle, *Clean) {}})
			for i := range k.out {
				tr.Add(&k.out[i])
			}
			tr.Close()
			if s := strings.Join(told, "\n"); first != "" && s != first {
				t.Errorf("the second run differs:\n%s\n%s", first, s)
			} else {
				first = s
			}
		}
		if packets != uint64(len(k.out)) {
			t.Errorf("%d packets in, %d told", len(k.out), packets)
		}
	})
}

// checkLifecycle asserts what holds for every Lifecycle.
func checkLifecycle(t *testing.T, l *Lifecycle) {
	t.Helper()
	if l.End < l.Start {
		t.Errorf("ends before it starts: %+v", l)
	}
	for side := range l.Endpoints {
		e := &l.Endpoints[side]
		for i, s := range e.History {
			if s.Evidence == Confirmed && len(s.ConfirmedBy) == 0 {
				t.Errorf("%s is confirmed by nothing", s.State)
			}
			if i == len(e.History)-1 && (s.State != e.State || s.Evidence != e.Evidence) {
				t.Errorf("the endpoint is in %s (%s), its history ends in %s (%s)", e.State, e.Evidence, s.State, s.Evidence)
			}
		}
		for _, w := range e.Withdrawn {
			if len(w.RefutedBy) == 0 || w.Reason == "" {
				t.Errorf("withdrawn without a reason: %+v", w)
			}
		}
	}
}
