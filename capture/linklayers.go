package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"
)

// The link layers that today's tools write beside Ethernet. The rarer ones are
// in rarelinks.go.

// null reads the 4-byte address family of BSD loopback (LINKTYPE_NULL), in the
// byte order of the machine that captured.
func (w *walk) null() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	family := binary.LittleEndian.Uint32(w.b)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(w.b)
	}
	w.move(4)
	return w.family(family)
}

// loop is the same in network byte order (LINKTYPE_LOOP).
func (w *walk) loop() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotIP)
	}
	family := w.be32(0)
	w.move(4)
	return w.family(family)
}

// family goes on with an address family; that of IPv6 differs by system.
func (w *walk) family(family uint32) Skip {
	switch family {
	case 2: // everywhere
		return w.ipv4()
	case 10, 23, 24, 28, 30: // Linux, Windows, NetBSD and OpenBSD, FreeBSD, macOS
		return w.ipv6()
	}
	return w.rawIPBehind(family)
}

// rawIPBehind tries an EtherType in the family's place, which some systems write.
func (w *walk) rawIPBehind(family uint32) Skip {
	if family >= 0x600 && family <= 0xffff {
		return w.etherType(layers.EthernetType(family))
	}
	return SkipNotIP
}

// Values of ARPHRD_ in a cooked header that change what the protocol field means.
const (
	arphrdIPGRE    = 778
	arphrdNetlink  = 824
	arphrd80211    = 801
	arphrdRadiotap = 803

	arphrdFirstOdd = 770 // below are Ethernet, loopback and their like
)

// sll reads a Linux cooked header (LINKTYPE_LINUX_SLL).
func (w *walk) sll() Skip {
	if len(w.b) < 16 {
		return w.short(SkipNotIP)
	}
	direction, hardware, kind := w.be16(0), w.be16(2), w.be16(14)
	w.tag = mixTag(w.tag, tagCooked, uint32(direction))
	w.move(16)
	return w.cooked(hardware, kind)
}

// sll2 reads a version 2 cooked header (LINKTYPE_LINUX_SLL2), which also says
// which interface it was: with 'tcpdump -i any' one packet shows on several.
func (w *walk) sll2() Skip {
	if len(w.b) < 20 {
		return w.short(SkipNotIP)
	}
	kind, index, hardware, direction := w.be16(0), w.be32(4), w.be16(8), w.b[10]
	w.tag = mixTag(w.tag, tagCooked, index<<3^uint32(direction))
	w.move(20)
	return w.cooked(hardware, kind)
}

func (w *walk) cooked(hardware, kind uint16) Skip {
	switch hardware {
	case arphrdNetlink:
		return SkipNotIP
	case arphrd80211:
		return w.dot11()
	case arphrdRadiotap:
		return w.radiotap()
	case arphrdIPGRE:
		return w.greProtocol(layers.EthernetType(kind))
	}
	switch kind {
	case 0x0004: // LINUX_SLL_P_802_2
		return w.llc()
	case 0x0001: // Novell's raw 802.3
		return SkipNotIP
	}
	return w.etherType(layers.EthernetType(kind))
}

// llc reads an 802.2 header: SNAP, or IP by its own SAP.
func (w *walk) llc() Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 3 {
		return w.short(SkipNotIP)
	}
	dsap, ssap, control := w.b[0], w.b[1], w.b[2]
	switch {
	case dsap == 0xaa && ssap == 0xaa && control == 3:
		return w.snap()
	case dsap == 0x06 && ssap == 0x06 && control == 3: // RFC 1010 "assigned numbers"
		w.move(3)
		return w.ipv4()
	case dsap == 0xfe && ssap == 0xfe && control == 3: // OSI network layer, RFC 2427 NLPID
		w.move(3)
		return w.nlpid()
	}
	return SkipNotIP
}

// snap reads the rest of a SNAP header, RFC 1042.
func (w *walk) snap() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotIP)
	}
	oui := w.be32(2) & 0xffffff
	kind := w.be16(6)
	w.move(8)
	switch oui {
	case 0, 0x0000f8: // RFC 1042, IEEE 802.1H
		return w.etherType(layers.EthernetType(kind))
	case 0x0080c2: // bridged frames, RFC 2684 section 5.2
		return w.bridged(kind)
	}
	return SkipNotIP
}
