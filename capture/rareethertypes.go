package capture

import "github.com/google/gopacket/layers"

// EtherTypes beside IP and VLAN tags, MPLS, PPP.

const (
	etherITag     = 0x88e7 // IEEE 802.1ah
	etherVNTag    = 0x8926
	etherMACsec   = 0x88e5 // IEEE 802.1AE
	etherHSR      = 0x892f // IEC 62439-3
	etherCiscoCMD = 0x8909 // Cisco metadata, carries security group tags
	etherFabric   = 0x8903 // Cisco FabricPath
)

func (w *walk) rareEtherType(kind layers.EthernetType) Skip {
	switch kind {
	case layers.EthernetTypeMPLSUnicast, layers.EthernetTypeMPLSMulticast:
		return w.mpls()
	case layers.EthernetTypePPPoESession:
		return w.pppoe()
	case layers.EthernetTypeTransparentEthernetBridging:
		return w.ethernet()
	case etherITag:
		return w.inner(4, (*walk).ethernet)
	case etherVNTag, etherHSR:
		return w.inner(4, (*walk).bareType)
	case etherCiscoCMD:
		return w.inner(6, (*walk).bareType)
	case etherFabric:
		return w.inner(2, (*walk).ethernet)
	case etherMACsec:
		return w.macsec()
	case etherPPP:
		return w.ppp()
	}
	return SkipNotIP
}

// bareType reads an EtherType that stands alone.
func (w *walk) bareType() Skip {
	if len(w.b) < 2 {
		return w.short(SkipNotIP)
	}
	kind := w.be16(0)
	w.move(2)
	return w.typeOrLength(kind)
}

// macsec reads a MACsec tag whose frame is authenticated but not encrypted.
func (w *walk) macsec() Skip {
	const icv = 16
	if len(w.b) < 6 {
		return w.short(SkipNotIP)
	}
	tci := w.b[0]
	if tci&0x0c != 0 { // E, C
		return SkipEncrypted
	}
	n := 6
	if tci&0x20 != 0 { // SC: an identifier of 8 bytes follows
		n += 8
	}
	w.dropFCS()
	if w.wire > n+icv {
		w.limit(w.wire - icv)
	}
	return w.inner(n, (*walk).bareType)
}

// pppoe reads a PPPoE session header, RFC 2516 section 4.
func (w *walk) pppoe() Skip {
	if len(w.b) < 6 {
		return w.short(SkipNotIP)
	}
	code, length := w.b[1], int(w.be16(4))
	if code != 0 {
		return SkipNotIP
	}
	w.move(6)
	if length <= w.wire {
		w.limit(length)
	}
	return w.ppp()
}

// ppp reads a PPP header, RFC 1661 section 2 and RFC 1662 section 3: address and
// control may be left out, the protocol may be one byte.
func (w *walk) ppp() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) >= 2 && w.b[0] == 0xff && w.b[1] == 3 {
		w.move(2)
	}
	if len(w.b) < 2 {
		return w.short(SkipNotIP)
	}
	proto, n := w.be16(0), 2
	if w.b[0]&1 != 0 {
		proto, n = uint16(w.b[0]), 1
	}
	w.move(n)
	switch proto {
	case 0x0021:
		return w.ipv4()
	case 0x0057:
		return w.ipv6()
	case 0x0281, 0x0283:
		return w.mpls()
	case 0x003d:
		return w.multilink()
	case 0x00fd, 0x00fb, 0x0053, 0x0055: // compressed or encrypted
		return SkipEncrypted
	}
	return SkipNotIP
}

// multilink goes on with a PPP packet that was not split, RFC 1990 section 3.
func (w *walk) multilink() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	if w.b[0]&0xc0 != 0xc0 { // beginning and end
		return SkipNotIP
	}
	return w.inner(4, (*walk).ppp)
}

// mpls reads a label stack, RFC 3032 section 2.1. What it carries is not said;
// an IP packet that fits is one, else it is an Ethernet frame, with a control
// word (RFC 4385 section 3) or without.
func (w *walk) mpls() Skip {
	for {
		if !w.deeper() {
			return SkipNesting
		}
		if len(w.b) < 4 {
			return w.short(SkipNotIP)
		}
		label := w.be32(0)
		w.tag = mixTag(w.tag, tagMPLS, label>>12)
		w.move(4)
		if label&0x100 != 0 {
			break
		}
	}
	if len(w.b) == 0 {
		return w.short(SkipNotIP)
	}
	switch nibble := w.b[0] >> 4; {
	case nibble == 4 && ipFits(w.b, w.wire, 4):
		return w.ipv4()
	case nibble == 6 && ipFits(w.b, w.wire, 6):
		return w.ipv6()
	case frameFits(w.b, w.wire):
		return w.ethernet()
	case nibble == 4:
		return w.ipv4()
	case nibble == 6:
		return w.ipv6()
	case nibble == 0:
		return w.inner(4, (*walk).ethernet)
	}
	return SkipNotIP
}

// nlpid goes on with a network layer protocol id, RFC 2427 section 4.
func (w *walk) nlpid() Skip {
	if len(w.b) < 1 {
		return w.short(SkipNotIP)
	}
	switch w.b[0] {
	case 0xcc:
		return w.inner(1, (*walk).ipv4)
	case 0x8e:
		return w.inner(1, (*walk).ipv6)
	case 0xcf:
		return w.inner(1, (*walk).ppp)
	case 0x80: // SNAP without its LLC header
		if len(w.b) < 6 {
			return w.short(SkipNotIP)
		}
		oui, kind := w.be32(0)&0xffffff, w.be16(4)
		w.move(6)
		if oui == 0x0080c2 {
			return w.bridged(kind)
		}
		return w.etherType(layers.EthernetType(kind))
	}
	return SkipNotIP
}

// bridged goes on with a bridged frame, RFC 2684 section 5.2.
func (w *walk) bridged(kind uint16) Skip {
	switch kind {
	case 1, 7: // Ethernet, padded to a multiple of four
		if kind == 1 && len(w.b) > 2 && w.wire > 4 {
			w.limit(w.wire - 4) // with its FCS
		}
		if frameFits(w.b, w.wire) {
			return w.ethernet()
		}
		return w.inner(2, (*walk).ethernet)
	}
	return SkipNotIP
}
