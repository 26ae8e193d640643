package reassembly

import (
	"encoding/binary"
	"slices"
)

// This file: a log read. logcode.go has the format and the order of the fields.

// logReader goes through the bytes of a log. Behind its end there are zeros.
type logReader struct {
	b  []byte
	at int
}

// number takes the next n bytes, at most 8, as a number.
func (r *logReader) number(n int) uint64 {
	x := binary.LittleEndian.Uint64(r.b[r.at:])
	r.at += n
	return x & (1<<(8*n) - 1)
}

// unpack appends the recs of c's log to recs, and sets the options that it has.
// b is memory for it to use, and what it gives back may serve again.
func (v *logView) unpack(c *conn, recs []rec, opts *[2]synOptions, b []byte) ([]rec, []byte) {
	if !c.lone() {
		return v.decode(c, recs, opts, b)
	}
	n := len(recs)
	recs = slices.Grow(recs, 1)[:n+1]
	opts[0] = c.loneSYN(&recs[n])
	return recs, b
}

// decode is unpack of a log that is one.
func (v *logView) decode(c *conn, recs []rec, opts *[2]synOptions, b []byte) ([]rec, []byte) {
	b = v.bytes(c, b[:0])
	n := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	r := logReader{b: b}
	now, v6 := c.bare(), c.v6() // now is the context
	begun := false
	for r.at < n {
		head := r.number(2)
		x := int(head & logSide)
		d, p, h := &now.side[x], &now.side[1-x], &now.hints[x]
		if v6 {
			h = &hints{ipid: noIPID}
		}
		f, more, bits, ttl, tag := uint8(0), uint64(0), uint8(x)|d.hadTS(), d.ttl, d.tag
		if k := head >> logFlags & 3; k == hasMore {
			m := r.number(moreBytes)
			f, more, bits, ttl, tag = uint8(m), m>>8&0xff, uint8(m>>16), uint8(m>>24), uint8(m>>32)
			if more == moreContext {
				r.context(&now)
				begun = true
				continue
			}
		} else {
			f = commonFlags[k]
		}
		recs = append(recs, rec{})
		one := &recs[len(recs)-1]
		one.flags, one.bits, one.ttl, one.tag = f, bits, ttl, tag
		if v6 {
			one.bits |= recV6
		}
		one.win, one.ipid, one.seq, one.ack = h.win, h.ipid+1, d.end, p.end
		if head&logWindow != 0 {
			one.win = uint16(r.number(2))
		}
		if head&logIPID != 0 {
			one.ipid = uint16(r.number(2))
		}
		k := head >> logLength & 3
		if one.len = uint32(r.number(lengthBytes[k])); k == lastLength {
			one.len = h.len
		}
		k = head >> logTime & 7
		one.at = int64(r.number(timeBytes[k])) * timeUnit[k]
		if k != timeAsItIs {
			one.at += now.last
		}
		k = head >> logPacket & 3
		one.pkt = Packet(r.number(packetBytes[k]))
		if k != packetAsItIs {
			one.pkt += now.lastPkt
		}
		if one.bits&recTS != 0 {
			r.timestamps(one, head>>logTS&3, d.ts, h.tsecr, p.ts)
		}
		if head&logSeq != 0 {
			one.seq = uint32(r.number(4))
		}
		if head&logAck != 0 {
			one.ack = uint32(r.number(4))
		}
		if more&(moreLength|moreSACK|moreOptions) != 0 {
			r.rare(one, more, &opts[x])
		}
		if more&moreCited != 0 {
			continue
		}
		d.note(one)
		h.note(one)
		if !begun || one.at > now.last {
			now.last, begun = one.at, true
		}
		now.lastPkt = one.pkt
		d.reach(one)
	}
	return recs, b
}

// context takes what setContext wrote.
func (r *logReader) context(now *conn) {
	now.last, now.lastPkt = int64(r.number(8)), Packet(r.number(8))
	for x := range now.side {
		d := &now.side[x]
		d.end, d.bits, d.ts = uint32(r.number(4)), uint8(r.number(1)), uint32(r.number(4))
	}
}

// timestamps takes those of a segment with this code; see timestampCode.
func (r *logReader) timestamps(one *rec, code uint64, last, lastEcho, other uint32) {
	one.tsval, one.tsecr = last, lastEcho
	switch code {
	case tsLast:
		return
	case tsSame:
		one.tsval += uint32(r.number(1))
		return
	case tsEcho:
		one.tsval += uint32(r.number(1))
		one.tsecr = other
		return
	}
	how := r.number(1)
	one.tsval += uint32(r.number(int(how & (1<<tsFrom - 1))))
	switch how >> tsFrom {
	case fromEcho:
		one.tsecr = other
	case fromBelow:
		one.tsecr = other - uint32(r.number(2))
	case fromWhole:
		one.tsecr = uint32(r.number(4))
	}
}

// rare takes what more says.
func (r *logReader) rare(one *rec, more uint64, opts *synOptions) {
	if more&moreLength != 0 {
		one.len = uint32(r.number(4))
	}
	for i := range one.sack {
		if more&(moreSACK<<i) != 0 {
			k := r.number(8)
			one.sack[i] = SACKBlock{uint32(k), uint32(k >> 32)}
		}
	}
	if more&moreOptions != 0 {
		*opts = optionsOf(uint32(r.number(4)))
	}
}
