package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// Tunnels: what carries an IP packet or a frame inside an IP packet. UDP tunnels
// are told by their registered port.

// tunnelKind tells the tunnels apart in tags and hashes. The numbers are stable.
type tunnelKind uint32

const (
	tunnelIP tunnelKind = iota + 1
	tunnelGRE
	tunnelERSPAN
	tunnelVXLAN
	tunnelGeneve
	tunnelGTP
	tunnelTeredo
	tunnelCAPWAP
	tunnelMPLS
	tunnelL2TP
	tunnelEtherIP
	tunnelAYIYA
	tunnelLISP
)

// otherProtocol goes on with what is neither TCP nor an extension header.
func (w *walk) otherProtocol(proto layers.IPProtocol) Skip {
	switch proto {
	case layers.IPProtocolUDP:
		return w.udp()
	case layers.IPProtocolICMPv4:
		return w.icmp4()
	case layers.IPProtocolICMPv6:
		return w.icmp6()
	case layers.IPProtocolIPv4:
		w.enter(tunnelIP, 0, false)
		return w.ipv4()
	case layers.IPProtocolIPv6:
		w.enter(tunnelIP, 0, false)
		return w.ipv6()
	case layers.IPProtocolGRE:
		return w.gre()
	case layers.IPProtocolEtherIP: // RFC 3378
		w.enter(tunnelEtherIP, 0, false)
		return w.inner(2, (*walk).ethernet)
	case layers.IPProtocolMPLSInIP: // RFC 4023
		w.enter(tunnelMPLS, 0, false)
		return w.mpls()
	case 108:
		return w.ipComp()
	case 115:
		return w.l2tp3()
	case 143: // Ethernet in SRv6, RFC 8986
		w.enter(tunnelIP, 1, false)
		return w.ethernet()
	}
	return SkipNotTCP
}

// inner steps over a header of n bytes and goes on with the next layer.
func (w *walk) inner(n int, next func(*walk) Skip) Skip {
	if !w.move(n) {
		return w.short(SkipNotTCP)
	}
	return next(w)
}

// udp reads a UDP header, RFC 768, and looks for a tunnel by its ports.
func (w *walk) udp() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	src, dst, length := w.be16(0), w.be16(2), int(w.be16(4))
	if length >= 8 && length < w.wire {
		w.limit(length)
	}
	w.move(8)
	if skip, ok := w.udpTunnel(dst); ok {
		return skip
	}
	if skip, ok := w.udpTunnel(src); ok {
		return skip
	}
	return SkipNotTCP
}

func (w *walk) udpTunnel(port uint16) (Skip, bool) {
	switch port {
	case 4789, 8472: // RFC 7348, and Linux before its port was assigned
		return w.vxlan(), true
	case 4790:
		return w.vxlanGPE(), true
	case 6081:
		return w.geneve(), true
	case 2152:
		return w.gtp(), true
	case 3544:
		return w.teredo(), true
	case 5247:
		return w.capwap(), true
	case 6635: // RFC 7510
		w.enter(tunnelMPLS, 0, false)
		return w.mpls(), true
	case 1701:
		return w.l2tpUDP(), true
	case 4754: // RFC 8086
		return w.gre(), true
	case 5072:
		return w.ayiya(), true
	case 4341: // RFC 9300 section 5: 8 bytes, then IP
		w.enter(tunnelLISP, 0, false)
		return w.inner(8, (*walk).rawIP), true
	}
	return NotSkipped, false
}

// vxlan reads a VXLAN header, RFC 7348 section 5.
func (w *walk) vxlan() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	w.enter(tunnelVXLAN, uint64(w.be32(4)>>8), true)
	return w.inner(8, (*walk).ethernet)
}

