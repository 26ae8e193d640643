package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// The link layers that few captures have. Those of 802.11 are in wireless.go.

var rareLinks map[uint32]func(*walk) Skip

func init() { // not a literal: some of these lead back to the table
	rareLinks = map[uint32]func(*walk) Skip{
		LinkPPP:         (*walk).pppOrHDLC,
		LinkPPPSerial:   (*walk).pppOrHDLC,
		LinkPPPDir:      func(w *walk) Skip { return w.inner(1, (*walk).pppOrHDLC) },
		LinkPPPoE:       (*walk).pppoe,
		LinkCHDLC:       (*walk).hdlc,
		LinkFDDI:        (*walk).fddi,
		LinkTokenRing:   (*walk).tokenRing,
		Link80211:       (*walk).dot11,
		LinkRadiotap:    (*walk).radiotap,
		LinkPrism:       (*walk).prism,
		LinkAVS:         (*walk).avs,
		LinkPPI:         (*walk).ppi,
		LinkPKTAP:       (*walk).pktap,
		LinkNFLog:       (*walk).nflog,
		LinkIPOIB:       (*walk).ipoib,
		LinkARCNETLinux: (*walk).arcnet,
		LinkFrameRelay:  (*walk).frameRelay,
		LinkATMRFC1483:  (*walk).llc,
		LinkSunATM:      (*walk).sunATM,
		LinkEnc:         (*walk).enc,
		LinkPFLog:       (*walk).pflog,
		LinkSLIP:        func(w *walk) Skip { return w.inner(16, (*walk).rawIP) },
		LinkSLIPBSDOS:   func(w *walk) Skip { return w.inner(24, (*walk).rawIP) },
		LinkIPoverFC:    func(w *walk) Skip { return w.inner(16, (*walk).llc) },
		LinkAppleFireW:  func(w *walk) Skip { return w.inner(16, (*walk).bareType) },
		LinkJuniperEth:  (*walk).juniperEthernet,
		LinkMPacket:     func(w *walk) Skip { return w.inner(8, (*walk).ethernet) },
		LinkNetAnalyzer: func(w *walk) Skip { return w.inner(4, (*walk).ethernet) },
		LinkNetAnaTrans: func(w *walk) Skip { return w.inner(12, (*walk).ethernet) },
		LinkBRCMTag:     func(w *walk) Skip { return w.taggedEthernet(4) },
		LinkBRCMPrepend: func(w *walk) Skip { return w.inner(4, (*walk).ethernet) },
		LinkDSA:         func(w *walk) Skip { return w.taggedEthernet(4) },
		LinkEDSA:        func(w *walk) Skip { return w.taggedEthernet(8) },
		LinkERF:         (*walk).erf,
	}
}

// pppOrHDLC reads PPP, or Cisco HDLC where its address byte shows it.
func (w *walk) pppOrHDLC() Skip {
	if len(w.b) > 0 && (w.b[0] == 0x0f || w.b[0] == 0x8f) {
		return w.hdlc()
	}
	return w.ppp()
}

// hdlc reads a Cisco HDLC header, RFC 1547 section 4.3.1.
func (w *walk) hdlc() Skip { return w.inner(2, (*walk).bareType) }

// fddi reads an FDDI header: frame control, two addresses, LLC.
func (w *walk) fddi() Skip {
	if len(w.b) < 13 {
		return w.short(SkipNotIP)
	}
	if w.b[0]&0x70 != 0x50 { // LLC, asynchronous
		return SkipNotIP
	}
	return w.inner(13, (*walk).llc)
}

// tokenRing reads an IEEE 802.5 header with its source route.
func (w *walk) tokenRing() Skip {
	if len(w.b) < 16 {
		return w.short(SkipNotIP)
	}
	if w.b[1]>>6 != 1 { // LLC
		return SkipNotIP
	}
	n := 14
	if w.b[8]&0x80 != 0 { // routing information present
		n += int(w.b[14] & 0x1f)
	}
	return w.inner(n, (*walk).llc)
}

// nflog reads the TLVs of a Linux netfilter log message; lengths are in the
// byte order of the machine that captured, the payload is an IP packet.
func (w *walk) nflog() Skip {
	const payload = 9 // NFULA_PAYLOAD
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	family := w.b[0]
	w.move(4)
	for len(w.b) >= 4 {
		n, kind := int(binary.LittleEndian.Uint16(w.b)), binary.LittleEndian.Uint16(w.b[2:])
		if n > w.wire || kind&0x7fff > 0xff {
			n, kind = int(w.be16(0)), w.be16(2)
		}
		if n < 4 {
			return SkipNotIP
		}
		if kind&0x7fff == payload {
			w.limit(min(n, w.wire))
			w.move(4)
			if family == 2 || family == 10 {
				return w.rawIP()
			}
			return SkipNotIP
		}
		if !w.move((n + 3) &^ 3) {
			break
		}
	}
	return w.short(SkipNotIP)
}

