package capture

import (
	"encoding/binary"
	"math/bits"

	"github.com/google/gopacket/layers"

	"github.com/finwait/finwait/reassembly"
)

// IP fragments, RFC 791 section 3.2 and RFC 8200 section 4.5. What is needed is
// the TCP header and the length of the whole, so that of each datagram only its
// first bytes are kept and a map of what has come. The segment is told by the
// frame that completes the datagram, which is also where Wireshark shows it.

const (
	maxDatagrams    = 512           // open at once
	fragmentTimeout = 60e9          // ns of trace time, RFC 8200 section 4.5
	headBytes       = 512           // kept of a datagram: tunnels and headers
	maxUnits        = (1 << 16) / 8 // fragments count in units of 8 bytes
)

type fragmentKey struct {
	src, dst reassembly.IP
	id       uint32
	tag      uint32 // the same fragments captured at two places are two datagrams
	proto    layers.IPProtocol
	tunnel   uint64
}

type datagram struct {
	key    fragmentKey
	start  int64
	frames uint64 // fragments of it that were skipped so far
	total  int    // bytes, -1 until the last fragment has come
	units  int    // that have come
	bad    bool   // two fragments say that they are the last, at different places
	next   layers.IPProtocol
	come   [maxUnits/64 + 1]uint64
	head   [headBytes]byte
	filled [headBytes]bool
}

// fragments is the table of datagrams that are not complete.
type fragments struct {
	open  map[fragmentKey]*datagram
	order []*datagram // by start
}

// fragmentHeader reads an IPv6 fragment header. An atomic fragment (RFC 6946)
// is a whole packet.
func (w *walk) fragmentHeader() Skip {
	if len(w.b) < 8 {
		return w.short(SkipIPHeader)
	}
	next, field, id := layers.IPProtocol(w.b[0]), w.be16(2), w.be32(4)
	w.move(8)
	if field&^0x6 == 0 {
		if !w.deeper() {
			return SkipNesting
		}
		return w.ipPayload(next)
	}
	return w.fragment(id, next, int(field&^7), field&1 != 0)
}

// fragment adds the present packet to its datagram and goes on with that when it
// is complete.
func (w *walk) fragment(id uint32, proto layers.IPProtocol, offset int, more bool) Skip {
	if w.wire <= 0 || more && w.wire%8 != 0 || offset+w.wire > 1<<16 {
		if offset > 0 {
			return SkipIPHeader
		}
		w.unsure = true // no datagram can be made of it, but its header is there to read
		return w.ipPayload(proto)
	}
	fr := &w.d.frags
	q := &w.d.quality
	fr.expire(w.seg.Time, q)
	key := fragmentKey{src: w.seg.Src, dst: w.seg.Dst, id: id, tag: w.tag, tunnel: w.tunnel}
	if !w.seg.V6 {
		key.proto = proto // part of the identity in IPv4 only
	}
	d := fr.open[key]
	if d == nil {
		d = fr.begin(key, w.seg.Time, q)
	}
	if offset == 0 {
		d.next = proto // RFC 8200 section 4.5: the first fragment's counts
	}
	d.add(w.b, w.wire, offset, more)
	if !d.complete() {
		d.frames++
		return SkipFragment
	}
	fr.end(d)
	w.b, w.wire = d.headBytes(), d.total
	w.part = true
	if w.d.opts.FilterInner {
		w.wholePacket(d)
	}
	if !w.deeper() {
		return SkipNesting
	}
	return w.ipPayload(d.next)
}

// wholePacket writes the packet as it was before it was cut, for a filter to read.
func (w *walk) wholePacket(d *datagram) {
	seg, n := w.seg, d.total
	var b []byte
	if seg.V6 {
		b = binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(min(n, 0xffff)))
		b = append(b, byte(d.next), seg.TTL)
		b = append(append(b, seg.Src[:]...), seg.Dst[:]...)
	} else {
		b = binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(min(n+20, 0xffff)))
		b = append(binary.BigEndian.AppendUint16(b, seg.IPID), 0, 0, seg.TTL, byte(d.next), 0, 0)
		b = append(append(b, seg.Src[12:]...), seg.Dst[12:]...)
	}
	w.d.innermostWire = uint32(len(b) + n)
	w.d.innermost = append(b, w.b...)
}

// add notes the arrival of a piece. Where pieces overlap, the first that came is kept.
func (d *datagram) add(b []byte, wire, offset int, more bool) {
	if !more {
		if d.total >= 0 && d.total != offset+wire {
			d.bad = true
		}
		d.total = offset + wire
	}
	for u := offset / 8; u < (offset+wire+7)/8; u++ {
		if bit := uint64(1) << (u % 64); d.come[u/64]&bit == 0 {
			d.come[u/64] |= bit
			d.units++
		}
	}
	for i := 0; i < len(b) && i < wire && offset+i < headBytes; i++ {
		if !d.filled[offset+i] {
			d.filled[offset+i] = true
			d.head[offset+i] = b[i]
		}
	}
}

func (d *datagram) complete() bool {
	if d.total < 0 || d.bad {
		return false
	}
	units := (d.total + 7) / 8
	if d.units == units {
		return d.highest() == units-1
	}
	return false
}

// highest is the number of the last unit that has come.
func (d *datagram) highest() int {
	for i := len(d.come) - 1; i >= 0; i-- {
		if d.come[i] != 0 {
			return i*64 + 63 - bits.LeadingZeros64(d.come[i])
		}
	}
	return -1
}

// headBytes gives the first bytes without a gap.
func (d *datagram) headBytes() []byte {
	n := 0
	for n < min(d.total, headBytes) && d.filled[n] {
		n++
	}
	return d.head[:n]
}

func (fr *fragments) begin(key fragmentKey, now int64, q *Quality) *datagram {
	if fr.open == nil {
		fr.open = make(map[fragmentKey]*datagram)
	}
	if len(fr.open) >= maxDatagrams {
		fr.dropOldest(q)
	}
	d := &datagram{key: key, start: now, total: -1}
	fr.open[key] = d
	fr.order = append(fr.order, d)
	return d
}

// end takes a datagram out of the table.
func (fr *fragments) end(d *datagram) {
	delete(fr.open, d.key)
	for i, o := range fr.order {
		if o == d {
			fr.order = append(fr.order[:i], fr.order[i+1:]...)
			break
		}
	}
}

func (fr *fragments) expire(now int64, q *Quality) {
	for len(fr.order) > 0 && now-fr.order[0].start > fragmentTimeout {
		fr.dropOldest(q)
	}
}

// dropOldest gives a datagram up; its frames are now told for what they are.
func (fr *fragments) dropOldest(q *Quality) {
	d := fr.order[0]
	d.giveUp(q)
	fr.end(d)
}

func (d *datagram) giveUp(q *Quality) {
	q.Skipped[SkipFragment] -= d.frames
	if d.come[0]&1 != 0 {
		q.Skipped[SkipFragmentRest] += d.frames
	} else {
		q.Skipped[SkipFragmentHead] += d.frames
	}
}

// pending tells the frames of datagrams that are not complete as if the trace
// ended now.
func (fr *fragments) pending(q *Quality) {
	for _, d := range fr.order {
		d.giveUp(q)
	}
}
