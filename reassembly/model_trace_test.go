package reassembly_test

import (
	"fmt"
	"strings"

	"github.com/finwait/finwait/reassembly"
)

// This file prints a case so that a person can follow it.

// trace is all packets of a case with what became of them, both true paths, and
// what was told.
func (s *sim) trace(lives []*reassembly.Lifecycle) string {
	var b strings.Builder
	again := ""
	if s.p.Harsh {
		again = "FINWAIT_MODEL_HARSH=1 "
	}
	fmt.Fprintf(&b, "seed %d (%sFINWAIT_MODEL_SEED=%d replays it alone)\n%+v\n", s.p.Seed, again, s.p.Seed, *s.p)
	b.WriteString("frame     sent ms    at tap\n")
	for _, k := range s.packets {
		s.tracePacket(&b, k)
	}
	for x := range 2 {
		fmt.Fprintf(&b, "%s really:", who(x))
		for _, t := range s.host[x].path {
			fmt.Fprintf(&b, "  %v@%.2f", t.state, s.rel(t.at))
			if t.by != nil {
				fmt.Fprintf(&b, " by #%d", t.by.frame.Number())
			}
		}
		b.WriteString("\n")
	}
	for _, l := range lives {
		for x := range 2 {
			e := &l.Endpoints[side(s, l, x)]
			fmt.Fprintf(&b, "%s told:\n", who(x))
			for i := range e.History {
				st := &e.History[i]
				fmt.Fprintf(&b, "    %v %v #%d %q by %v", st.State, st.Evidence, st.Packet.Number(), st.Event, st.ConfirmedBy)
				if st.PacketEvidence != reassembly.NoEvidence {
					fmt.Fprintf(&b, " packet %v", st.PacketEvidence)
				}
				b.WriteString("\n")
			}
			for _, w := range e.Withdrawn {
				fmt.Fprintf(&b, "    withdrawn %v #%d by %v: %s\n", w.State, w.Packet.Number(), w.RefutedBy, w.Reason)
			}
		}
	}
	return b.String()
}

func (s *sim) rel(t int64) float64 { return float64(t-epoch) / float64(ms) }

func (s *sim) tracePacket(b *strings.Builder, k *packet) {
	seg, h, p := &k.seg, s.host[k.from], s.host[1-k.from]
	frame, tap := "-", "-"
	if k.frame != 0 {
		frame = fmt.Sprint(k.frame.Number())
	}
	if k.tapAt != 0 {
		tap = fmt.Sprintf("%.2f", s.rel(k.tapAt))
	}
	flags := ""
	for i, c := range "FSRPA" {
		if seg.Flags&(1<<i) != 0 {
			flags += string(c)
		}
	}
	fmt.Fprintf(b, "%5s %11.2f %9s  %s %-3s seq %d len %d", frame, s.rel(k.sent), tap, [2]string{"c>s", "s<c"}[k.from], flags, seg.Seq-h.iss, seg.Length)
	if seg.Flags&ack != 0 {
		fmt.Fprintf(b, " ack %d", seg.Ack-p.iss)
	}
	if seg.HasTimestamps {
		fmt.Fprintf(b, " ts %d ecr %d", seg.TSVal-s.p.TSBase[k.from], seg.TSEcr-s.p.TSBase[1-k.from])
	}
	if seg.IPID != 0 {
		fmt.Fprintf(b, " id %d", seg.IPID)
	}
	for _, x := range seg.SACK[:seg.SACKCount] {
		fmt.Fprintf(b, " sack %d-%d", x.Left-p.iss, x.Right-p.iss)
	}
	fmt.Fprintf(b, "  %s\n", strings.TrimSpace(k.fate))
}
