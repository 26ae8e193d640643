package capture

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// benchFile writes a capture of n Ethernet frames: three of four are ACKs with
// time stamps, the others carry 1400 bytes.
func benchFile(b *testing.B, n, snap int) string {
	b.Helper()
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, snap: 262144, link: LinkEthernet}
	for i := range n {
		payload := 0
		if i%4 == 3 {
			payload = 1400
		}
		data := ethernetTCP(uint16(i), uint32(i)*1000, payload)
		spec.records = append(spec.records, record{uint32(i / 1000), uint32(i % 1000 * 1000), uint32(min(len(data), snap)), uint32(len(data)), data[:min(len(data), snap)]})
	}
	path := filepath.Join(b.TempDir(), "bench.pcap")
	if err := os.WriteFile(path, spec.bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// ethernetTCP makes a frame with an ACK with time stamps and so many bytes of payload.
func ethernetTCP(id uint16, seq uint32, payload int) []byte {
	p := make([]byte, 14+20+32+payload)
	p[12], p[13] = 8, 0
	ip := p[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 6
	binary.BigEndian.PutUint16(ip[2:], uint16(52+payload))
	binary.BigEndian.PutUint16(ip[4:], id)
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	tcp := ip[20:]
	binary.BigEndian.PutUint16(tcp, 41000)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	tcp[12], tcp[13] = 0x80, 0x10
	binary.BigEndian.PutUint16(tcp[14:], 501)
	copy(tcp[20:], []byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2})
	return p
}

func BenchmarkRead(b *testing.B) {
	b.Run("headers", func(b *testing.B) { benchRead(b, 96, false) })
	b.Run("full", func(b *testing.B) { benchRead(b, 1<<16, false) })
	b.Run("pcapng", func(b *testing.B) {
		n := newNG(binary.LittleEndian).iface(LinkEthernet, 96)
		for i := range 100000 {
			n.packet(0, uint64(i), 66, string(ethernetTCP(uint16(i), 1, 0)))
		}
		path := filepath.Join(b.TempDir(), "bench.pcapng")
		if err := os.WriteFile(path, n.b, 0o600); err != nil {
			b.Fatal(err)
		}
		benchFileRead(b, path, false)
	})
}

func BenchmarkReadDecode(b *testing.B) {
	b.Run("headers", func(b *testing.B) { benchRead(b, 96, true) })
	b.Run("full", func(b *testing.B) { benchRead(b, 1<<16, true) })
}

func benchRead(b *testing.B, snap int, decode bool) {
	const packets = 100000
	benchFileRead(b, benchFile(b, packets, snap), decode)
}

func benchFileRead(b *testing.B, path string, decode bool) {
	d := NewDecoder(DecoderOptions{})
	var f Frame
	var seg reassembly.Segment
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		r, err := Open([]string{path}, Options{})
		if err != nil {
			b.Fatal(err)
		}
		for {
			if err := r.Next(&f); err != nil {
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				break
			}
			n++
			if decode {
				d.Decode(&f, &seg)
			}
		}
		r.Close()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/packet")
}

func BenchmarkDecode(b *testing.B) {
	for _, bench := range []struct {
		name string
		link uint32
		data []byte
	}{
		{"ethernet", LinkEthernet, ethernetTCP(1, 1, 0)},
		{"raw", LinkRaw, ethernetTCP(1, 1, 0)[14:]},
		{"null", LinkNull, cat([]byte{2, 0, 0, 0}, ethernetTCP(1, 1, 0)[14:])},
		{"vxlan", LinkEthernet, ether(0x800, ipv4(17, udp(4789, cat([]byte{8, 0, 0, 0, 0, 0, 7, 0}, ethernetTCP(1, 1, 0)))))},
	} {
		b.Run(bench.name, func(b *testing.B) {
			d := NewDecoder(DecoderOptions{})
			f := Frame{LinkType: bench.link, Data: bench.data, WireLen: uint32(len(bench.data))}
			var seg reassembly.Segment
			b.ReportAllocs()
			for b.Loop() {
				f.Time += 2e6
				if d.Decode(&f, &seg) != NotSkipped {
					b.Fatal("skipped")
				}
			}
		})
	}
}
