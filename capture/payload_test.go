package capture

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// A payload's hash is the same whatever surrounds it, and 0 where the captured
// bytes do not suffice for it.
func TestPayloadHash(t *testing.T) {
	payload := []byte("GET /index.html HTTP/1.1\r\nHost: example.org\r\n\r\n")
	tcp := make([]byte, 20)
	tcp[12], tcp[13] = 5<<4, 0x18
	v4 := func(body []byte) []byte {
		b := make([]byte, 20, 20+len(tcp)+len(body))
		b[0], b[8], b[9] = 0x45, 64, 6
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(tcp)+len(body)))
		return append(append(b, tcp...), body...)
	}
	v6 := func(body []byte) []byte {
		b := make([]byte, 40, 40+len(tcp)+len(body))
		b[0], b[6], b[7] = 0x60, 6, 64
		binary.BigEndian.PutUint16(b[4:], uint16(len(tcp)+len(body)))
		return append(append(b, tcp...), body...)
	}
	whole := crc32.ChecksumIEEE(payload[:payloadHashed])
	for _, c := range []struct {
		name string
		ip   []byte
		keep int // captured bytes; 0: all
		want uint32
	}{
		{"IPv4", v4(payload), 0, whole},
		{"IPv6", v6(payload), 0, whole},
		{"cut behind what is hashed", v4(payload), 64, whole},
		{"cut within it", v4(payload), 63, 0},
		{"short", v4([]byte("ok")), 0, crc32.ChecksumIEEE([]byte("ok"))},
		{"none", v4(nil), 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			frame := Frame{LinkType: LinkRaw, Data: c.ip, WireLen: uint32(len(c.ip))}
			if c.keep > 0 {
				frame.Data = c.ip[:c.keep]
			}
			d := NewDecoder(DecoderOptions{})
			var s reassembly.Segment
			if skip := d.Decode(&frame, &s); skip != NotSkipped {
				t.Fatalf("skipped: %v", skip)
			}
			if got := d.PayloadHash(); got != c.want {
				t.Errorf("got %#x, want %#x", got, c.want)
			}
		})
	}
}
