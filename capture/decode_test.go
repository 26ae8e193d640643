package capture

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// Packets are built from the inside out: tcp -> ipv4 -> ether ...

var (
	macs = []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}
	v4a  = []byte{192, 0, 2, 1}
	v4b  = []byte{192, 0, 2, 2}
	v6a  = append([]byte{0x20, 1, 0xd, 0xb8}, make([]byte, 12)...)
	v6b  = append([]byte{0x20, 1, 0xd, 0xb9}, make([]byte, 12)...)
)

func cat(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func be16(v int) []byte    { return binary.BigEndian.AppendUint16(nil, uint16(v)) }
func be32(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// tcp makes a segment from port 1000 to 80, seq 100, ack 200, PSH and ACK.
func tcp(options []byte, payload int) []byte {
	for len(options)%4 != 0 {
		options = append(options, 0)
	}
	return cat(be16(1000), be16(80), be32(100), be32(200), []byte{byte(5+len(options)/4) << 4, 0x18}, be16(500), be16(0), be16(7),
		options, make([]byte, payload))
}

func ipv4(proto byte, payload []byte) []byte {
	return ipv4With(proto, 0, 20+len(payload), nil, payload)
}

func ipv4With(proto byte, frag, total int, options, payload []byte) []byte {
	return cat([]byte{byte(0x45 + len(options)/4), 0}, be16(total), be16(77), be16(frag), []byte{64, proto, 0, 0}, v4a, v4b, options, payload)
}

func ipv6(next byte, payload []byte) []byte { return ipv6With(next, len(payload), payload) }

func ipv6With(next byte, length int, payload []byte) []byte {
	return cat([]byte{0x60, 0, 0, 0}, be16(length), []byte{next, 63}, v6a, v6b, payload)
}

func udp(dst int, payload []byte) []byte {
	return cat(be16(5555), be16(dst), be16(8+len(payload)), be16(0), payload)
}

func ether(kind int, payload []byte) []byte { return cat(macs, be16(kind), payload) }

func frameOf(link uint32, b []byte) Frame {
	return Frame{Time: 1, LinkType: link, Data: b, WireLen: uint32(len(b)), Packet: reassembly.MakePacket(0, 1)}
}

func decodeOne(t *testing.T, f Frame) (reassembly.Segment, Skip, *Decoder) {
	t.Helper()
	d := NewDecoder(DecoderOptions{})
	var seg reassembly.Segment
	skip := d.Decode(&f, &seg)
	q := d.Quality()
	if q.Frames != 1 || q.Segments+q.TotalSkipped() != 1 {
		t.Errorf("%d frames, %d segments, %d skipped", q.Frames, q.Segments, q.TotalSkipped())
	}
	if q.Recovered != 0 {
		t.Error("decoding panicked")
	}
	return seg, skip, d
}

// TestLinkLayers puts the same IPv4 segment of 9 bytes payload behind every link
// layer and tunnel; the decoder must find the same segment in each.
func TestLinkLayers(t *testing.T) {
	seg4 := ipv4(6, tcp(nil, 9))
	seg6 := ipv6(6, tcp(nil, 9))
	eth := ether(0x800, seg4)
	llcSnap := unhex("aaaa03 000000 0800")
	wifi := cat(unhex("0801 0000"), make([]byte, 18), be16(0))
	over := func(dst int, header string, payload []byte) []byte {
		return ether(0x800, ipv4(17, udp(dst, cat(unhex(header), payload))))
	}
	gre := func(header string, payload []byte) []byte { return ether(0x800, ipv4(47, cat(unhex(header), payload))) }
	tests := []struct {
		name string
		link uint32
		b    []byte
	}{
		{"ethernet", LinkEthernet, eth},
		{"ethernet, padded", LinkEthernet, cat(eth, make([]byte, 20))},
		{"ethernet, IPv6", LinkEthernet, ether(0x86dd, seg6)},
		{"vlan", LinkEthernet, ether(0x8100, cat(be16(0x2005), be16(0x800), seg4))},
		{"two vlans", LinkEthernet, ether(0x88a8, cat(be16(5), be16(0x8100), be16(6), be16(0x800), seg4))},
		{"three vlans", LinkEthernet, ether(0x9100, cat(be16(5), be16(0x8100), be16(6), be16(0x8100), be16(7), be16(0x86dd), seg6))},
		{"802.3 with SNAP", LinkEthernet, ether(8+49, cat(llcSnap, seg4, make([]byte, 9)))},
		{"802.3 with IP SAP", LinkEthernet, ether(3+49, cat(unhex("060603"), seg4))},
		{"MPLS", LinkEthernet, ether(0x8847, cat(unhex("00010040 00020140"), seg4))},
		{"MPLS with IPv6", LinkEthernet, ether(0x8847, cat(unhex("00020140"), seg6))},
		{"MPLS pseudowire with control word", LinkEthernet, ether(0x8847, cat(unhex("00020140 00000000"), eth))},
		{"MPLS pseudowire without", LinkEthernet, ether(0x8847, cat(unhex("00020140"), eth))},
		{"PPPoE", LinkEthernet, ether(0x8864, cat(unhex("1100 0007"), be16(2+49), unhex("0021"), seg4, make([]byte, 5)))},
		{"PPPoE with IPv6", LinkEthernet, ether(0x8864, cat(unhex("1100 0007"), be16(2+69), unhex("0057"), seg6))},
		{"802.1ah", LinkEthernet, ether(0x88e7, cat(unhex("00001234"), eth))},
		{"FabricPath", LinkEthernet, ether(0x8903, cat(unhex("1234"), eth))},
		{"HSR", LinkEthernet, ether(0x892f, cat(unhex("00340001 0800"), seg4))},
		{"MACsec, not encrypted", LinkEthernet, ether(0x88e5, cat(unhex("0000 00000001 0800"), seg4, make([]byte, 16)))},
		{"raw", LinkRaw, seg4},
		{"raw, IPv6", LinkRaw, seg6},
		{"raw BSD", LinkRawBSD, seg4},
		{"raw OpenBSD", LinkRawOpenBSD, seg6},
		{"IPv4", LinkIPv4, seg4},
		{"IPv6", LinkIPv6, seg6},
		{"null, little-endian", LinkNull, cat(unhex("02000000"), seg4)},
		{"null, big-endian", LinkNull, cat(unhex("00000002"), seg4)},
		{"null, IPv6 of macOS", LinkNull, cat(unhex("1e000000"), seg6)},
		{"null, IPv6 of Windows", LinkNull, cat(unhex("17000000"), seg6)},
		{"loop", LinkLoop, cat(unhex("00000018"), seg6)},
		{"cooked", LinkSLL, cat(unhex("0000 0001 0006 000000000000 0000 0800"), seg4)},
		{"cooked with vlan", LinkSLL, cat(unhex("0004 0001 0006 000000000000 0000 8100 0005 0800"), seg4)},
		{"cooked with LLC", LinkSLL, cat(unhex("0004 0001 0006 000000000000 0000 0004"), llcSnap, seg4)},
		{"cooked 2", LinkSLL2, cat(unhex("86dd 0000 00000003 0001 04 06 0000000000000000"), seg6)},
		{"PPP", LinkPPP, cat(unhex("ff03 0021"), seg4)},
		{"PPP, short protocol", LinkPPP, cat(unhex("21"), seg4)},
		{"PPP in HDLC", LinkPPPSerial, cat(unhex("ff03 0057"), seg6)},
		{"PPP with direction", LinkPPPDir, cat(unhex("01 ff03 0021"), seg4)},
		{"PPP multilink", LinkPPP, cat(unhex("ff03 003d c0000001 0021"), seg4)},
		{"PPPoE link", LinkPPPoE, cat(unhex("1100 0007"), be16(2+49), unhex("0021"), seg4)},
		{"Cisco HDLC", LinkCHDLC, cat(unhex("0f00 0800"), seg4)},
		{"Cisco HDLC as PPP", LinkPPPSerial, cat(unhex("0f00 0800"), seg4)},
		{"FDDI", LinkFDDI, cat(unhex("50"), macs, llcSnap, seg4)},
		{"token ring", LinkTokenRing, cat(unhex("1040"), macs, llcSnap, seg4)},
		{"token ring with route", LinkTokenRing, cat(unhex("1040"), macs[:6], unhex("820000000002 0690 0011 0022"), llcSnap, seg4)},
		{"802.11", Link80211, cat(wifi, llcSnap, seg4)},
		{"802.11 QoS", Link80211, cat(unhex("8801 0000"), make([]byte, 20), unhex("0000"), llcSnap, seg4)},
		{"802.11 between access points", Link80211, cat(unhex("0803 0000"), make([]byte, 26), llcSnap, seg4)},
		{"802.11 A-MSDU", Link80211, cat(unhex("8801 0000"), make([]byte, 20), unhex("8000"), macs, be16(57), llcSnap, seg4)},
		{"radiotap", LinkRadiotap, cat(unhex("0000 0900 02000000 00"), wifi, llcSnap, seg4)},
		{"radiotap with FCS and padding", LinkRadiotap,
			cat(unhex("0000 1900 03000080 00000000 00000000 0000000000000000 30"), unhex("8801 0000"), make([]byte, 20), unhex("0000 0000"), llcSnap, seg4, make([]byte, 4))},
		{"PPI", LinkPPI, cat(unhex("0000 0800 69000000"), wifi, llcSnap, seg4)},
		{"PPI of Ethernet", LinkPPI, cat(unhex("0000 0800 01000000"), eth)},
		{"Prism", LinkPrism, cat(unhex("44000000 10000000 0000000000000000"), wifi, llcSnap, seg4)},
		{"Prism, big-endian", LinkPrism, cat(unhex("00000044 00000010 0000000000000000"), wifi, llcSnap, seg4)},
		{"AVS", LinkAVS, cat(unhex("80211001 00000010 0000000000000000"), wifi, llcSnap, seg4)},
		{"NFLOG", LinkNFLog, cat(unhex("0200 0000 0600 0a00 6100 0000 3500 0900"), seg4, make([]byte, 3))},
		{"NFLOG, big-endian", LinkNFLog, cat(unhex("0a00 0000 0049 0009"), seg6)},
		{"IPoIB", LinkIPOIB, cat(make([]byte, 40), unhex("0800 0000"), seg4)},
		{"IPoIB, short", LinkIPOIB, cat(make([]byte, 20), unhex("0800 0000"), seg4)},
		{"ARCNET", LinkARCNETLinux, cat(unhex("0102 0000 d4 00 0001"), seg4)},
		{"frame relay", LinkFrameRelay, cat(unhex("1841 03 cc"), seg4)},
		{"frame relay with SNAP", LinkFrameRelay, cat(unhex("1841 03 00 80 000000 0800"), seg4)},
		{"frame relay of Cisco", LinkFrameRelay, cat(unhex("1841 0800"), seg4)},
		{"ATM", LinkATMRFC1483, cat(llcSnap, seg4)},
		{"SunATM", LinkSunATM, cat(unhex("02000020"), llcSnap, seg4)},
		{"enc", LinkEnc, cat(unhex("02000000 00000000 00000000"), seg4)},
		{"pflog", LinkPFLog, cat(unhex("3d 02"), make([]byte, 62), seg4)},
		{"SLIP", LinkSLIP, cat(make([]byte, 16), seg4)},
		{"IP over Fibre Channel", LinkIPoverFC, cat(make([]byte, 16), llcSnap, seg4)},
		{"FireWire", LinkAppleFireW, cat(make([]byte, 16), unhex("0800"), seg4)},
		{"PKTAP", LinkPKTAP, cat(unhex("0c000000 01000000 01000000"), eth)},
		{"mPacket", LinkMPacket, cat(unhex("55555555555555d5"), eth)},
		{"DSA tag", LinkDSA, cat(macs, unhex("00000000 0800"), seg4)},
		{"EDSA tag", LinkEDSA, cat(macs, unhex("dada0000 00000000 0800"), seg4)},
		{"ERF in pcap", LinkERF, cat(unhex("0000000000000000 02 04 0000 0000"), be16(len(eth)), unhex("0000"), eth)},
		{"Juniper", LinkJuniperEth, cat(unhex("4d4743 80 0004 01020304"), eth)},

		{"IP in IP", LinkEthernet, ether(0x800, ipv4(4, seg4))},
		{"6in4", LinkEthernet, ether(0x800, ipv4(41, seg6))},
		{"4in6", LinkEthernet, ether(0x86dd, ipv6(4, seg4))},
		{"EtherIP", LinkEthernet, ether(0x800, ipv4(97, cat(unhex("3000"), eth)))},
		{"GRE", LinkEthernet, gre("0000 0800", seg4)},
		{"GRE with everything", LinkEthernet, gre("b000 86dd 00000000 00000007 00000001", seg6)},
		{"GRE with routes", LinkEthernet, gre("4000 0800 00000000 0800 0004 01020304 0000 0000", seg4)},
		{"GRE of Ethernet", LinkEthernet, gre("2000 6558 00123400", eth)},
		{"GRE of PPTP", LinkEthernet, gre("3081 880b 00310007 00000001 00000001 ff03 0021", seg4)},
		{"GRE of WCCP 2", LinkEthernet, gre("0000 883e 00000000", seg4)},
		{"GRE of Aruba", LinkEthernet, gre("0000 8200", cat(wifi, llcSnap, seg4))},
		{"ERSPAN I", LinkEthernet, gre("0000 88be", eth)},
		{"ERSPAN II", LinkEthernet, gre("1000 88be 00000001 1005 0001 00000000", eth)},
		{"ERSPAN III", LinkEthernet, gre("1000 22eb 00000001 2005 0001 00000000 00000000", eth)},
		{"ERSPAN III with subheader", LinkEthernet, gre("1000 22eb 00000001 2005 0001 00000000 00000001 0000000000000000", eth)},
		{"VXLAN", LinkEthernet, over(4789, "08000000 00123400", eth)},
		{"VXLAN of old Linux", LinkEthernet, over(8472, "08000000 00123400", eth)},
		{"VXLAN-GPE", LinkEthernet, over(4790, "0c000001 00123400", seg4)},
		{"Geneve", LinkEthernet, over(6081, "0100 6558 00123400 01020001", eth)},
		{"Geneve of IP", LinkEthernet, over(6081, "0000 86dd 00123400", seg6)},
		{"GTP-U", LinkEthernet, over(2152, "30ff 0031 00000007", seg4)},
		{"GTP-U with extension", LinkEthernet, over(2152, "34ff 0039 00000007 00000085 01000900", seg4)},
		{"Teredo", LinkEthernet, over(3544, "", seg6)},
		{"Teredo with authentication and origin", LinkEthernet, over(3544, "0001 0000 0000000000000000 00 0000 1234 01020304", seg6)},
		{"CAPWAP", LinkEthernet, over(5247, "00 100200 00010000", eth)},
		{"CAPWAP with 802.11", LinkEthernet, over(5247, "00 100300 00010000", cat(wifi, llcSnap, seg4))},
		{"MPLS over UDP", LinkEthernet, over(6635, "00020140", seg4)},
		{"MPLS in IP", LinkEthernet, ether(0x800, ipv4(137, cat(unhex("00020140"), seg4)))},
		{"L2TP 2", LinkEthernet, over(1701, "0002 0001 0002 ff03 0021", seg4)},
		{"L2TPv3 without cookie", LinkEthernet, ether(0x800, ipv4(115, cat(unhex("00000007"), eth)))},
		{"L2TPv3 with cookie and sublayer", LinkEthernet, ether(0x800, ipv4(115, cat(unhex("00000007 1122334455667788 40000001"), eth)))},
		{"L2TPv3 over UDP", LinkEthernet, over(1701, "0003 0000 00000007", eth)},
		{"LISP", LinkEthernet, over(4341, "0000000000000000", seg4)},
		{"GRE over UDP", LinkEthernet, over(4754, "0000 0800", seg4)},
		{"VXLAN in GRE in IP in IP", LinkEthernet, ether(0x800, ipv4(4, ipv4(47, cat(unhex("0000 0800"), ipv4(17, udp(4789, cat(unhex("08000000 00123400"), eth)))))))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, skip, _ := decodeOne(t, frameOf(tt.link, tt.b))
			if skip != NotSkipped {
				t.Fatalf("skipped: %s", skip)
			}
			checkSegment(t, &seg)
			if strings.Contains(tt.name, "6") && !seg.V6 && strings.Contains(tt.name, "IPv6") {
				t.Error("not IPv6")
			}
		})
	}
}

func checkSegment(t *testing.T, seg *reassembly.Segment) {
	t.Helper()
	a, b, id, ttl := mapped([4]byte(v4a)), mapped([4]byte(v4b)), uint16(77), uint8(64)
	if seg.V6 {
		a, b, id, ttl = reassembly.IP(v6a), reassembly.IP(v6b), 0, 63
	}
	if seg.Src != a || seg.Dst != b || seg.IPID != id || seg.TTL != ttl {
		t.Errorf("addresses %v %v, id %d, ttl %d", seg.Src, seg.Dst, seg.IPID, seg.TTL)
	}
	if seg.SrcPort != 1000 || seg.DstPort != 80 || seg.Seq != 100 || seg.Ack != 200 || seg.Flags != 0x18 || seg.Window != 500 || seg.Urgent != 7 {
		t.Errorf("header %+v", seg)
	}
	if seg.Length != 9 || seg.LengthUnknown {
		t.Errorf("length %d, unknown %v", seg.Length, seg.LengthUnknown)
	}
}

// TestSkips has a frame for each reason to skip one.
func TestSkips(t *testing.T) {
	good := ether(0x800, ipv4(6, tcp(nil, 9)))
	deep := ipv4(6, tcp(nil, 0))
	for range maxLayers + 1 {
		deep = ipv4(4, deep)
	}
	badHeader := ipv4(6, tcp(nil, 0))
	badHeader[20+12] = 0x40
	longHeader := ipv4(6, tcp(nil, 0))
	longHeader[20+12] = 0xf0
	cut := func(n int) Frame {
		f := frameOf(LinkEthernet, good)
		f.Data = f.Data[:n]
		return f
	}
	tests := []struct {
		name string
		f    Frame
		want Skip
	}{
		{"ARP", frameOf(LinkEthernet, ether(0x806, make([]byte, 46))), SkipNotIP},
		{"spanning tree", frameOf(LinkEthernet, ether(38, unhex("424203"))), SkipNotIP},
		{"PPPoE discovery", frameOf(LinkEthernet, ether(0x8864, unhex("1109 0000 0000"))), SkipNotIP},
		{"empty", frameOf(LinkEthernet, nil), SkipNotIP},
		{"journal entry", frameOf(LinkNone, []byte("x")), SkipNotIP},
		{"UDP", frameOf(LinkEthernet, ether(0x800, ipv4(17, udp(53, make([]byte, 9))))), SkipNotTCP},
		{"ICMP echo", frameOf(LinkEthernet, ether(0x800, ipv4(1, make([]byte, 16)))), SkipNotTCP},
		{"GTP echo", frameOf(LinkEthernet, ether(0x800, ipv4(17, udp(2152, unhex("3201 0004 00000000 00000000"))))), SkipNotTCP},
		{"IPv6 without next header", frameOf(LinkEthernet, ether(0x86dd, ipv6(59, nil))), SkipNotTCP},
		{"VXLAN's port without its flag", frameOf(LinkRaw, ipv4(17, udp(4789, cat(make([]byte, 8), good)))), SkipNotTCP},
		{"sent from VXLAN's port to another", frameOf(LinkRaw, ipv4(17, cat(be16(4789), udp(53, cat(unhex("08000000 00000000"), good))[2:]))), SkipNotTCP},
		{"longer than the tunnel's packet", frameOf(LinkRaw, ipv4(4, ipv4With(6, 0, 1000, nil, tcp(nil, 9)))), SkipIPHeader},
		{"ESP", frameOf(LinkEthernet, ether(0x800, ipv4(50, make([]byte, 40)))), SkipEncrypted},
		{"protected 802.11", frameOf(Link80211, cat(unhex("0841"), make([]byte, 60))), SkipEncrypted},
		{"USB", frameOf(189, make([]byte, 64)), SkipLinkType},
		{"cut in the Ethernet header", cut(13), SkipTruncated},
		{"cut in the IP header", cut(14 + 19), SkipTruncated},
		{"cut before the TCP flags", cut(14 + 20 + 13), SkipTruncated},
		{"IP version 5", frameOf(LinkEthernet, ether(0x800, append([]byte{0x55}, make([]byte, 60)...))), SkipIPHeader},
		{"IP header of 16 bytes", frameOf(LinkEthernet, ether(0x800, append([]byte{0x44}, make([]byte, 60)...))), SkipIPHeader},
		{"IP length below the header", frameOf(LinkEthernet, ether(0x800, ipv4With(6, 0, 19, nil, tcp(nil, 9)))), SkipIPHeader},
		{"TCP header of 16 bytes", frameOf(LinkEthernet, ether(0x800, badHeader)), SkipTCPHeader},
		{"TCP header beyond the packet", frameOf(LinkEthernet, ether(0x800, longHeader)), SkipTCPHeader},
		{"TCP of 10 bytes", frameOf(LinkEthernet, ether(0x800, ipv4(6, make([]byte, 10)))), SkipTCPHeader},
		{"fragment without its head", frameOf(LinkEthernet, ether(0x800, ipv4With(6, 5, 60, nil, make([]byte, 40)))), SkipFragmentHead},
		{"first fragment only", frameOf(LinkEthernet, ether(0x800, ipv4With(6, 0x2000, 60, nil, tcp(nil, 20)))), SkipFragmentRest},
		{"nested too deep", frameOf(LinkRaw, deep), SkipNesting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, skip, d := decodeOne(t, tt.f)
			q := d.Quality()
			if skip == NotSkipped || q.Skips(tt.want) != 1 {
				t.Errorf("skipped as %s, counted %v, want %s", skip, q.Skipped, tt.want)
			}
		})
	}
	_, _, d := decodeOne(t, frameOf(189, nil))
	if q := d.Quality(); len(q.UnknownLinkTypes()) != 1 || q.UnknownLinkTypes()[0] != 189 {
		t.Errorf("unknown link types %v", q.UnknownLinkTypes())
	}
}

