package capture

import (
	"encoding/binary"

	"github.com/finwait/finwait/reassembly"
)

// TCP option kinds, from the IANA registry.
const (
	optEnd           = 0
	optNop           = 1
	optMSS           = 2
	optWindowScale   = 3
	optSACKPermitted = 4
	optSACK          = 5
	optTimestamps    = 8
	optMPTCP         = 30
	optFastOpen      = 34
	optExperiment    = 254 // RFC 6994
	optExperiment2   = 253

	fastOpenMagic = 0xf989 // RFC 7413 section 4.1.1, the experimental form
	alignedStamps = 0x0101080a
)

// tcpOptions reads the options of a TCP header. A list that is malformed costs
// the options from there on, never the header. When the capture cut the list, an
// option that does not end is no fault of the sender.
func tcpOptions(b []byte, cut bool, seg *reassembly.Segment) {
	if len(b) == 12 && binary.BigEndian.Uint32(b) == alignedStamps { // what nearly every segment has
		seg.HasTimestamps = true
		seg.TSVal = binary.BigEndian.Uint32(b[4:])
		seg.TSEcr = binary.BigEndian.Uint32(b[8:])
		return
	}
	for len(b) > 0 {
		kind := b[0]
		if kind == optEnd {
			return
		}
		if kind == optNop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || int(b[1]) > len(b) {
			seg.BadOptions = seg.BadOptions || !cut || len(b) >= 2 && b[1] < 2
			return
		}
		n := int(b[1])
		if n < 2 {
			seg.BadOptions = true
			return
		}
		if !tcpOption(kind, b[2:n], seg) {
			seg.BadOptions = true
		}
		b = b[n:]
	}
}

// tcpOption reads one option and reports whether its length is what the option's
// RFC allows.
func tcpOption(kind byte, v []byte, seg *reassembly.Segment) bool {
	switch kind {
	case optMSS: // RFC 9293 section 3.7.1
		if len(v) != 2 {
			return false
		}
		seg.MSS = binary.BigEndian.Uint16(v)
	case optWindowScale: // RFC 7323 section 2.2
		if len(v) != 1 {
			return false
		}
		seg.HasScale = true
		seg.WindowScale = min(v[0], 14) // section 2.3: larger values count as 14
	case optSACKPermitted: // RFC 2018 section 2
		seg.SACKPermitted = len(v) == 0
		return len(v) == 0
	case optSACK:
		return sackOption(v, seg)
	case optTimestamps: // RFC 7323 section 3.2
		if len(v) != 8 {
			return false
		}
		seg.HasTimestamps = true
		seg.TSVal = binary.BigEndian.Uint32(v)
		seg.TSEcr = binary.BigEndian.Uint32(v[4:])
	case optFastOpen: // RFC 7413 section 4.1.1
		seg.FastOpen = true
		seg.FastOpenLen = uint8(len(v))
		return len(v) == 0 || len(v) >= 4 && len(v) <= 16 && len(v)%2 == 0
	case optExperiment, optExperiment2:
		if len(v) >= 2 && binary.BigEndian.Uint16(v) == fastOpenMagic {
			seg.FastOpen = true
			seg.FastOpenLen = uint8(len(v) - 2)
		}
	case optMPTCP: // RFC 8684 section 3
		if len(v) == 0 {
			return false
		}
		seg.MPTCP = true
		seg.MPTCPSubtypes |= 1 << (v[0] >> 4)
	}
	return true
}

// sackOption reads up to four blocks, RFC 2018 section 3.
func sackOption(v []byte, seg *reassembly.Segment) bool {
	if len(v) == 0 || len(v)%8 != 0 {
		return false
	}
	for len(v) >= 8 && int(seg.SACKCount) < len(seg.SACK) {
		seg.SACK[seg.SACKCount] = reassembly.SACKBlock{Left: binary.BigEndian.Uint32(v), Right: binary.BigEndian.Uint32(v[4:])}
		seg.SACKCount++
		v = v[8:]
	}
	return true
}
