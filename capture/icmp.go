package capture

import (
	"encoding/binary"

	"github.com/google/gopacket/layers"

	"github.com/finwait/finwait/reassembly"
)

// ICMP errors quote the packet that caused them: its IP header and at least 8
// bytes (RFC 792), as much as fits (RFC 4443 section 2.4). Eight bytes of TCP are
// the ports and the sequence number, enough to know the connection.

const minQuote = 8

func (w *walk) icmp4() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	quote := reassembly.ICMPQuote{Type: w.b[0], Code: w.b[1], From: w.seg.Src}
	switch quote.Type {
	case layers.ICMPv4TypeDestinationUnreachable, layers.ICMPv4TypeSourceQuench, layers.ICMPv4TypeRedirect,
		layers.ICMPv4TypeTimeExceeded, layers.ICMPv4TypeParameterProblem:
	default:
		return SkipNotTCP
	}
	w.move(8)
	return w.quoted(quote)
}

func (w *walk) icmp6() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotTCP)
	}
	quote := reassembly.ICMPQuote{Type: w.b[0], Code: w.b[1], V6: true, From: w.seg.Src}
	if quote.Type == 0 || quote.Type > layers.ICMPv6TypeParameterProblem { // RFC 4443 section 2.1: errors are below 128, four are defined
		return SkipNotTCP
	}
	w.move(8)
	return w.quoted(quote)
}

// quoted reads the quoted packet. What is missing at its end is missing because
// the quote is short, which is no fault and no truncation by the capture.
func (w *walk) quoted(quote reassembly.ICMPQuote) Skip {
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 1 {
		return w.short(SkipNotTCP)
	}
	var proto layers.IPProtocol
	var length int
	var ok bool
	if w.b[0]>>4 == 6 {
		proto, length, ok = w.quotedIPv6()
	} else {
		proto, length, ok = w.quotedIPv4()
	}
	if !ok || proto != layers.IPProtocolTCP {
		return SkipNotTCP
	}
	b := w.b
	if len(b) < minQuote {
		return w.short(SkipNotTCP)
	}
	seg := w.seg
	seg.Quote = quote
	seg.SrcPort, seg.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	seg.Seq = binary.BigEndian.Uint32(b[4:])
	seg.LengthUnknown = true
	w.unsure = false
	if len(b) >= minTCP {
		seg.Ack, seg.Flags = binary.BigEndian.Uint32(b[8:]), b[13]
		if header := int(b[12]>>4) * 4; header >= 20 && header <= length {
			seg.Length, seg.LengthUnknown = uint32(length-header), false
			if len(b) >= 20 {
				seg.Window, seg.Urgent = binary.BigEndian.Uint16(b[14:]), binary.BigEndian.Uint16(b[18:])
				tcpOptions(b[20:min(header, len(b))], len(b) < header, seg)
			}
		}
	}
	return NotSkipped
}

// quotedIPv4 reads the header of a quoted packet: its protocol, and the length
// of what it carried.
func (w *walk) quotedIPv4() (layers.IPProtocol, int, bool) {
	b := w.b
	if len(b) < 20 || b[0]>>4 != 4 {
		return 0, 0, false
	}
	header, total := int(b[0]&0xf)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || len(b) < header || binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return 0, 0, false // a fragment without its head has no ports
	}
	seg := w.seg
	seg.V6, seg.IPID, seg.TTL = false, binary.BigEndian.Uint16(b[4:]), b[8]
	seg.Src, seg.Dst = mapped([4]byte(b[12:16])), mapped([4]byte(b[16:20]))
	w.move(header)
	return layers.IPProtocol(b[9]), total - header, true
}

func (w *walk) quotedIPv6() (layers.IPProtocol, int, bool) {
	b := w.b
	if len(b) < 40 {
		return 0, 0, false
	}
	seg := w.seg
	seg.V6, seg.IPID, seg.TTL = true, 0, b[7]
	seg.Src, seg.Dst = reassembly.IP(b[8:24]), reassembly.IP(b[24:40])
	next, length := layers.IPProtocol(b[6]), int(binary.BigEndian.Uint16(b[4:]))
	w.move(40)
	for {
		unit := 8
		switch next {
		case layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Destination, layers.IPProtocolIPv6Routing:
		case layers.IPProtocolAH:
			unit = 4
		case layers.IPProtocolIPv6Fragment:
			if len(w.b) < 8 || w.be16(2)>>3 != 0 {
				return 0, 0, false
			}
			unit = 0
		default:
			return next, length, true
		}
		if len(w.b) < 8 {
			return 0, 0, false
		}
		n := 8 + int(w.b[1])*unit
		next = layers.IPProtocol(w.b[0])
		if !w.move(n) {
			return 0, 0, false
		}
		length -= n
	}
}