// TestLengths: the payload length is what was sent, whatever was captured.
func TestLengths(t *testing.T) {
	frame := func(ip []byte, wire int) Frame {
		f := frameOf(LinkEthernet, ether(0x800, ip))
		f.WireLen = uint32(wire)
		return f
	}
	whole := ipv4(6, tcp(nil, 100))
	jumbo := cat(unhex("0600 c204"), be32(8+20+70000))
	tests := []struct {
		name    string
		f       Frame
		length  uint32
		unknown bool
	}{
		{"whole", frame(whole, 154), 100, false},
		{"cut by a snaplen", frame(whole[:60], 154), 100, false},
		{"cut inside the TCP header", frame(whole[:35], 154), 100, false},
		{"padding", frame(cat(ipv4(6, tcp(nil, 0)), make([]byte, 6)), 60), 0, false},
		{"padding that was not captured", frame(ipv4(6, tcp(nil, 0)), 60), 0, false},
		{"original length below captured", frame(whole, 20), 100, false},
		{"IP length 0 of an offloaded frame", frame(ipv4With(6, 0, 0, nil, tcp(nil, 100)), 14+40+64000), 64000, false},
		{"IP length above the frame", frame(ipv4With(6, 0, 1040, nil, tcp(nil, 100)), 154), 1000, true},
		{"IP length above that of PPPoE", frameOf(LinkEthernet, ether(0x8864, cat(unhex("1100 0007"), be16(2+40), unhex("0021"), ipv4With(6, 0, 46, nil, tcp(nil, 6))))), 0, true},
		{"IPv6", frameOf(LinkRaw, ipv6(6, tcp(nil, 100))), 100, false},
		{"IPv6 length 0", frameOf(LinkRaw, ipv6With(6, 0, tcp(nil, 70000))), 70000, false},
		{"IPv6 jumbogram", frameOf(LinkRaw, cat(ipv6With(0, 0, cat(jumbo, tcp(nil, 70000))), make([]byte, 7))), 70000, false},
		{"IPv6 length above the frame", frameOf(LinkRaw, ipv6With(6, 220, tcp(nil, 100))), 200, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, skip, _ := decodeOne(t, tt.f)
			if skip != NotSkipped || seg.Length != tt.length || seg.LengthUnknown != tt.unknown || seg.Flags != 0x18 {
				t.Errorf("%q, length %d, unknown %v, flags %#x; want %d, %v", skip, seg.Length, seg.LengthUnknown, seg.Flags, tt.length, tt.unknown)
			}
		})
	}
	fcs := frame(ipv4With(6, 0, 0, nil, tcp(nil, 100)), 14+40+100)
	fcs.FCS = 4
	if seg, skip, _ := decodeOne(t, fcs); skip != NotSkipped || seg.Length != 96 {
		t.Errorf("with FCS: %q, length %d, want 96", skip, seg.Length)
	}
}

