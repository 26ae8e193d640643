package anomaly

import (
	"fmt"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file: what the checks share.

// maxPackets is how many packets a finding cites at most.
const maxPackets = 16

// cite keeps the decisive packets: the first ones and the last.
func cite(packets ...reassembly.Packet) []reassembly.Packet {
	if len(packets) <= maxPackets {
		return packets
	}
	return append(packets[:maxPackets-1:maxPackets-1], packets[len(packets)-1])
}

// one wraps a single finding.
func one(f reassembly.Finding) []reassembly.Finding { return []reassembly.Finding{f} }

// secs is a measure in seconds from ns.
func secs(name string, ns, limit int64) reassembly.Measure {
	return reassembly.Measure{Name: name, Value: reassembly.Seconds(ns), Limit: reassembly.Seconds(limit)}
}

// span words a duration for people: 208 ms, 1.53 s, 2m5s.
func span(ns int64) string {
	d := time.Duration(ns)
	switch {
	case d < 0:
		return "-" + span(-ns)
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// pkt words one packet number.
func pkt(p reassembly.Packet) string { return fmt.Sprintf("packet %d", p.Number()) }

// count words a number of things: 1 ACK, 3 ACKs.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
