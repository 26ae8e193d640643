package anomaly

import (
	"fmt"
	"strconv"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// The checks of path.go.

const (
	// deadProbes is from how many keep-alive probes without an answer on the
	// peer may be gone.
	deadProbes = 3
	// shutWindow is how long a closed window is ordinary flow control.
	shutWindow = second
	// giveUp is the least R2 (RFC 9293 section 3.8.3, SHLD-11).
	giveUp = 100 * second
)

// probe reports a segment one below its sender's end that carries at most one
// byte: a keep-alive (RFC 9293 section 3.8.4) or a window probe. One of an older
// IP-ID was only overtaken by later ones.
func probe(s *segment) bool {
	return s.HadEnd && s.Len <= 1 && s.IDStep >= 0 && s.Seq == s.PrevEnd-1 && s.Flags&(reassembly.FlagSYN|reassembly.FlagFIN|reassembly.FlagRST) == 0
}

func checkKeepalive(c *reassembly.Case) []finding {
	if !c.Seen().Probe {
		return nil
	}
	segs := c.Segments()
	var found []finding
	for _, side := range sides {
		var all []packet
		var tail int // probes since the peer's last segment
		var first int64
		shut := false
		for i := range segs {
			s := &segs[i]
			switch {
			case !s.Own():
			case s.Side != side:
				tail = 0
				shut = s.Window == 0 && !isRST(s)
			case shut || !probe(s) || !s.HasPeerAck || s.PeerAck != s.PrevEnd:
			default:
				if all == nil {
					first = s.At
				}
				all = append(all, s.Packet)
				tail++
			}
		}
		if all == nil {
			continue
		}
		f := finding{Side: side, At: first, Packets: cite(all...),
			Measures: []reassembly.Measure{number("probe_count", len(all)), number("unanswered_count", tail)}}
		f.Detail = "The " + side.String() + " probed the idle connection " + times(len(all)) + ", first in " + pkt(all[0])
		if tail < deadProbes {
			f.Detail += "."
			found = append(found, withSeverity("keepalive", Path, reassembly.Info, f))
			continue
		}
		f.Detail += ", and nothing answered the last " + strconv.Itoa(tail) + " (" + nums(all[len(all)-tail:]) + ")."
		found = append(found, withSeverity("keepalive", Path, reassembly.Warning, f))
	}
	return found
}

// A window is a stall only where the sender had something to send: it probes the
// window, or sends on when it opens.
func checkZeroWindow(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		if c.Life.Endpoints[side].Stats.ZeroWindows == 0 || c.Life.End-c.Life.Start <= shutWindow {
			continue
		}
		if f, ok := zeroWindowOf(c, side); ok {
			found = append(found, f)
		}
	}
	return found
}

// zeroWindowOf measures the longest time for which a side held its window shut.
func zeroWindowOf(c *reassembly.Case, side reassembly.Side) (worst finding, ok bool) {
	segs := c.Segments()
	var shut *segment
	var probes []packet
	longest, total := int64(0), 0
	judge := func(to int64, by packet, wanted bool) {
		if shut != nil && wanted && to-shut.At > shutWindow {
			total++
			if to-shut.At > longest {
				longest = to - shut.At
				worst = finding{Side: side, At: shut.At, Packets: cite(append([]packet{shut.Packet}, probes...)...),
					Detail: "The " + side.String() + " shut its window in " + pkt(shut.Packet) + " and held it shut for " + span(longest)}
				if by != 0 {
					worst.Packets = cite(append(append([]packet{shut.Packet}, probes...), by)...)
					worst.Detail += ", until " + pkt(by)
				}
				if len(probes) > 0 {
					worst.Detail += "; the sender probed it " + times(len(probes)) + " meanwhile"
				}
				worst.Detail += "."
			}
		}
		shut, probes = nil, nil
	}
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case isRST(s):
			judge(s.At, s.Packet, len(probes) > 0)
		case s.Side != side:
			if shut != nil && (s.Len > 0 || probe(s)) {
				probes = append(probes, s.Packet)
			}
		case s.Window == 0 && s.Flags&(reassembly.FlagSYN|reassembly.FlagFIN) == 0:
			if shut == nil {
				shut = s
			}
		case shut != nil && s.Window != 0:
			judge(s.At, s.Packet, len(probes) > 0 || sentSoon(c, i))
		}
	}
	judge(c.Now, 0, len(probes) > 0)
	if longest == 0 {
		return worst, false
	}
	worst.Measures = []reassembly.Measure{secs("interval_s", longest, shutWindow), number("stall_count", total)}
	return worst, true
}

