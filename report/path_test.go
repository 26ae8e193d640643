package report

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// The path is told with the names of its points, and appended as encoding/json
// would print it.
func TestPath(t *testing.T) {
	l := &reassembly.Lifecycle{ID: 1, Client: netip.MustParseAddrPort("10.0.0.1:1"), Server: netip.MustParseAddrPort("10.0.0.2:2"),
		Path: &reassembly.Path{
			From: [2]reassembly.Crossed{
				{Delivered: 5, Lost: 1, Assumed: 1, Copies: 2, Forged: 3, Unknown: 4, Missed: 6, Reordered: 7, Delayed: 9, Delay: reassembly.Delay{Samples: 2, Least: 1e6, Most: 3e6, Sum: 4e6}},
				{Delivered: 8},
			},
			Lost: []reassembly.LostPacket{{Packet: reassembly.MakePacket(1, 11), At: 1e18, Side: reassembly.Server, Flags: reassembly.FlagFIN | reassembly.FlagACK,
				Seq: 12, Ack: 13, Len: 14, Between: reassembly.Between{From: 2, To: 1}, Assumed: true}},
			Lacks: [2]bool{false, true},
		},
		Findings: []reassembly.Finding{{ID: "final-ack-lost", Family: "lost-ack", Side: reassembly.Server, Where: reassembly.OnPath, Between: reassembly.Between{From: 0, To: 1}}},
	}
	l.Endpoints[0].History = []reassembly.Step{{State: tcpstate.Established, At: 5, Packet: reassembly.MakePacket(2, 3),
		Arrived: reassembly.MakePacket(0, 9), Evidence: reassembly.Delivered}}
	b := Builder{SeveralFiles: true, Points: []string{"client", "middle", "server"}}
	c := b.Build(l)
	got := string(c.AppendJSON(nil))
	want, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("appended %s\nmarshal  %s", got, want)
	}
	for _, part := range []string{
		`"between":["server","middle"]`, `"where":"on-path","between":["client","middle"]`, `"capture_lacks":["server"]`, `"lost_assumed":1`, `"delayed":9`, `"between":["server","middle"],"assumed":true`,
		`"one_way_delay":{"samples":2,"min_s":0.001,"mean_s":0.002,"max_s":0.003}`, `"packet":11,"file":2`, `"flags":"F."`,
		`"packet":9,"file":1,"sent_packet":3,"sent_file":3,"evidence":"delivered"`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is missing in %s", part, got)
		}
	}
	if l.Path = nil; b.Build(l).Path != nil {
		t.Error("one point has no path to tell of")
	}
}