// vxlanGPE reads VXLAN with a protocol field, draft-ietf-nvo3-vxlan-gpe.
func (w *walk) vxlanGPE() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	next := w.b[3]
	w.enter(tunnelVXLAN, uint64(w.be32(4)>>8), true)
	w.move(8)
	switch next {
	case 1:
		return w.ipv4()
	case 2:
		return w.ipv6()
	case 3:
		return w.ethernet()
	case 5:
		return w.mpls()
	}
	return SkipNotTCP
}

// geneve reads a Geneve header, RFC 8926 section 3.4.
func (w *walk) geneve() Skip {
	if len(w.b) < 8 || w.b[0]>>6 != 0 {
		return w.short(SkipNotTCP)
	}
	kind := w.be16(2)
	w.enter(tunnelGeneve, uint64(w.be32(4)>>8), true)
	if !w.move(8 + int(w.b[0]&0x3f)*4) {
		return w.short(SkipNotTCP)
	}
	if layers.EthernetType(kind) == layers.EthernetTypeTransparentEthernetBridging {
		return w.ethernet()
	}
	return w.etherType(layers.EthernetType(kind))
}

// gtp reads a GTP-U header, 3GPP TS 29.281 section 5.1. Each direction has its
// own TEID, so that it cannot be part of the connection's key.
func (w *walk) gtp() Skip {
	if len(w.b) < 8 || w.b[0]>>5 != 1 || w.b[1] != 255 { // 255: G-PDU
		return w.short(SkipNotTCP)
	}
	flags, length := w.b[0], int(w.be16(2))
	w.enter(tunnelGTP, 0, false)
	w.tag = mixTag(w.tag, tagTEID, w.be32(4))
	if 8+length <= w.wire {
		w.limit(8 + length)
	}
	next := byte(0)
	n := 8
	if flags&7 != 0 { // any of E, S, PN brings all three fields
		if len(w.b) < 12 {
			return w.short(SkipNotTCP)
		}
		if flags&4 != 0 {
			next = w.b[11]
		}
		n = 12
	}
	w.move(n)
	for next != 0 { // extension headers, in units of 4 bytes, the last byte names the next
		if len(w.b) < 4 {
			return w.short(SkipNotTCP)
		}
		n := int(w.b[0]) * 4
		if n == 0 || n > len(w.b) {
			return w.short(SkipNotTCP)
		}
		next = w.b[n-1]
		w.move(n)
	}
	return w.rawIP()
}

// teredo steps over the optional authentication and origin indications, RFC 4380
// section 5.1.1.
func (w *walk) teredo() Skip {
	w.enter(tunnelTeredo, 0, false)
	for range 2 {
		if len(w.b) < 8 {
			return w.short(SkipNotTCP)
		}
		switch w.be16(0) {
		case 1:
			if !w.move(13 + int(w.b[2]) + int(w.b[3])) {
				return w.short(SkipNotTCP)
			}
		case 0:
			w.move(8)
		}
	}
	if len(w.b) == 0 || w.b[0]>>4 != 6 {
		return w.short(SkipNotTCP)
	}
	return w.ipv6()
}

// capwap reads a CAPWAP data header, RFC 5415 section 4.3, in front of a frame
// of 802.3 or 802.11.
func (w *walk) capwap() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	if w.b[0]&0xf != 0 { // DTLS
		return SkipEncrypted
	}
	word := w.be32(0)
	header, binding, native, fragment := int(word>>19&0x1f)*4, word>>9&0x1f, word&0x100 != 0, word&0x80 != 0
	if header < 8 || fragment && w.be16(6)>>3 != 0 {
		return SkipNotTCP
	}
	w.enter(tunnelCAPWAP, 0, false)
	if !w.move(header) {
		return w.short(SkipNotTCP)
	}
	if !native {
		return w.ethernet()
	}
	if binding != 1 {
		return SkipNotTCP
	}
	return w.capwap80211()
}