// ipoib reads IP over InfiniBand: a pseudo header of 40 bytes (a GRH), or of 20
// as some versions write it, then the header of RFC 4391 section 6.
func (w *walk) ipoib() Skip {
	for _, n := range []int{40, 20} {
		if len(w.b) < n+4 {
			continue
		}
		switch kind := layers.EthernetType(w.be16(n)); kind {
		case layers.EthernetTypeIPv4, layers.EthernetTypeIPv6:
			w.move(n + 4)
			return w.etherType(kind)
		}
	}
	return w.short(SkipNotIP)
}

// arcnet reads what Linux gives for ARCNET: two addresses, an offset, a protocol
// of RFC 1201 or RFC 1051.
func (w *walk) arcnet() Skip {
	if len(w.b) < 5 {
		return w.short(SkipNotIP)
	}
	proto := w.b[4]
	switch proto {
	case 240: // IP by RFC 1051
		return w.inner(5, (*walk).ipv4)
	case 212, 196: // IP, IPv6 by RFC 1201: split flag and sequence number follow
		return w.inner(8, (*walk).rawIP)
	}
	return SkipNotIP
}

// frameRelay reads a Q.922 address and what follows it, RFC 2427 section 4, or
// Cisco's EtherType.
func (w *walk) frameRelay() Skip {
	n := 0
	for {
		if n >= len(w.b) || n > 4 {
			return w.short(SkipNotIP)
		}
		n++
		if w.b[n-1]&1 != 0 {
			break
		}
	}
	if !w.move(n) || len(w.b) < 2 {
		return w.short(SkipNotIP)
	}
	if w.b[0] != 3 {
		return w.bareType()
	}
	w.move(1)
	if w.b[0] == 0 {
		w.move(1)
	}
	return w.nlpid()
}

// sunATM reads a 4-byte header of direction, type and circuit.
func (w *walk) sunATM() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	if w.b[0]&0xf != 2 { // LLC
		return SkipNotIP
	}
	return w.inner(4, (*walk).llc)
}

// enc reads OpenBSD's IPsec interface: family, SPI and flags in host order.
func (w *walk) enc() Skip {
	if len(w.b) < 12 {
		return w.short(SkipNotIP)
	}
	family := binary.LittleEndian.Uint32(w.b)
	if family > 0xff {
		family = w.be32(0)
	}
	w.move(12)
	return w.family(family)
}

// pflog reads a packet filter log: length, family.
func (w *walk) pflog() Skip {
	if len(w.b) < 2 {
		return w.short(SkipNotIP)
	}
	n, family := (int(w.b[0])+3)&^3, uint32(w.b[1])
	if n < 4 || !w.move(n) {
		return w.short(SkipNotIP)
	}
	return w.family(family)
}

// juniperEthernet reads Juniper's header before an Ethernet frame.
func (w *walk) juniperEthernet() Skip {
	if len(w.b) < 4 || w.be32(0)>>8 != 0x4d4743 {
		return w.short(SkipNotIP)
	}
	flags, n := w.b[3], 4
	if flags&0x80 != 0 { // extensions, their length first
		if len(w.b) < 6 {
			return w.short(SkipNotIP)
		}
		n += 2 + int(w.be16(4))
	}
	if flags&0x02 != 0 { // the link header is missing
		return w.inner(n+4, (*walk).rawIP)
	}
	return w.inner(n, (*walk).ethernet)
}

// taggedEthernet reads a frame with a switch's tag of n bytes after the addresses.
func (w *walk) taggedEthernet(n int) Skip { return w.inner(12+n, (*walk).bareType) }

// pktap reads Apple's header, which names another link type.
func (w *walk) pktap() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 12 {
		return w.short(SkipNotIP)
	}
	n, link := binary.LittleEndian.Uint32(w.b), binary.LittleEndian.Uint32(w.b[8:])
	if n < 12 || uint64(n) > uint64(len(w.b)) {
		return w.short(SkipNotIP)
	}
	w.move(int(n))
	return w.link(link)
}

// erf reads an Endace record that is stored in a pcap file.
func (w *walk) erf() Skip {
	if len(w.b) < 16 {
		return w.short(SkipNotIP)
	}
	kind, wire := w.b[8], int(w.be16(14))
	n := 16
	for more := kind&0x80 != 0; more; n += 8 { // extension headers
		if len(w.b) < n+8 {
			return w.short(SkipNotIP)
		}
		more = w.b[n]&0x80 != 0
	}
	w.move(n)
	switch kind & 0x7f {
	case 2, 11, 16: // Ethernet, after two bytes of padding
		w.wire = max(wire+2, len(w.b))
		return w.inner(2, (*walk).ethernet)
	case 1, 17: // HDLC
		return w.pppOrHDLC()
	case 22:
		return w.ipv4()
	case 23:
		return w.ipv6()
	}
	return SkipNotIP
}
