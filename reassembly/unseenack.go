package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: ACKs that were lost before the tap and that only the IP-IDs of
// their sender show (rule 24): neither an echo nor a D-SACK proves the arrival
// of what they acknowledged. They are told as likely.

// acksUnseen: by its IP-IDs side y sent just before segment q as many packets
// that the capture lacks as segments had come that it had yet to acknowledge,
// and it had no data of its own to send again: those packets were their ACKs.
func (m *machine) acksUnseen(q int32, y int) bool {
	r, k := &m.recs[q], &m.marks[q]
	missing := int(k.idStep) - 1
	if missing < 1 || missing > unseenMax || m.snd[y].idRun < 2 || r.ttl > linuxTTL || m.crossing != nil ||
		!k.hadEnd || r.seq != k.prevEnd || !k.hasPeer || k.peerAck != k.prevEnd {
		return false
	}
	before := m.lastOwn(q, y)
	if before < 0 {
		return false
	}
	b := &m.recs[before]
	if b.flags&(FlagSYN|FlagRST|FlagACK) != FlagACK || b.ipid+uint16(k.idStep) != r.ipid {
		return false
	}
	owed := 0
	for j := range q {
		if o := &m.recs[j]; m.own(j, 1-y) && o.flags&(FlagSYN|FlagRST) == 0 && o.span() > 0 &&
			(j > before || seqnum.Less(b.ack, o.end()) || m.marks[j].kind != fresh && o.at > b.at-m.late(y)) {
			owed++
		}
	}
	return missing == owed
}

// ackUnseen: the ACK that copy i of side x crossed on its way was not the first
// of what it repeats: an earlier one was lost before the tap.
func (m *machine) ackUnseen(i int32, x int) bool {
	r, first := &m.recs[i], m.marks[i].orig
	if first < 0 || r.flags&FlagSYN != 0 {
		return false
	}
	for q := first + 1; q < i; q++ {
		if m.own(q, 1-x) && m.acks(q, r.end()) {
			if !m.acksUnseen(q, 1-x) {
				return false
			}
			o := &m.recs[first]
			m.tell(loss{kind: lostUnseenACK, side: x, at: r.at, after: r.at - o.at, copy: r.pkt, carriers: []Packet{o.pkt, m.recs[q].pkt},
				flags: o.flags, subject: first, byIDs: true, where: BeforeTap, conf: Likely, lastACK: m.inLastACK(o.flags, x)})
			return true
		}
	}
	return false
}
