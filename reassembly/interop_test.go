package reassembly_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// talk plays segments between a (port 41000) and b and gives the Lifecycles.
// A word is a direction, > for a to b, then letters: S, A, F, R, U are flags,
// D is a payload of ten bytes, W a window of zero; then what differs from the
// numbers of an orderly connection: +n or -n moves the sequence number, a+n or
// a-n behind it the acknowledgment. a starts at 1000, b at 5000, and so does
// each of their SYNs. The word ~n lets n seconds pass.
func talk(t *testing.T, script string, ports ...uint16) []reassembly.Lifecycle {
	t.Helper()
	port := [2]uint16{41000, 9}
	copy(port[:], ports)
	var out []reassembly.Lifecycle
	tr := reassembly.NewTracker(reassembly.Options{Emit: func(l *reassembly.Lifecycle) { out = append(out, *l) }})
	next := [2]uint32{1000, 5000}
	now := int64(1e18)
	for i, word := range strings.Fields(script) {
		now += int64(10 * time.Millisecond)
		if word[0] == '~' {
			pause, err := time.ParseDuration(word[1:] + "s")
			if err != nil {
				t.Fatal(err)
			}
			now += int64(pause)
			continue
		}
		x := strings.IndexByte("><", word[0])
		s := reassembly.Segment{Time: now, Packet: reassembly.MakePacket(0, uint64(i+1)), Seq: next[x], Window: 500, TTL: 64, IPID: uint16(i + 1)}
		s.Src, s.Dst = netip.MustParseAddr("10.0.0.1").As16(), netip.MustParseAddr("10.0.0.2").As16()
		s.SrcPort, s.DstPort = port[x], port[1-x]
		if x == 1 {
			s.Src, s.Dst = s.Dst, s.Src
		}
		letters, moved := word[1:], ""
		if at := strings.IndexAny(letters, "+-a"); at >= 0 {
			letters, moved = letters[:at], letters[at:]
		}
		for _, c := range letters {
			switch c {
			case 'D':
				s.Length = 10
			case 'W':
				s.Window = 0
			default:
				s.Flags |= map[rune]uint8{'S': reassembly.FlagSYN, 'A': reassembly.FlagACK, 'F': reassembly.FlagFIN,
					'R': reassembly.FlagRST, 'U': reassembly.FlagURG}[c]
			}
		}
		if s.Has(reassembly.FlagSYN) {
			s.Seq = [2]uint32{1000, 5000}[x]
		}
		if s.Has(reassembly.FlagACK) {
			s.Ack = next[1-x]
		}
		seq, ack, _ := strings.Cut(moved, "a")
		move(t, &s.Seq, seq)
		move(t, &s.Ack, ack)
		tr.Add(&s)
		if end := s.Seq + s.Span(); int32(end-next[x]) > 0 && !s.Has(reassembly.FlagRST) {
			next[x] = end
		}
	}
	tr.Close()
	return out
}

// move adds the number in text, if there is one.
func move(t *testing.T, at *uint32, text string) {
	t.Helper()
	if text == "" {
		return
	}
	d, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	*at += uint32(d)
}

const opened = ">S <SA >A "

func TestZeekWords(t *testing.T) {
	data := strings.Repeat(">DA ", 9)
	copies := func(n int) string { return strings.Repeat(">DA-10 ", n) }
	for _, c := range []struct{ name, script, want string }{
		{"orderly", opened + ">DA <A <DA >A >FA <A <FA >A", "SF ShADadFf"},
		{"server closes first", opened + ">DA <DA <FA >A >FA <A", "SF ShADdfFa"},
		{"open at the end", opened + ">DA <A", "S1 ShADa"},
		{"half closed by originator", opened + ">FA <A", "S2 ShAFa"},
		{"half closed by responder", opened + "<FA >A", "S3 ShAf"},
		{"attempt", ">S >S >S", "S0 S"},
		{"rejected", ">S <RA", "REJ Sr"},
		{"rejected after the reset of both", ">S <RA >R", "REJ SrR"},
		{"originator resets", opened + ">DA >R", "RSTO ShADR"},
		{"responder resets", opened + ">DA <R", "RSTR ShADr"},
		{"SYN then RST", ">S >R+1", "RSTOS0 SR"},
		{"SYN-ACK then RST", "<SA <R+1", "OTH HR"},
		{"SYN then FIN", ">S >FA", "SH SF"},
		{"SYN-ACK alone", "<SA", "OTH H"},
		{"midstream", ">DA <A <DA", "OTH Dad"},
		{"midstream FIN", ">DA >FA", "SH DF"},
		{"midstream RST", ">DA <R", "RSTRH Dr"},
		{"FIN and RST at once", opened + ">FAR", "RSTO ShAI"},
		{"SYN and RST at once", ">SR", "OTH Q"},
		{"FIN and then RST of both ends", opened + ">FA <FA >R", "SF ShAFfR"},
		{"one end's RST after its FIN", opened + ">FA >R <FA", "SF ShAFRf"},
		{"ACK before the SYN-ACK", ">S <A <SA >A", "S1 SahA"},
		{"SYN-ACK before the SYN", "<SA >S >A <DA", "S1 Hs^Ad"},
		{"simultaneous", ">S <S >SA <SA", "S1 Ss"},
		{"a copy", opened + ">DA >DA-10 <A", "S1 ShADTa"},
		{"nine copies", opened + ">DA " + copies(9), "S1 ShADT"},
		{"ten copies", opened + ">DA " + copies(10), "S1 ShADTT"},
		{"a hundred copies", opened + ">DA " + copies(100), "S1 ShADTTT"},
		{"zero window", opened + ">DA <AW <AW", "S1 ShADaw"},
		{"zero window after the peer's FIN", opened + ">FA <AW", "S2 ShAFa"},
		{"hole", opened + ">DA+10 <A", "S1 ShADaG"},
		{"hole filled", opened + ">DA+10 >DA-20 <A", "S1 ShADTa"},
		{"hole filled backwards", opened + ">DA+20 >DA-20 >DA-30 <A", "S1 ShADTa"},
		{"two holes", opened + ">DA+10 >DA+10 <A >DA <A", "S1 ShADaG"},
		{"FIN at other numbers", opened + ">FA >FA-2", "S2 ShAFF"},
		{"no end to the letters", opened + data + "<A", "S1 ShADa"},
	} {
		l := talk(t, c.script)
		if len(l) != 1 {
			t.Errorf("%s: %d connections", c.name, len(l))
			continue
		}
		if got := l[0].ZeekState + " " + l[0].ZeekHistory; got != c.want {
			t.Errorf("%s: %s: got %s, want %s", c.name, c.script, got, c.want)
		}
	}
}