// sentSoon reports that the peer sent data as soon as segment i had opened the window.
func sentSoon(c *reassembly.Case, i int) bool {
	segs := c.Segments()
	for j := i + 1; j < len(segs); j++ {
		if s := &segs[j]; s.Own() && s.Side != segs[i].Side {
			return s.Len > 0 && s.At-segs[i].At <= late(c, s.Side)
		}
	}
	return false
}

func checkSeqWrap(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		d := c.Sender(side)
		if !d.HasEnd || d.HasISN && d.End >= d.ISN && c.Life.Endpoints[side].Stats.Bytes < 1<<32 || !d.HasISN && d.End > 1<<30 {
			continue
		}
		f := finding{Side: side, At: c.Life.Start}
		if s := firstOf(c.Segments(), func(s *segment) bool { return s.Side == side && s.End() < s.Seq }); s != nil {
			f.At, f.Packets = s.At, []packet{s.Packet}
			f.Detail = "The sequence numbers of the " + side.String() + " passed 2^32 in " + pkt(s.Packet) + "."
		} else if d.HasISN {
			f.Packets = []packet{c.Life.First, c.Life.Last}
			f.Detail = "The sequence numbers of the " + side.String() + " passed 2^32 between " + pkt(c.Life.First) + " and " + pkt(c.Life.Last) + "."
		} else {
			continue
		}
		found = append(found, f)
	}
	return found
}

// A segment counts as rejected by its old timestamp (RFC 7323 section 5.3, R1)
// when its receiver had echoed a newer one before, or answers it without
// progress, and its bytes have to come again.
func checkPAWS(c *reassembly.Case) []finding {
	if v := c.Seen(); !v.OldTS || !v.Retransmission {
		return nil
	}
	segs := c.Segments()
	var newest [2]uint32
	var has [2]bool
	for i := range segs {
		s := &segs[i]
		if !s.Own() || !s.HasTS || isRST(s) {
			continue
		}
		if (s.Kind == reassembly.Fresh || s.Kind == reassembly.LateOriginal) && s.End() != s.Seq && has[s.Side] && reassembly.Before(s.TSVal, newest[s.Side]) {
			f := finding{Side: s.Side, At: s.At, Packets: []packet{s.Packet}, Confidence: reassembly.Likely}
			k, behind := copyOf(segs, i), newest[s.Side]
			if e := c.NewerEcho(i); e >= 0 && k >= 0 && reassembly.Before(segs[k].PeerAck, s.End()) {
				behind = segs[e].TSEcr
				f.Packets = append(f.Packets, segs[e].Packet, segs[k].Packet)
				f.Detail = fmt.Sprintf("The timestamp of %s is %s older than what its receiver had echoed before (%s); it takes the segment for an old duplicate, and %s sent the bytes again.",
					pkt(s.Packet), count(int(behind-s.TSVal), "tick"), pkt(segs[e].Packet), pkt(segs[k].Packet))
			} else if j := dupACK(c, i); s.Kind == reassembly.Fresh && j >= 0 && k > j {
				f.Packets = append(f.Packets, segs[j].Packet, segs[k].Packet)
				f.Detail = fmt.Sprintf("The timestamp of %s is %d below one sent before; %s answered it without acknowledging it, and %s sent its bytes again.",
					pkt(s.Packet), behind-s.TSVal, pkt(segs[j].Packet), pkt(segs[k].Packet))
			}
			if f.Detail != "" {
				f.Measures = []reassembly.Measure{number("behind_ticks", int(behind-s.TSVal))}
				return []finding{f}
			}
		}
		if !has[s.Side] || reassembly.Before(newest[s.Side], s.TSVal) {
			newest[s.Side], has[s.Side] = s.TSVal, true
		}
	}
	return nil
}

