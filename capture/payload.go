package capture

import (
	"encoding/binary"
	"hash/crc32"
)

// payloadHashed is how many bytes of a payload PayloadHash looks at: few enough
// to be captured under any usual snaplen.
const payloadHashed = 24

// PayloadHash is a hash of the first 24 bytes of the payload of the segment that
// Decode gave last, or of the whole payload if it is shorter. It is 0 where there
// is no payload, where fewer bytes of it were captured, and where the header is
// not one of IPv4 or IPv6 with TCP behind it. Only who asks pays for it.
func (d *Decoder) PayloadHash() uint32 {
	b := d.innermost
	if len(b) < 20 {
		return 0
	}
	var total int
	switch b[0] >> 4 {
	case 4:
		total = int(binary.BigEndian.Uint16(b[2:]))
		n := int(b[0]&15) * 4
		if n < 20 || n > len(b) || total < n {
			return 0
		}
		b, total = b[n:], total-n
	case 6:
		if len(b) < 40 || b[6] != 6 {
			return 0
		}
		total = int(binary.BigEndian.Uint16(b[4:]))
		b = b[40:]
	default:
		return 0
	}
	if len(b) < 13 {
		return 0
	}
	n := int(b[12]>>4) * 4
	want := min(payloadHashed, total-n)
	if n < 20 || want <= 0 || len(b) < n+want {
		return 0
	}
	return crc32.ChecksumIEEE(b[n : n+want])
}
