package report

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

func TestSelection(t *testing.T) {
	for only, want := range map[string][]uint64{
		"":                                   {1, 2, 3},
		"finding=final-ack-lost":             {1},
		"finding=FINAL_ACK_LOST":             {1},
		"finding=2msl":                       {2},
		"finding=*-in-2msl,final-ack-lost":   {1, 2},
		"state=TIME_WAIT":                    {1, 2},
		"state=SYN_SENT,LAST_ACK":            {2, 3},
		"passed=FIN-WAIT-2":                  {1},
		"open=midstream,unanswered":          {2, 3},
		"close=four-way":                     {1},
		"state=TIME-WAIT close=evicted":      {2},
		"finding=midstream open=three-way":   {},
		"finding=lost-ack passed=CLOSE-WAIT": {1},
	} {
		var s Selection
		for _, expression := range strings.Fields(only) {
			if err := s.Only(expression); err != nil {
				t.Fatal(err)
			}
		}
		got := []uint64{}
		for _, l := range samples() {
			if s.Match(l) {
				got = append(got, l.ID)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || s.Empty() != (only == "") {
			t.Errorf("%q selects %v, want %v", only, got, want)
		}
	}
}

func TestMinSeverity(t *testing.T) {
	for severity, want := range map[reassembly.Severity]int{reassembly.Info: 3, reassembly.Note: 2, reassembly.Warning: 2, reassembly.Error: 1} {
		got := write(t, Options{Format: NDJSON, Selection: Selection{MinSeverity: severity}}, samples()...)
		if n := strings.Count(string(got), `"type":"connection"`); n != want {
			t.Errorf("%s: %d connections, want %d", severity, n, want)
		}
		if severity > reassembly.Info && strings.Contains(string(got), `"id":"midstream","family":"handshake","severity":"info","at"`) {
			t.Errorf("%s: a finding below it is listed", severity)
		}
	}
}

func TestSelectionInWords(t *testing.T) {
	s := Selection{MinSeverity: reassembly.Warning}
	for _, expression := range []string{"finding=2msl", "state=tw,fw1", "passed=CLOSING", "open=refused", "close=reset"} {
		if err := s.Only(expression); err != nil {
			t.Fatal(err)
		}
	}
	const want = "finding=2msl state=TIME-WAIT,FIN-WAIT-1 passed=CLOSING open=refused close=reset severity>=warning"
	if got := s.String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for _, bad := range []string{"", "finding", "finding=", "finding=[", "colour=red", "state=OPEN", "passed=x", "open=x", "close=x"} {
		if err := s.Only(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"--format", "--filter", "TIME-WAIT", "final-ack-lost"}
	for word, want := range map[string]string{
		"--fromat": "--format", "time-wiat": "TIME-WAIT", "final": "final-ack-lost", "xyzzy": "",
	} {
		got := DidYouMean(word, known)
		if want != "" {
			want = "; did you mean " + want + "?"
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", word, got, want)
		}
	}
}

// A flood of addresses neither takes memory without bound nor hides who holds most.
func TestTallyForgetsTheLeast(t *testing.T) {
	const most = 1 << 12
	totals := Totals{hosts: hostTallies{most: most}}
	l := unanswered()
	l.Endpoints[0].State, l.Endpoints[0].InTimeWait = tcpstate.TimeWait, true
	for i := range 6 * most {
		l.Client = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)
		if i%10 == 0 {
			l.Client = netip.MustParseAddrPort("192.0.2.1:1")
		}
		totals.Add(l)
		if n := totals.hosts.holders.n; n > most {
			t.Fatalf("%d hosts are held", n)
		}
	}
	s := totals.Summary(Trace{}, 0)
	if h := s.TimeWait.Hosts[0]; h.IP.String() != "192.0.2.1" || h.Held != (6*most+9)/10 {
		t.Errorf("most is held by %+v", h)
	}
	if s.TimeWait.Endpoints != 6*most || len(s.TimeWait.Hosts) != summaryHosts || s.TimeWait.MoreHosts == 0 {
		t.Errorf("%d endpoints, %d hosts and %d more", s.TimeWait.Endpoints, len(s.TimeWait.Hosts), s.TimeWait.MoreHosts)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"a b c", 0, []string{"a b c"}},
		{"aa bb cc", 5, []string{"aa bb", "cc"}},
		{"longword a", 4, []string{"longword", "a"}},
		{"1" + glue + "s on", 4, []string{"1" + glue + "s", "on"}},
		{painter{true}.paint(bold, "ab") + " cd", 5, []string{"\x1b[1mab\x1b[0m cd"}},
	} {
		if got := wrap(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("wrap(%q, %d) is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for ns, want := range map[Seconds]string{
		0: "0 s", 200_000: "0.2 ms", 1_500: "0.002 ms", 290_000_000: "0.29 s", 59_700_000_000: "59.7 s", 60_000_000_000: "60 s",
		125 * nsPerSecond: "2m 5s", 7384 * nsPerSecond: "2h 3m", 200_000 * nsPerSecond: "2d 7h",
	} {
		if got := strings.ReplaceAll(span(ns), glue, " "); got != want {
			t.Errorf("%d ns are %s, want %s", int64(ns), got, want)
		}
	}
}

// No line of the text report is wider than the terminal, but for what cannot be broken.
func TestTextKeepsWithinTheWidth(t *testing.T) {
	for _, width := range []int{80, 100, 132} {
		text := string(write(t, Options{Text: TextOptions{Width: width, All: true, Info: true, Explain: true}}, samples()...))
		for line := range strings.Lines(text) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%d columns of %d: %s", n, width, line)
			}
		}
	}
}

// Rows of both endpoints stand in the order of packets whatever their clocks say.
func TestLaneRows(t *testing.T) {
	c := new(Builder).Build(finalACKLost())
	var got []string
	for _, r := range laneRows(c) {
		cell := func(s *laneStep) string {
			if s == nil {
				return "-"
			}
			return string(s.State) + s.mark()
		}
		got = append(got, fmt.Sprintf("%s %s %s", r.packet(), cell(r.side[0]), cell(r.side[1])))
	}
	want := []string{
		" - LISTEN~", "1 SYN-SENT* SYN-RECEIVED+", "2 ESTABLISHED+ -", "3 - ESTABLISHED+", "7 FIN-WAIT-1* CLOSE-WAIT+",
		"8 FIN-WAIT-2? -", "9 TIME-WAIT? LAST-ACK*", "10 - CLOSEDx", "13 - CLOSED?",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
