package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// L2TP, and how to tell whether bytes can be a frame or an IP packet where
// nothing says so.

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
