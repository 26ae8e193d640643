package capture

import (
	"encoding/binary"

	"github.com/finwait/finwait/reassembly"
)

// The TCP header, RFC 9293 section 3.1, as far as it was captured. wire is the
// length of header and payload by the IP header; b is what was captured of it.

const minTCP = 14 // ports, sequence numbers, header length, flags: less says too little

func (d *Decoder) tcp(b []byte, wire int, seg *reassembly.Segment) Skip {
	if len(b) < minTCP {
		if wire < 20 {
			return SkipTCPHeader
		}
		return SkipTruncated
	}
	header := int(b[12]>>4) * 4
	if header < 20 || header > wire {
		return SkipTCPHeader
	}
	seg.SrcPort = binary.BigEndian.Uint16(b)
	seg.DstPort = binary.BigEndian.Uint16(b[2:])
	seg.Seq = binary.BigEndian.Uint32(b[4:])
	seg.Ack = binary.BigEndian.Uint32(b[8:])
	seg.Flags = b[13]
	seg.Length = uint32(wire - header)
	if len(b) < header {
		d.cutHeader(b, seg)
	} else {
		seg.Window = binary.BigEndian.Uint16(b[14:])
		seg.Urgent = binary.BigEndian.Uint16(b[18:])
		if header > 20 {
			tcpOptions(b[20:header], false, seg)
			if seg.BadOptions {
				d.quality.BadOptions++
			}
		}
	}
	if d.opts.VerifyChecksums && len(b) == wire {
		d.verify(b, seg)
	}
	return NotSkipped
}

// cutHeader reads what a snaplen left of a header.
func (d *Decoder) cutHeader(b []byte, seg *reassembly.Segment) {
	d.quality.HeadersCut++
	if len(b) >= 16 {
		seg.Window = binary.BigEndian.Uint16(b[14:])
	}
	if len(b) >= 20 {
		seg.Urgent = binary.BigEndian.Uint16(b[18:])
		tcpOptions(b[20:], true, seg)
	}
}

func (d *Decoder) verify(b []byte, seg *reassembly.Segment) {
	if checksumGood(b, seg) {
		seg.Checksum = reassembly.ChecksumGood
		d.quality.ChecksumGood++
	} else {
		seg.Checksum = reassembly.ChecksumBad
		d.quality.ChecksumBad++
	}
}

// checksumGood adds up pseudo header, header and payload, RFC 9293 section 3.1
// and RFC 8200 section 8.1.
func checksumGood(b []byte, seg *reassembly.Segment) bool {
	sum := uint64(6) + uint64(len(b))
	if seg.V6 {
		sum += onesSum(seg.Src[:]) + onesSum(seg.Dst[:])
	} else {
		sum += onesSum(seg.Src[12:]) + onesSum(seg.Dst[12:])
	}
	sum += onesSum(b)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}

func onesSum(b []byte) uint64 {
	var sum uint64
	for len(b) >= 4 {
		v := binary.BigEndian.Uint32(b)
		sum += uint64(v>>16) + uint64(v&0xffff)
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}