// TestIPOddities: extension headers, and IPv4 options that are odd.
func TestIPOddities(t *testing.T) {
	body := tcp(nil, 9)
	route := cat([]byte{6, 2, 4, 0, 0, 0, 0, 0}, v6a)
	tests := []struct {
		name string
		b    []byte
	}{
		{"hop-by-hop, destination, routing", ipv6(0, cat(unhex("3c00 010400000000"), unhex("2b00 010400000000"), route, body))},
		{"segment routing", ipv6(43, cat([]byte{6, 2, 4, 0, 0, 0, 0, 0}, v6a, body))},
		{"atomic fragment", ipv6(44, cat([]byte{6, 0, 0, 0, 1, 2, 3, 4}, body))},
		{"authentication header", ipv6(51, cat(unhex("0604 0000 00000001 00000001"), make([]byte, 12), body))},
		{"authentication header in IPv4", ipv4(51, cat(unhex("0604 0000 00000001 00000001"), make([]byte, 12), body))},
		{"IPv4 option of length 2", ipv4With(6, 0, 24+len(body), unhex("8802 0101"), body)},
		{"IPv4 option of length 0", ipv4With(6, 0, 24+len(body), unhex("8800 0101"), body)},
		{"IPv4 option beyond the header", ipv4With(6, 0, 24+len(body), unhex("01 07ff 01"), body)},
		{"do not fragment", ipv4With(6, 0x4000, 20+len(body), nil, body)},
		{"reserved bit", ipv4With(6, 0x8000, 20+len(body), nil, body)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, skip, _ := decodeOne(t, frameOf(LinkRaw, tt.b))
			if skip != NotSkipped {
				t.Fatalf("skipped: %s", skip)
			}
			checkSegment(t, &seg)
		})
	}
}