// capwap80211 reads the carried 802.11 frame. Several makers' equipment has the
// bytes of its frame control swapped (which Wireshark calls the Cisco order).
func (w *walk) capwap80211() Skip {
	if len(w.b) < 2 {
		return w.short(SkipNotTCP)
	}
	if w.b[0]&3 == 0 && w.b[0]>>2&3 == 2 {
		return w.dot11()
	}
	if w.b[1]&3 == 0 && w.b[1]>>2&3 == 2 {
		return w.dot11Control(w.b[1], w.b[0])
	}
	return SkipNotTCP
}

// ayiya reads an AYIYA header, draft-massar-v6ops-ayiya.
func (w *walk) ayiya() Skip {
	if len(w.b) < 8 || w.b[2]&0xf != 1 { // operation 1: forward
		return w.short(SkipNotTCP)
	}
	identity, signature := 1<<(w.b[0]>>4), int(w.b[1]>>4)*4
	next := layers.IPProtocol(w.b[3])
	w.enter(tunnelAYIYA, 0, false)
	if !w.move(8 + identity + signature) {
		return w.short(SkipNotTCP)
	}
	switch next {
	case layers.IPProtocolIPv6:
		return w.ipv6()
	case layers.IPProtocolIPv4:
		return w.ipv4()
	}
	return SkipNotTCP
}

// gre reads a GRE header: version 0 of RFC 2784 and RFC 2890, version 1 of PPTP
// (RFC 2637).
func (w *walk) gre() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotTCP)
	}
	const (
		hasChecksum = 0x8000
		hasRouting  = 0x4000
		hasKey      = 0x2000
		hasSequence = 0x1000
		hasAck      = 0x0080
	)
	flags, kind := w.be16(0), layers.EthernetType(w.be16(2))
	n := 4
	if flags&(hasChecksum|hasRouting) != 0 {
		n += 4
	}
	version := flags & 7
	if flags&hasKey != 0 {
		if len(w.b) < n+4 {
			return w.short(SkipNotTCP)
		}
		key := w.be32(n)
		n += 4
		if version == 0 {
			if kind == layers.EthernetTypeTransparentEthernetBridging {
				key >>= 8 // NVGRE (RFC 7637): the low byte only spreads load
			}
			w.enter(tunnelGRE, uint64(key), true)
		}
	} else {
		w.enter(tunnelGRE, 0, false)
	}
	if flags&hasSequence != 0 {
		n += 4
	}
	if version == 1 && flags&hasAck != 0 {
		n += 4
	}
	if !w.move(n) {
		return w.short(SkipNotTCP)
	}
	if flags&hasRouting != 0 && version == 0 && !w.greRoutes() {
		return w.short(SkipNotTCP)
	}
	if kind == etherERSPAN2 && flags&hasSequence == 0 {
		w.enter(tunnelERSPAN, 0, false) // type I has no header of its own
		return w.ethernet()
	}
	return w.greProtocol(kind)
}

// greRoutes steps over source routes, RFC 1701.
func (w *walk) greRoutes() bool {
	for len(w.b) >= 4 {
		family, n := w.be16(0), int(w.b[3])
		if !w.move(4 + n) {
			return false
		}
		if family == 0 && n == 0 {
			return true
		}
	}
	return false
}

const (
	etherERSPAN2 = 0x88be
	etherERSPAN3 = 0x22eb
	etherWCCP    = 0x883e
	etherPPP     = 0x880b
	etherAruba   = 0x8200 // up to 0x83ff: 802.11 frames, the low bits a queue
)

// greProtocol goes on with what a GRE header announces.
func (w *walk) greProtocol(kind layers.EthernetType) Skip {
	switch kind {
	case layers.EthernetTypeTransparentEthernetBridging:
		return w.ethernet()
	case etherERSPAN2:
		return w.erspan(8)
	case etherERSPAN3:
		if len(w.b) < 12 {
			return w.short(SkipNotTCP)
		}
		if w.b[11]&1 != 0 { // the platform-specific subheader follows
			return w.erspan(20)
		}
		return w.erspan(12)
	case etherWCCP: // WCCP 2 puts a 4-byte redirect header in front
		if len(w.b) > 0 && w.b[0]>>4 == 4 {
			return w.ipv4()
		}
		return w.inner(4, (*walk).ipv4)
	case etherPPP:
		return w.ppp()
	}
	if kind >= etherAruba && kind < etherAruba+0x200 {
		return w.dot11()
	}
	skip := w.etherType(kind)
	if skip == SkipNotIP {
		return SkipNotTCP
	}
	return skip
}

