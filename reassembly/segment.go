package reassembly

// This file is the core's input: what a frame says of one TCP segment. It is
// filled by package capture and read by the Tracker. Read flowkey.go next.

// TCP header flags, RFC 9293 section 3.1, in the header's own bit order.
const (
	FlagFIN = 1 << iota
	FlagSYN
	FlagRST
	FlagPSH
	FlagACK
	FlagURG
	FlagECE
	FlagCWR
)

// Packet names a frame of a capture: the file (0 is the first) and the number
// that Wireshark shows for it in that file (the first frame is 1). The zero
// value means that no packet is known.
type Packet uint64

const packetNumberBits = 40

// MakePacket packs a file index (below 2^24) and a frame number (below 2^40).
func MakePacket(file int, number uint64) Packet {
	return Packet(uint64(file)<<packetNumberBits | number&(1<<packetNumberBits-1))
}

// File is the index of the capture file that holds the packet, 0 for the first.
func (p Packet) File() int { return int(p >> packetNumberBits) }

// Number is the frame number within the file, as Wireshark shows it.
func (p Packet) Number() uint64 { return uint64(p) & (1<<packetNumberBits - 1) }

// IP is an address in 16 bytes; IPv4 is held IPv4-mapped (RFC 4291 section 2.5.5.2).
type IP [16]byte

// SACKBlock is one block of a SACK option (RFC 2018): [Left, Right).
type SACKBlock struct{ Left, Right uint32 }

// Checksum says what the TCP checksum told. It is noted, never trusted either
// way: a host that offloads checksums shows bad ones in its own captures.
type Checksum uint8

// Verdicts on a checksum.
const (
	ChecksumUnknown Checksum = iota // not checked: truncated, fragment, or checking is off
	ChecksumGood
	ChecksumBad
)

// ICMPQuote says that the segment was not captured itself but quoted by an
// ICMP or ICMPv6 error (RFC 792, RFC 4443). Type 0 with V6 false means "no quote":
// an echo reply quotes nothing.
type ICMPQuote struct {
	Type, Code uint8
	V6         bool
	From       IP // the sender of the error
}

// Segment is one TCP header as it passed the tap, with its true lengths. It
// holds no pointers, so that batches of segments cost the collector nothing.
// Sequence numbers are as on the wire, never relative.
type Segment struct {
	Time   int64  // ns since the Unix epoch, as stamped
	Packet Packet // where it stands

	Src, Dst         IP
	SrcPort, DstPort uint16
	V6               bool   // the addresses are IPv6
	Tunnel           uint64 // 0: none; else a stable hash of the tunnel ids around the IP header
	Tag              uint32 // interface and VLAN ids mixed: differs when the same packet was captured at two places
	VLAN             uint16 // outermost VLAN id, 0 if none

	Seq, Ack uint32
	Flags    uint8
	Window   uint16 // not scaled
	Urgent   uint16

	Length        uint32 // payload bytes sent, by the IP header, not the captured bytes
	LengthUnknown bool   // the lengths contradict each other; Length is the best guess

	IPID uint16 // IPv4 identification; 0 on IPv6
	TTL  uint8  // TTL or hop limit
	Wire uint32 // frame length on the wire, bytes

	// Options, valid as the Has… fields say.
	MSS           uint16 // 0: absent
	WindowScale   uint8  // RFC 7323, 0 to 14
	HasScale      bool
	SACKPermitted bool
	HasTimestamps bool
	TSVal, TSEcr  uint32
	SACK          [4]SACKBlock
	SACKCount     uint8
	FastOpen      bool   // RFC 7413 option present
	FastOpenLen   uint8  // cookie length, bytes; 0 asks for one
	MPTCP         bool   // RFC 8684 option present
	MPTCPSubtypes uint16 // bit n: subtype n present
	BadOptions    bool   // the option list is malformed; the rest of the header is good

	Checksum Checksum
	Quote    ICMPQuote
}

// Quoted reports whether the segment was only quoted by an ICMP error.
func (s *Segment) Quoted() bool { return s.Quote.Type != 0 }

// Has reports whether all the given flags are set.
func (s *Segment) Has(flags uint8) bool { return s.Flags&flags == flags }

// Span is the sequence space that the segment takes: payload, and one each for
// SYN and FIN (RFC 9293 section 3.4, SEG.LEN).
func (s *Segment) Span() uint32 {
	n := s.Length
	if s.Flags&FlagSYN != 0 {
		n++
	}
	if s.Flags&FlagFIN != 0 {
		n++
	}
	return n
}
