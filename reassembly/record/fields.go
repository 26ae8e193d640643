package record

import (
	"encoding/binary"

	"github.com/finwait/finwait/reassembly"
)

// differences are the control bits of a segment's fields, given what its
// direction leads to expect.
func (d *side) differences(s *reassembly.Segment) uint64 {
	return on(s.Seq != d.seq, bitSeq) | on(s.Ack != d.ack, bitAck) | on(s.Window != d.window, bitWindow) |
		on(s.Flags != d.flags, bitFlags) | on(s.Length != 0, bitLength) | on(s.HasTimestamps, bitTimes) |
		on(s.IPID != d.nextID(), bitIPID) | on(s.Wire-s.Length != d.around, bitWire) | on(s.TTL != d.ttl, bitTTL) |
		on(s.Tag != d.tag || s.VLAN != d.vlan, bitPlace) | on(s.SACKCount != 0, bitSACK) |
		on(options(s) != 0, bitOptions) | on(rare(s) != 0, bitRare)
}

func options(s *reassembly.Segment) uint64 {
	return on(s.MSS != 0, optMSS) | on(s.HasScale || s.WindowScale != 0, optScale) | on(s.SACKPermitted, optSACKPermitted) |
		on(s.FastOpen || s.FastOpenLen != 0, optFastOpen) | on(s.MPTCP || s.MPTCPSubtypes != 0, optMPTCP)
}

func rare(s *reassembly.Segment) uint64 {
	return on(s.LengthUnknown, rareUnknownLength) | on(s.BadOptions, rareBadOptions) | on(s.Urgent != 0, rareUrgent) |
		on(s.Quote != reassembly.ICMPQuote{}, rareQuote) | on(s.Quote.V6, rareQuoteV6) | uint64(s.Checksum)<<rareChecksum
}

// fields appends what the control word announces.
func (e *Encoder) fields(control uint64, d *side, s *reassembly.Segment) {
	b := e.buf
	step := func(bit uint64, from, to uint32) {
		if control&bit != 0 {
			b = binary.AppendVarint(b, int64(int32(to-from)))
		}
	}
	step(bitSeq, d.seq, s.Seq)
	step(bitAck, d.ack, s.Ack)
	if control&bitWindow != 0 {
		b = binary.BigEndian.AppendUint16(b, s.Window)
	}
	if control&bitFlags != 0 {
		b = append(b, s.Flags)
	}
	if control&bitLength != 0 {
		b = binary.AppendUvarint(b, uint64(s.Length))
	}
	step(bitTimes, d.tsval, s.TSVal)
	step(bitTimes, d.tsecr, s.TSEcr)
	if control&bitIPID != 0 {
		b = binary.BigEndian.AppendUint16(b, s.IPID)
	}
	step(bitWire, d.around, s.Wire-s.Length)
	if control&bitTTL != 0 {
		b = append(b, s.TTL)
	}
	if control&bitPlace != 0 {
		b = binary.BigEndian.AppendUint32(b, s.Tag)
		b = binary.AppendUvarint(b, uint64(s.VLAN))
	}
	if control&bitSACK != 0 {
		b = append(b, s.SACKCount)
		for i := range min(int(s.SACKCount), len(s.SACK)) {
			b = binary.AppendVarint(b, int64(int32(s.SACK[i].Left-s.Ack)))
			b = binary.AppendVarint(b, int64(int32(s.SACK[i].Right-s.SACK[i].Left)))
		}
	}
	if control&bitOptions != 0 {
		b = appendOptions(b, s)
	}
	if control&bitRare != 0 {
		b = appendRare(b, s)
	}
	e.buf = b
}

func appendOptions(b []byte, s *reassembly.Segment) []byte {
	have := options(s)
	b = append(b, uint8(have))
	if have&optMSS != 0 {
		b = binary.BigEndian.AppendUint16(b, s.MSS)
	}
	if have&optScale != 0 {
		b = append(b, s.WindowScale, uint8(on(s.HasScale, 1)))
	}
	if have&optFastOpen != 0 {
		b = append(b, s.FastOpenLen, uint8(on(s.FastOpen, 1)))
	}
	if have&optMPTCP != 0 {
		b = append(binary.BigEndian.AppendUint16(b, s.MPTCPSubtypes), uint8(on(s.MPTCP, 1)))
	}
	return b
}

func appendRare(b []byte, s *reassembly.Segment) []byte {
	have := rare(s)
	b = append(b, uint8(have))
	if have&rareUrgent != 0 {
		b = binary.BigEndian.AppendUint16(b, s.Urgent)
	}
	if have&rareQuote != 0 {
		b = append(append(b, s.Quote.Type, s.Quote.Code), s.Quote.From[:]...)
	}
	return b
}
