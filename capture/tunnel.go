package capture

import "github.com/google/gopacket/layers"

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
	switch src { // these answer from the port; the others are only sent to it
	case portGTP, portTeredo, portCAPWAP, portL2TP, portAYIYA:
		skip, _ := w.udpTunnel(src)
		return skip
	}
	return SkipNotTCP
}

const (
	portGTP    = 2152
	portTeredo = 3544
	portCAPWAP = 5247
	portL2TP   = 1701
	portAYIYA  = 5072
)

func (w *walk) udpTunnel(port uint16) (Skip, bool) {
	switch port {
	case 4789, 8472: // RFC 7348, and Linux before its port was assigned
		return w.vxlan(), true
	case 4790:
		return w.vxlanGPE(), true
	case 6081:
		return w.geneve(), true
	case portGTP:
		return w.gtp(), true
	case portTeredo:
		return w.teredo(), true
	case portCAPWAP:
		return w.capwap(), true
	case 6635: // RFC 7510
		w.enter(tunnelMPLS, 0, false)
		return w.mpls(), true
	case portL2TP:
		return w.l2tpUDP(), true
	case 4754: // RFC 8086
		return w.gre(), true
	case portAYIYA:
		return w.ayiya(), true
	case 4341: // RFC 9300 section 5: 8 bytes, then IP
		w.enter(tunnelLISP, 0, false)
		return w.inner(8, (*walk).rawIP), true
	}
	return NotSkipped, false
}

// vxlan reads a VXLAN header, RFC 7348 section 5.
func (w *walk) vxlan() Skip {
	if len(w.b) < 8 || w.b[0]&0x08 == 0 { // the I flag must be set
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
