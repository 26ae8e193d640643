package anomaly

import (
	"strconv"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file: what the check functions share. They are in check_FAMILY.go, one a
// rule; each asks Case.Life, Case.Seen or Case.Sender first, which cost next to
// nothing, and goes through the segments only where something is odd.

const second = int64(time.Second)

// maxPackets is how many packets a finding names at most.
const maxPackets = 16

type (
	segment = reassembly.CaseSegment
	packet  = reassembly.Packet
	finding = reassembly.Finding
)

var sides = [2]reassembly.Side{reassembly.Client, reassembly.Server}

// withSeverity makes a finding of another severity than its rule's.
func withSeverity(id, family string, s reassembly.Severity, f finding) finding {
	f.ID, f.Family, f.Severity = id, family, s
	return f
}

// cite keeps the decisive packets: the first ones and the last.
func cite(packets ...reassembly.Packet) []reassembly.Packet {
	if len(packets) <= maxPackets {
		return packets
	}
	return append(packets[:maxPackets-1:maxPackets-1], packets[len(packets)-1])
}

// one wraps a single finding.
func one(f reassembly.Finding) []reassembly.Finding { return []reassembly.Finding{f} }

// pkt names a packet: "packet 12", with its file if that is not the first.
func pkt(p packet) string { return "packet " + bare(p) }

func bare(p packet) string {
	s := strconv.FormatUint(p.Number(), 10)
	if p.File() > 0 {
		s += " of file " + strconv.Itoa(p.File()+1)
	}
	return s
}

// nums names several packets: "packets 3, 5 and 7", at most five of them.
func nums(all []packet) string {
	switch n := len(all); {
	case n == 0:
		return "no packet"
	case n == 1:
		return pkt(all[0])
	case n > 5:
		return "packets " + bare(all[0]) + ", " + bare(all[1]) + ", … " + bare(all[n-1])
	}
	s := "packets " + bare(all[0])
	for _, p := range all[1 : len(all)-1] {
		s += ", " + bare(p)
	}
	return s + " and " + bare(all[len(all)-1])
}

// span words a duration for people: 208 ms, 1.53 s, 2 min 5 s.
func span(ns int64) string {
	d := time.Duration(max(ns, 0))
	switch {
	case d < time.Millisecond:
		return strconv.FormatInt(d.Microseconds(), 10) + " µs"
	case d < 10*time.Millisecond:
		return strconv.FormatFloat(d.Seconds()*1000, 'f', 1, 64) + " ms"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Seconds(), 'f', 2, 64) + " s"
	case d < 2*time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	case d < 2*time.Hour:
		return strconv.FormatInt(int64(d.Minutes()), 10) + " min " + strconv.FormatInt(int64(d.Seconds())%60, 10) + " s"
	}
	return strconv.FormatFloat(d.Hours(), 'f', 1, 64) + " h"
}

// until words the trace time that follows the last packet of a finding.
func until(ns int64) string {
	if ns < second/1000 {
		return " up to the end of the trace"
	}
	return " in the " + span(ns) + " that followed"
}

// times tells how often: "once", "twice", "3 times".
func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// count words a number of things: 1 ACK, 3 ACKs.
func count[N int | int64 | uint32](n N, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.FormatInt(int64(n), 10) + " " + one + "s"
}

// bareSYN reports a SYN without ACK.
func bareSYN(s *segment) bool {
	return s.Flags&(reassembly.FlagSYN|reassembly.FlagACK|reassembly.FlagRST) == reassembly.FlagSYN
}

// synACK reports a SYN with ACK.
func synACK(s *segment) bool {
	return s.Flags&(reassembly.FlagSYN|reassembly.FlagACK|reassembly.FlagRST) == reassembly.FlagSYN|reassembly.FlagACK
}

func isRST(s *segment) bool { return s.Flags&reassembly.FlagRST != 0 }

func isFIN(s *segment) bool {
	return s.Flags&(reassembly.FlagFIN|reassembly.FlagRST) == reassembly.FlagFIN
}

// acks reports a segment that acknowledges all below end.
func acks(s *segment, end uint32) bool {
	return s.Flags&reassembly.FlagACK != 0 && reassembly.AtOrBefore(end, s.Ack)
}

// late is how long after something passed the tap a reaction of side s is overdue.
func late(c *reassembly.Case, s reassembly.Side) int64 {
	d := c.Sender(s)
	return d.Turn + d.Slack
}

// leastRTO is the shortest retransmission time-out in use (Linux); RFC 6298
// section 2 asks for 1 s.
const leastRTO = second / 5

// inFlight is how long after something passed the tap segments of side s may
// still pass that it sent before it had that: the longest of its round trips,
// since it may have a queue before it.
func inFlight(c *reassembly.Case, s reassembly.Side) int64 {
	return max(late(c, s), c.Life.Endpoints[s].Stats.RTT.Max+c.Sender(s).Slack)
}

// secs is a measure in seconds from ns.
func secs(name string, ns, limit int64) reassembly.Measure {
	return reassembly.Measure{Name: name, Value: reassembly.Seconds(ns), Limit: reassembly.Seconds(limit)}
}

func number(name string, n int) reassembly.Measure {
	return reassembly.Measure{Name: name, Value: float64(n)}
}