// dupACK is the pure ACK without progress that answers segment i, -1 if none.
func dupACK(c *reassembly.Case, i int) int {
	segs := c.Segments()
	y := segs[i].Side.Other()
	for j := i + 1; j < len(segs); j++ {
		s := &segs[j]
		if s.Side != y || !s.Own() {
			continue
		}
		if s.PureACK() && s.HadAck && s.Ack == s.PrevAck && s.SACK == [2]reassembly.SACKBlock{} && s.At-segs[i].At <= late(c, y) {
			return j
		}
		return -1
	}
	return -1
}

func copyOf(segs []segment, i int) int {
	for k := i + 1; k < len(segs); k++ {
		if s := &segs[k]; s.Own() && s.Side == segs[i].Side && s.Kind == reassembly.Retransmission && s.Original == i {
			return k
		}
	}
	return -1
}

// Only an older timestamp or IP-ID proves that a segment was overtaken.
func checkReordering(c *reassembly.Case) []finding {
	if v := c.Seen(); !v.LateOriginal && !v.Filler {
		return nil
	}
	segs := c.Segments()
	var all [2][]packet
	var at [2]int64
	for i := range segs {
		s := &segs[i]
		overtaken := s.Kind == reassembly.LateOriginal ||
			s.Kind == reassembly.Fresh && s.HadEnd && s.End() != s.Seq && reassembly.Before(s.Seq, s.PrevEnd) && s.IDStep < 0 && s.IDStep > -64
		if !s.Own() || isRST(s) || !overtaken {
			continue
		}
		if len(all[s.Side]) == 0 {
			at[s.Side] = s.At
		}
		all[s.Side] = append(all[s.Side], s.Packet)
	}
	var found []finding
	for _, side := range sides {
		if list := all[side]; len(list) > 0 {
			found = append(found, finding{Side: side, At: at[side], Packets: cite(list...),
				Detail: "Of the " + side.String() + "'s segments " + strconv.Itoa(len(list)) + " passed after later ones: " +
					nums(list) + ".",
				Measures: []reassembly.Measure{number("segment_count", len(list))}})
		}
	}
	return found
}

// The SYN's own time-out is syn-unanswered.
func checkUserTimeout(c *reassembly.Case) []finding {
	if !c.Seen().Retransmission || c.Life.End-c.Life.Start < giveUp {
		return nil
	}
	for _, side := range sides {
		if f, ok := gaveUp(c, side); ok {
			return []finding{f}
		}
	}
	return nil
}

func gaveUp(c *reassembly.Case, side reassembly.Side) (f finding, ok bool) {
	segs := c.Segments()
	var first, last int64
	var all []packet
	var rst *segment
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case s.Side != side:
			all, rst = nil, nil // the peer lives
		case isRST(s):
			rst = s
		case s.Kind == reassembly.Retransmission && !bareSYN(s) && s.Original >= 0:
			if all == nil {
				o := &segs[s.Original]
				all, first = append(all, o.Packet), o.At
			}
			all, last = append(all, s.Packet), s.At
		}
	}
	// Silence is no end while the next copy may still come.
	silent := c.Life.Endpoints[side].MayBe == tcpstate.Closed
	if len(all) < 3 || last-first < giveUp || rst == nil && !silent {
		return f, false
	}
	f = finding{Side: side, At: last, Packets: cite(all...), Detail: "The " + side.String() + " sent the segment of " + pkt(all[0]) + " again " +
		times(len(all)-1) + " in " + span(last-first) + " without an answer",
		Measures: []reassembly.Measure{secs("interval_s", last-first, giveUp), number("copy_count", len(all)-1)}}
	if rst != nil {
		f.Packets = cite(append(all, rst.Packet)...)
		f.Detail += " and then a RST in " + pkt(rst.Packet) + "."
	} else {
		f.Detail += " and then fell silent."
	}
	return f, true
}

func checkRoleUncertain(c *reassembly.Case) []finding {
	if !c.Life.RoleGuessed {
		return nil
	}
	return []finding{{Side: reassembly.None, At: c.Life.Start, Packets: []packet{c.Life.First},
		Detail: "No SYN was seen: that " + c.Life.Client.String() + " is the client is a guess."}}
}