// TestZeekRoles: who is originator where no SYN tells.
func TestZeekRoles(t *testing.T) {
	for _, c := range []struct {
		a, b         uint16
		script, want string
	}{
		{41000, 80, "<SA >A <DA", "S1 ^hAd"},
		{41000, 80, "<DA >A", "OTH ^dA"},
		{41000, 80, ">DA <A", "OTH Da"},
		{80, 443, ">DA <A", "OTH ^dA"},
		{443, 80, ">DA <A", "OTH Da"},
		{443, 80, ">SA <A", "S1 ^hA"},
		{80, 41000, ">S <SA", "S1 Sh"},
	} {
		l := talk(t, c.script, c.a, c.b)
		if got := l[0].ZeekState + " " + l[0].ZeekHistory; got != c.want {
			t.Errorf("%d and %d: %s: got %s, want %s", c.a, c.b, c.script, got, c.want)
		}
	}
}

// TestZeekHistoryIsBounded: a flood of RSTs with numbers of their own.
func TestZeekHistoryIsBounded(t *testing.T) {
	var script strings.Builder
	for i := range 300 {
		fmt.Fprintf(&script, ">R+%d ", i+1)
	}
	l := talk(t, script.String())
	if h := l[0].ZeekHistory; h != strings.Repeat("R", 64) {
		t.Errorf("history %q", h)
	}
}

func TestCompleteness(t *testing.T) {
	const (
		syn, synACK, ack       = reassembly.CompleteSYN, reassembly.CompleteSYNACK, reassembly.CompleteACK
		data, fin, rst         = reassembly.CompleteData, reassembly.CompleteFIN, reassembly.CompleteRST
		threeWay         uint8 = syn | synACK | ack
	)
	for _, c := range []struct {
		script string
		want   uint8
	}{
		{">S", syn},
		{">SD", syn | data},
		{">S <SA", syn | synACK},
		{">S <RA", syn | ack | rst},
		{opened, threeWay},
		{">S <SA >DA", syn | synACK | data},
		{opened + ">DA <A", threeWay | data},
		{opened + ">FA <A", threeWay | fin},
		{opened + ">F", threeWay}, // a FIN without an ACK is nothing to Wireshark
		{opened + ">R", threeWay | rst},
		{"<SA", 0}, // of a single segment only the SYN counts
		{"<SA >A", synACK | ack},
		{"<SA >S >A", synACK | ack},
		{">DA", 0},
		{">DA <A", data | ack},
	} {
		if l := talk(t, c.script); l[0].Completeness != c.want {
			t.Errorf("%s: got %06b, want %06b", c.script, l[0].Completeness, c.want)
		}
	}
}

// TestStream: which connections are one tcp.stream to Wireshark.
func TestStream(t *testing.T) {
	for _, c := range []struct {
		name, script string
		want         []uint64
	}{
		{"one", opened + ">DA >FA <FA >A", []uint64{0}},
		{"a new ISN", opened + ">FA <FA >A ~1 >S+70000 <SA", []uint64{0, 1}},
		{"a late copy of the SYN", ">S ~1000 >S", []uint64{0, 0}},
		{"heard again after it ended in silence", opened + ">FA <FA >A ~1000 <A", []uint64{0, 0}},
		{"and begun anew", opened + ">FA <FA >A ~1000 >S+70000 <SA", []uint64{0, 1}},
		{"a SYN-ACK whose SYN was missed", opened + ">FA <FA >A ~1 <SA+70000a+90000", []uint64{0, 0}},
		{"begun by the other end", opened + ">FA <FA >A ~1000 <S+70000 >SA", []uint64{0, 1}},
	} {
		var got []uint64
		for _, l := range talk(t, c.script) {
			got = append(got, l.Stream)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %s: streams %v, want %v", c.name, c.script, got, c.want)
		}
	}
}
