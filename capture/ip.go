package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"

	"github.com/finwait/finwait/reassembly"
)

// IPv4 (RFC 791) and IPv6 (RFC 8200) headers. They are read here and not by
// gopacket's layers, which lose packets with odd options, SRv6 headers and
// atomic fragments, and which know only captured bytes, not lengths on the wire.

func (w *walk) ipv4() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 20 {
		return w.short(SkipIPHeader)
	}
	b := w.b
	w.d.innermost, w.d.innermostWire = w.b, uint32(w.wire)
	header, total := int(b[0]&0xf)*4, int(w.be16(2))
	if b[0]>>4 != 4 || header < 20 || total != 0 && total < header {
		return SkipIPHeader
	}
	if skip := w.ipLength(total, total == 0); skip != NotSkipped {
		return skip
	}
	if b = w.b; len(b) < header {
		return w.short(SkipIPHeader)
	}
	w.ips++
	seg := w.seg
	seg.V6 = false
	seg.IPID, seg.TTL = w.be16(4), b[8]
	seg.Src, seg.Dst = mapped([4]byte(b[12:16])), mapped([4]byte(b[16:20]))
	proto, frag := layers.IPProtocol(b[9]), w.be16(6)
	w.move(header)
	if frag&0x3fff != 0 {
		return w.fragment(uint32(seg.IPID), proto, int(frag&0x1fff)*8, frag&0x2000 != 0)
	}
	return w.ipPayload(proto)
}

// ipLength holds the length that an IP header gives against what is there.
func (w *walk) ipLength(total int, none bool) Skip {
	switch {
	case none:
		// An offloaded super-segment, whose sender's stack left the length to the
		// card, or a jumbogram (RFC 2675): all of the frame belongs to it.
		w.dropFCS()
	case total <= w.wire:
		w.limit(total) // what follows is padding
	case w.ips > 0:
		return SkipIPHeader // what looked like a tunnel is none, or its packet is broken
	case w.limited:
		w.unsure = true // the header around it says that there is less: some devices count padding as payload
	default:
		// The file says that the frame was shorter than the packet in it: a tool
		// shortened the frame and its length. The packet's own header is believed.
		w.unsure = true
		w.wire = total
	}
	return NotSkipped
}

// dropFCS takes the check sequence off a packet that does not say its length.
func (w *walk) dropFCS() {
	if w.fcs > 0 && w.wire > w.fcs {
		w.limit(w.wire - w.fcs)
	}
	w.fcs = 0
}

func (w *walk) ipv6() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 40 {
		return w.short(SkipIPHeader)
	}
	b := w.b
	w.d.innermost, w.d.innermostWire = w.b, uint32(w.wire)
	if b[0]>>4 != 6 {
		return SkipIPHeader
	}
	total := int(w.be16(4)) + 40
	w.noLength = total == 40
	if skip := w.ipLength(total, w.noLength); skip != NotSkipped {
		return skip
	}
	if b = w.b; len(b) < 40 {
		return w.short(SkipIPHeader)
	}
	w.ips++
	seg := w.seg
	seg.V6 = true
	seg.IPID, seg.TTL = 0, b[7]
	seg.Src, seg.Dst = reassembly.IP(b[8:24]), reassembly.IP(b[24:40])
	w.move(40)
	return w.ipPayload(layers.IPProtocol(b[6]))
}

// ipPayload goes on with an IP protocol or an IPv6 extension header. Those may
// be as many as the packet has room for, so they count as layers.
func (w *walk) ipPayload(proto layers.IPProtocol) Skip {
	for {
		switch proto {
		case layers.IPProtocolTCP:
			return w.d.tcp(w.b, w.wire, w.seg)
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination, layers.IPProtocolIPv6Routing, 135, 139, 140:
			if !w.seg.V6 {
				return SkipNotTCP
			}
			if proto == layers.IPProtocolIPv6HopByHop && w.noLength {
				w.jumbogram()
			}
			next, skip := w.extension(8)
			if skip != NotSkipped {
				return skip
			}
			proto = next
		case layers.IPProtocolAH: // RFC 4302 section 2: its length is in 32-bit words less 2
			next, skip := w.extension(4)
			if skip != NotSkipped {
				return skip
			}
			proto = next
		case layers.IPProtocolIPv6Fragment:
			if !w.seg.V6 {
				return SkipNotTCP
			}
			return w.fragmentHeader()
		case layers.IPProtocolESP:
			return SkipEncrypted
		default:
			return w.otherProtocol(proto)
		}
		if !w.deeper() {
			return SkipNesting
		}
	}
}

// extension steps over an extension header whose second byte is its length in
// units beyond the first 8 bytes, and gives the protocol that follows.
func (w *walk) extension(unit int) (layers.IPProtocol, Skip) {
	if len(w.b) < 8 {
		return 0, w.short(SkipIPHeader)
	}
	next, n := layers.IPProtocol(w.b[0]), 8+int(w.b[1])*unit
	if n > w.wire {
		return 0, SkipIPHeader
	}
	if n > len(w.b) {
		return 0, SkipTruncated
	}
	w.move(n)
	return next, NotSkipped
}

// jumbogram takes the length from the jumbo payload option of a hop-by-hop
// header, RFC 2675 section 2. It counts from the end of the IPv6 header.
func (w *walk) jumbogram() {
	if len(w.b) < 8 {
		return
	}
	o := w.b[2:min(8+int(w.b[1])*8, len(w.b))]
	for len(o) >= 2 {
		if o[0] == 0 { // Pad1
			o = o[1:]
			continue
		}
		n := int(o[1])
		if n+2 > len(o) {
			return
		}
		if o[0] == 0xc2 && n == 4 {
			w.jumboLength(binary.BigEndian.Uint32(o[2:]))
			return
		}
		o = o[2+n:]
	}
}

func (w *walk) jumboLength(n uint32) {
	switch {
	case uint64(n) > uint64(w.wire):
		w.unsure = true // the frame is shorter: believe the frame, a length this large is more likely wrong
	default:
		w.limit(int(n))
	}
}