// A hole that was acknowledged and never filled; what is above the last byte
// seen is ack-of-unsent or the end of the capture.
func checkCaptureGap(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		d, p := c.Sender(side), c.Sender(side.Other())
		if !d.HasEnd || !p.HasAck || c.Life.OneSided || !reassembly.Before(d.Contiguous, d.End) || !reassembly.Before(d.Contiguous, p.Ack) {
			continue
		}
		segs := c.Segments()
		ack := firstOf(segs, func(s *segment) bool { return s.Side != side && acks(s, d.Contiguous+1) })
		above := firstOf(segs, func(s *segment) bool {
			return s.Side == side && !isRST(s) && reassembly.Before(d.Contiguous, s.Seq) // a bare ACK where only a FIN is missing
		})
		f := finding{Side: side, At: c.Life.End}
		f.Detail = "Bytes of the " + side.String() + " were acknowledged that the capture does not have"
		if ack != nil && above != nil {
			f.At, f.Packets = ack.At, []packet{above.Packet, ack.Packet}
			if ack.Packet < above.Packet {
				f.Packets = []packet{ack.Packet, above.Packet}
			}
			n := lowest(segs, side, d.Contiguous) - d.Contiguous
			f.Detail = "The ACK in " + pkt(ack.Packet) + " covers " + count(n, "byte") + " of the " + side.String() + " that the capture does not have"
			f.Measures = []reassembly.Measure{number("missing_bytes", int(n))}
		}
		f.Detail += "; they were never sent again."
		found = append(found, f)
	}
	return found
}

// lowest is the lowest sequence number above the hole that begins at from.
func lowest(segs []segment, side reassembly.Side, from uint32) uint32 {
	low, has := uint32(0), false
	for i := range segs {
		s := &segs[i]
		if s.Own() && s.Side == side && !isRST(s) && reassembly.Before(from, s.Seq) && (!has || reassembly.Before(s.Seq, low)) {
			low, has = s.Seq, true
		}
	}
	return low
}

func checkDuplicateFrame(c *reassembly.Case) []finding {
	if !c.Seen().DuplicateFrame {
		return nil
	}
	segs := c.Segments()
	var all []packet
	n := 0
	f := finding{Side: reassembly.None}
	for i := range segs {
		s := &segs[i]
		if s.Kind != reassembly.DuplicateFrame || s.Next || s.Old || s.Quoted {
			continue
		}
		if n++; n == 1 {
			f.At = s.At
			f.Detail = pkt(s.Packet) + " is one packet captured twice"
			if s.Original >= 0 {
				o := &segs[s.Original]
				all = append(all, o.Packet)
				f.Detail = "Packets " + bare(o.Packet) + " and " + bare(s.Packet) + ", " + span(s.At-o.At) + " apart, are one packet captured twice"
			}
		}
		all = append(all, s.Packet)
	}
	if n > 1 {
		f.Detail += "; so are " + count(n-1, "more frame")
	}
	f.Detail += "."
	f.Packets, f.Measures = cite(all...), []reassembly.Measure{number("frame_count", n)}
	return []finding{f}
}

// A segment may carry no more than the MSS that its receiver stated (RFC 9293
// section 3.7.1): a larger one was not yet cut, or already put together.
func checkOffload(c *reassembly.Case) []finding {
	v := c.Seen()
	var found []finding
	for _, side := range sides {
		mss := uint32(c.Life.Endpoints[side.Other()].Stats.MSS)
		if mss == 0 || v.MaxLen[side] <= mss {
			continue
		}
		s := firstOf(c.Segments(), func(s *segment) bool { return s.Side == side && s.Len > mss })
		if s == nil {
			continue
		}
		found = append(found, offload(side, s.Packet, s.At, s.Len, mss))
	}
	return found
}

func offload(side reassembly.Side, p packet, at int64, length, mss uint32) finding {
	return finding{Side: side, At: at, Packets: []packet{p},
		Detail: "The " + count(length, "byte") + " of " + pkt(p) + " are more than the maximum segment size of " + count(mss, "byte") +
			" that the " + side.Other().String() + " stated.",
		Measures: []reassembly.Measure{{Name: "segment_bytes", Value: float64(length), Limit: float64(mss)}}}
}
