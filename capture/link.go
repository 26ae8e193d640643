package capture

import (
	"fmt"
	"maps"
	"slices"
)

// Link types by their LINKTYPE_ numbers (tcpdump.org/linktypes.html), 32 bits
// wide: gopacket's are 8 bits wide and confuse every type above 255.
const (
	LinkNull        = 0
	LinkEthernet    = 1
	LinkTokenRing   = 6
	LinkSLIP        = 8
	LinkPPP         = 9
	LinkFDDI        = 10
	LinkRawBSD      = 12 // DLT_RAW written as it is, on most systems
	LinkRawOpenBSD  = 14 // the same on OpenBSD
	LinkSLIPBSDOS   = 15
	LinkPPPSerial   = 50
	LinkPPPoE       = 51
	LinkATMRFC1483  = 100
	LinkRaw         = 101
	LinkCHDLC       = 104
	Link80211       = 105
	LinkFrameRelay  = 107
	LinkLoop        = 108
	LinkEnc         = 109
	LinkSLL         = 113
	LinkPFLog       = 117
	LinkPrism       = 119
	LinkIPoverFC    = 122
	LinkSunATM      = 123
	LinkRadiotap    = 127
	LinkARCNETLinux = 129
	LinkAppleFireW  = 138
	LinkAVS         = 163
	LinkPPPDir      = 166
	LinkJuniperEth  = 178
	LinkPPI         = 192
	LinkERF         = 197
	LinkIPv4        = 228
	LinkIPv6        = 229
	LinkNFLog       = 239
	LinkNetAnalyzer = 240
	LinkNetAnaTrans = 241
	LinkIPOIB       = 242
	LinkMPEG2TS     = 243
	LinkInfiniband  = 247
	LinkEPON        = 259
	LinkPKTAP       = 258
	LinkMPacket     = 274
	LinkSLL2        = 276
	LinkBRCMTag     = 281
	LinkBRCMPrepend = 282
	LinkDSA         = 284
	LinkEDSA        = 285

	// LinkNone marks a record that Wireshark numbers but that no interface
	// carried (a systemd journal entry). It is no LINKTYPE_ number.
	LinkNone = 0xffffffff
)

var linkNames = map[uint32]string{
	LinkNull: "BSD loopback", LinkEthernet: "Ethernet", LinkTokenRing: "token ring", LinkSLIP: "SLIP", LinkPPP: "PPP",
	LinkFDDI: "FDDI", LinkRawBSD: "raw IP", LinkRawOpenBSD: "raw IP", LinkSLIPBSDOS: "BSD/OS SLIP",
	LinkPPPSerial: "PPP in HDLC framing", LinkPPPoE: "PPPoE", LinkATMRFC1483: "ATM with LLC", LinkRaw: "raw IP",
	LinkCHDLC: "Cisco HDLC", Link80211: "802.11", LinkFrameRelay: "frame relay", LinkLoop: "OpenBSD loopback",
	LinkEnc: "OpenBSD enc", LinkSLL: "Linux cooked v1", LinkPFLog: "OpenBSD pflog", LinkPrism: "802.11 with Prism header",
	LinkIPoverFC: "IP over Fibre Channel", LinkSunATM: "SunATM", LinkRadiotap: "802.11 with radiotap",
	LinkARCNETLinux: "ARCNET", LinkAppleFireW: "IP over FireWire", LinkAVS: "802.11 with AVS header", LinkPPPDir: "PPP with direction",
	LinkPPI: "PPI", LinkERF: "Endace ERF", LinkIPv4: "IPv4", LinkIPv6: "IPv6", LinkNFLog: "NFLOG",
	LinkNetAnalyzer: "netANALYZER", LinkNetAnaTrans: "netANALYZER transparent", LinkIPOIB: "IP over InfiniBand",
	LinkMPEG2TS: "MPEG-2 TS", LinkInfiniband: "InfiniBand", LinkPKTAP: "Apple PKTAP", LinkEPON: "EPON",
	LinkMPacket: "Ethernet mPackets", LinkSLL2: "Linux cooked v2", LinkJuniperEth: "Juniper Ethernet", LinkBRCMTag: "Ethernet with Broadcom tag", LinkBRCMPrepend: "Ethernet with Broadcom tag in front", LinkDSA: "Ethernet with DSA tag", LinkEDSA: "Ethernet with EDSA tag",
	3: "AX.25", 7: "ARCNET", 105 + 38: "DOCSIS", 147: "private use 0", 149: "private use 2", 161: "private use 14", 165: "BACnet MS/TP",
	187: "Bluetooth HCI H4", 189: "Linux USB", 195: "802.15.4", 201: "Bluetooth HCI H4 with direction", 220: "Linux USB, padded",
	224: "Fibre Channel", 231: "D-Bus", 245: "NFC LLCP", 249: "USBPcap", 250: "RTAC serial",
	251: "Bluetooth Low Energy", 253: "Linux netlink", 256: "Bluetooth Low Energy with radio", 271: "vSock monitor", 272: "Nordic BLE",
}

// LinkType is an entry of the table of link types.
type LinkType struct {
	Number    uint32 // LINKTYPE_ number
	Name      string
	Supported bool // TCP is found in its frames
}

// LinkTypes lists the link types that are known by name, in ascending order of
// their numbers. Frames of all others are skipped and counted too.
func LinkTypes() []LinkType {
	var all []LinkType
	for _, number := range slices.Sorted(maps.Keys(linkNames)) {
		all = append(all, LinkType{number, linkNames[number], linkSupported(number)})
	}
	return all
}

func linkSupported(link uint32) bool {
	switch link {
	case LinkEthernet, LinkRaw, LinkRawBSD, LinkRawOpenBSD, LinkIPv4, LinkIPv6, LinkNull, LinkLoop, LinkSLL, LinkSLL2:
		return true
	}
	_, ok := rareLinks[link]
	return ok
}

// LinkTypeName names a LINKTYPE_ number for people.
func LinkTypeName(link uint32) string {
	if link == LinkNone {
		return "no packet"
	}
	if name, ok := linkNames[link]; ok {
		return name
	}
	return fmt.Sprintf("link type %d", link)
}
