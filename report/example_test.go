package report_test

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// A Writer takes Lifecycles as the Tracker emits them.
func ExampleNew() {
	w, err := report.New(os.Stdout, report.Options{
		Text:    report.TextOptions{All: true},
		Capture: report.Capture{Files: []report.CaptureFile{{File: 1, Name: "syn.pcap"}}, MSL: report.Seconds(30 * time.Second)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	syn := reassembly.MakePacket(0, 1)
	l := reassembly.Lifecycle{
		ID: 1, Client: netip.MustParseAddrPort("10.0.0.1:41000"), Server: netip.MustParseAddrPort("10.0.0.2:80"),
		Start: start, End: start, First: syn, Last: syn, Packets: 1,
		Open: reassembly.OpenUnanswered, CloseFirst: reassembly.None,
	}
	l.Endpoints[reassembly.Client] = reassembly.Endpoint{
		State: tcpstate.SynSent, Evidence: reassembly.Observed,
		History: []reassembly.Step{{State: tcpstate.SynSent, At: start, Packet: syn, Event: "send SYN", Evidence: reassembly.Observed}},
		Stats:   reassembly.EndpointStats{Packets: 1},
	}
	if err := w.Add(&l); err != nil {
		fmt.Println(err)
	}
	if err := w.Close(report.Trace{Start: start, End: start, Quality: report.Quality{Frames: 1, Segments: 1}}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 1 TCP connection, 1 packet in 0 s, 2026-01-01 00:00:00 to 00:00:00 UTC
	// file       syn.pcap
	// opened     1 unanswered
	// closed     1 still open
	// findings   none
	// capture    1 frame, 1 TCP segment
	// evidence   * observed  + confirmed  ? presumed  ~ assumed  @ timer  x withdrawn
	//
	// #1  10.0.0.1:41000 -> 10.0.0.2:80  tcp.stream eq 0
	//     opened unanswered at 00:00:00.000000, not closed, 0 s, 1 packet
	//
	//        time  packet  client          server          event
	//   +0.000000       1  SYN-SENT     *                  send SYN
	//   client: SYN-SENT, observed; sent 1 packet, 0 bytes
	//   server: UNKNOWN; sent 0 packets, 0 bytes
}