// erspan reads an ERSPAN header, draft-foschiano-erspan. A session is a place
// where packets were mirrored; it belongs to the tag.
func (w *walk) erspan(n int) Skip {
	if len(w.b) < n {
		return w.short(SkipNotTCP)
	}
	w.enter(tunnelERSPAN, 0, false)
	w.tag = mixTag(w.tag, tagSession, uint32(w.be16(2)&0x3ff))
	return w.inner(n, (*walk).ethernet)
}

// l2tpUDP reads L2TP over UDP: version 2 (RFC 2661) carries PPP, version 3 (RFC
// 3931 section 4.1.2) has four bytes before the session id.
func (w *walk) l2tpUDP() Skip {
	if len(w.b) < 6 {
		return w.short(SkipNotTCP)
	}
	flags := w.be16(0)
	if flags&0x8000 != 0 { // control
		return SkipNotTCP
	}
	switch flags & 0xf {
	case 3:
		return w.inner(4, (*walk).l2tp3)
	case 2:
	default:
		return SkipNotTCP
	}
	n := 6
	if flags&0x4000 != 0 { // length
		n += 2
	}
	if flags&0x0800 != 0 { // Ns, Nr
		n += 4
	}
	if flags&0x0200 != 0 { // offset
		if len(w.b) < n+2 {
			return w.short(SkipNotTCP)
		}
		n += 2 + int(w.be16(n))
	}
	w.enter(tunnelL2TP, 0, false)
	return w.inner(n, (*walk).ppp)
}

// l2tp3 reads an L2TPv3 data message, RFC 3931 section 4.1. The lengths of the
// cookie and of the sublayer are agreed on out of sight, so every layout is tried
// and the packet is only believed if exactly one of them is an Ethernet frame
// with an IP packet that fits.
func (w *walk) l2tp3() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotTCP)
	}
	if w.be32(0) == 0 { // session 0 carries control messages
		return SkipNotTCP
	}
	at := -1
	for n := 4; n <= 16; n += 4 {
		if len(w.b) > n && frameFits(w.b[n:], w.wire-n) {
			if at >= 0 {
				return SkipNotTCP
			}
			at = n
		}
	}
	if at < 0 {
		return SkipNotTCP
	}
	w.enter(tunnelL2TP, 0, false)
	return w.inner(at, (*walk).ethernet)
}

// frameFits reports whether b can be an Ethernet frame with an IP packet.
func frameFits(b []byte, wire int) bool {
	n := 12
	for len(b) >= n+4 && (binary.BigEndian.Uint16(b[n:]) == uint16(layers.EthernetTypeDot1Q) || binary.BigEndian.Uint16(b[n:]) == uint16(layers.EthernetTypeQinQ)) {
		n += 4
	}
	if len(b) < n+2 {
		return false
	}
	switch layers.EthernetType(binary.BigEndian.Uint16(b[n:])) {
	case layers.EthernetTypeIPv4:
		return ipFits(b[n+2:], wire-n-2, 4)
	case layers.EthernetTypeIPv6:
		return ipFits(b[n+2:], wire-n-2, 6)
	}
	return false
}

// ipFits reports whether b can be an IP packet of the given version.
func ipFits(b []byte, wire int, version byte) bool {
	if len(b) < 20 || b[0]>>4 != version {
		return false
	}
	if version == 4 {
		total := int(binary.BigEndian.Uint16(b[2:]))
		return b[0]&0xf >= 5 && total <= wire && (total == 0 || total >= 20)
	}
	return int(binary.BigEndian.Uint16(b[4:]))+40 <= wire
}
