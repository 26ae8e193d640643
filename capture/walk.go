package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"

	"github.com/finwait/finwait/reassembly"
)

// The long way through a frame: each layer's method reads its header, moves on,
// and calls the next layer's. Link layers are in linklayers.go, IP in ip.go,
// tunnels in tunnel.go, ICMP in icmp.go.

// maxLayers bounds the nesting; the deepest stacks of real networks have about 15.
const maxLayers = 40

// walk is where the decoder stands in a frame.
type walk struct {
	d     *Decoder
	f     *Frame
	seg   *reassembly.Segment
	b     []byte // captured bytes from the present layer on
	wire  int    // bytes on the wire from the present layer on
	depth int
	ips   int  // IP headers so far
	part  bool // b comes from a reassembled datagram

	tunnel   uint64
	tag      uint32
	vlan     uint16
	unsure   bool // lengths contradict each other
	limited  bool // wire comes from a header's length and not from the frame's
	noLength bool // the IPv6 header gives no length
	fcs      int  // bytes of check sequence at the frame's end; files claim it wrongly, so an IP length goes before it
}

// frame takes a frame of any link type apart.
func (w *walk) frame(d *Decoder, f *Frame, seg *reassembly.Segment) Skip {
	*seg = reassembly.Segment{Time: f.Time, Packet: f.Packet, Wire: f.WireLen}
	*w = walk{d: d, f: f, seg: seg, b: f.Data, wire: max(int(f.WireLen), len(f.Data)), tag: startTag(f), fcs: int(f.FCS)}
	skip := w.link(f.LinkType)
	if skip == NotSkipped && len(d.several) == 0 {
		w.finish()
	}
	return skip
}

// finish tells of a segment what the way to it has shown.
func (w *walk) finish() {
	seg := w.seg
	seg.Tag, seg.Tunnel, seg.VLAN = w.tag, w.tunnel, w.vlan
	seg.LengthUnknown = seg.LengthUnknown || w.unsure
	q := &w.d.quality
	if seg.Quoted() { // its length is often unknown, which is no fault of the capture
		q.Quoted++
		return
	}
	if seg.LengthUnknown {
		q.LengthUnknown++
	}
	if w.ips > 1 {
		q.Tunnelled++
	}
	if w.part {
		q.Reassembled++
	}
}

// move steps over n bytes and reports whether they were captured.
func (w *walk) move(n int) bool {
	if n < 0 || len(w.b) < n {
		return false
	}
	w.b = w.b[n:]
	w.wire -= n
	return true
}

// limit says that the present layer has n bytes on the wire: what follows is
// padding or a trailer.
func (w *walk) limit(n int) {
	w.wire, w.limited = n, true
	if len(w.b) > n {
		w.b = w.b[:n]
	}
}

// deeper counts a layer and reports whether there may be one more.
func (w *walk) deeper() bool {
	w.depth++
	return w.depth <= maxLayers
}

// short is the reason for a header that is not there whole: the capture cut it,
// or it never was.
func (w *walk) short(other Skip) Skip {
	if w.wire > len(w.b) {
		return SkipTruncated
	}
	return other
}

func (w *walk) be16(at int) uint16 { return binary.BigEndian.Uint16(w.b[at:]) }
func (w *walk) be32(at int) uint32 { return binary.BigEndian.Uint32(w.b[at:]) }

// enter notes a tunnel: its kind always goes into the tag, its id into the
// tunnel hash only where both directions of a connection have the same.
func (w *walk) enter(kind tunnelKind, id uint64, hasID bool) {
	w.tag = mixTag(w.tag, tagTunnel, uint32(kind))
	if !hasID {
		return
	}
	h := w.tunnel ^ uint64(kind)<<56 ^ id
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	w.tunnel = max(h^h>>31, 1)
}

// link starts with the frame's link type.
func (w *walk) link(link uint32) Skip {
	switch link {
	case LinkEthernet:
		return w.ethernet()
	case LinkRaw, LinkRawBSD, LinkRawOpenBSD:
		return w.rawIP()
	case LinkIPv4:
		return w.ipv4()
	case LinkIPv6:
		return w.ipv6()
	case LinkNull:
		return w.null()
	case LinkLoop:
		return w.loop()
	case LinkSLL:
		return w.sll()
	case LinkSLL2:
		return w.sll2()
	case LinkNone:
		return SkipNotIP
	}
	if layer, ok := rareLinks[link]; ok {
		return layer(w)
	}
	w.d.quality.LinkType[link]++
	return SkipLinkType
}

// ethernet reads an Ethernet II or 802.3 header.
func (w *walk) ethernet() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 14 {
		return w.short(SkipNotIP)
	}
	kind := w.be16(12)
	w.move(14)
	return w.typeOrLength(kind)
}

// typeOrLength goes on after a field that is an EtherType, or below 1536 the
// length of an LLC frame (IEEE 802.3 section 3.2.6).
func (w *walk) typeOrLength(kind uint16) Skip {
	if kind >= 0x600 {
		return w.etherType(layers.EthernetType(kind))
	}
	if kind > 0 && int(kind) < w.wire {
		w.limit(int(kind))
	}
	return w.llc()
}

// etherType goes on with what an EtherType announces.
func (w *walk) etherType(kind layers.EthernetType) Skip {
	if !w.deeper() {
		return SkipNesting
	}
	switch kind {
	case layers.EthernetTypeIPv4:
		return w.ipv4()
	case layers.EthernetTypeIPv6:
		return w.ipv6()
	case layers.EthernetTypeDot1Q, layers.EthernetTypeQinQ, 0x9100, 0x9200:
		return w.vlanTag()
	}
	return w.rareEtherType(kind)
}

// vlanTag reads an 802.1Q or 802.1ad tag.
func (w *walk) vlanTag() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	id := w.be16(0) & 0xfff
	if w.vlan == 0 && w.ips == 0 {
		w.vlan = id
	}
	w.tag = mixTag(w.tag, tagVLAN, uint32(id))
	kind := w.be16(2)
	w.move(4)
	return w.typeOrLength(kind)
}

// rawIP reads an IP packet of either version.
func (w *walk) rawIP() Skip {
	if len(w.b) == 0 {
		return w.short(SkipNotIP)
	}
	switch w.b[0] >> 4 {
	case 4:
		return w.ipv4()
	case 6:
		return w.ipv6()
	}
	return SkipNotIP
}
