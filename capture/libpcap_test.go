//go:build cgo && !nolibpcap

package capture

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/pcap"
)

// TestAgainstLibpcap compares our readers with libpcap, record by record. libpcap
// gives microseconds by default and cuts records to the snaplen.
func TestAgainstLibpcap(t *testing.T) {
	compared := 0
	dir := t.TempDir()
	for name, b := range corpusAndOwn(t) {
		if kind := detect(b); kind != formatPcap && kind != formatPcapng {
			continue
		}
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := pcap.OpenOffline(path)
		if err != nil {
			continue // refuses the file, or a block before the first packet
		}
		ours, _, _ := readAll(t, b)
		snap := h.SnapLen()
		for i := range ours {
			if snap > 0 && len(ours[i].data) > snap {
				ours[i].data = ours[i].data[:snap]
			}
		}
		var kept []got
		for _, f := range ours {
			if f.link != LinkNone {
				kept = append(kept, f)
			}
		}
		compareRecords(t, name, kept, func() (other, error) {
			data, ci, err := h.ReadPacketData()
			if err != nil && !errors.Is(err, io.EOF) {
				return other{}, io.ErrNoProgress
			}
			o := other{ci.Timestamp.UnixNano(), ci.Length, data}
			switch {
			case o.time == 0: // a simple packet block
				o.time = noTime
			case o.time < 0: // gopacket takes seconds for 32 bits with a sign
				o.time += 1e9 << 32
			}
			return o, err
		}, 1000)
		h.Close()
		compared++
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

func TestCompileFilter(t *testing.T) {
	eth := frameOf(LinkEthernet, ether(0x800, ipv4(6, tcp(nil, 9))))
	sll2 := frameOf(LinkSLL2, cat(unhex("0800 0000 00000003 0001 04 06 0000000000000000"), ipv4(6, tcp(nil, 9))))
	raw := frameOf(LinkRaw, ipv4(6, tcp(nil, 9)))
	cut := eth
	cut.WireLen = 1500
	tests := []struct {
		expr  string
		f     Frame
		match bool
	}{
		{"tcp port 80", eth, true},
		{"tcp port 81", eth, false},
		{"tcp port 80", sll2, true}, // compiled for 276, not for 20
		{"tcp port 81", sll2, false},
		{"tcp port 80", raw, true},
		{"host 192.0.2.1 and tcp[tcpflags] & tcp-push != 0", raw, true},
		{"not port 80", raw, false},
		{"portrange 70-90", eth, true},
		{"greater 1000", eth, false},
		{"greater 1000", cut, true}, // the length on the wire
		{"ether src 02:00:00:00:00:02", eth, true},
	}
	for _, tt := range tests {
		f, err := CompileFilter(tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.match(tt.f.LinkType, tt.f.Data, tt.f.WireLen); got != tt.match || f.Err() != nil {
			t.Errorf("%q on %s: %v, %v", tt.expr, LinkTypeName(tt.f.LinkType), got, f.Err())
		}
	}
	if _, err := CompileFilter("tcp prot 80"); !errors.Is(err, ErrFilter) || !strings.Contains(err.Error(), "tcp prot 80") {
		t.Errorf("%v", err)
	}
	f, err := CompileFilter("ether host 02:00:00:00:00:01")
	if err != nil {
		t.Fatal(err)
	}
	if f.match(LinkRaw, raw.Data, raw.WireLen) || !errors.Is(f.Err(), ErrFilter) {
		t.Errorf("an Ethernet address on raw IP: %v", f.Err())
	}
	if LibpcapVersion() == "" || !HasLibpcap {
		t.Error("no version of libpcap")
	}
}

// TestFilterAgainstLibpcap runs programs in our machine and in libpcap's.
func TestFilterAgainstLibpcap(t *testing.T) {
	exprs := []string{"tcp", "tcp port 80", "tcp and not port 22", "portrange 1000-2000", "vlan and tcp", "greater 100", "ip6",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "ip[0] & 0xf != 5", "net 10.0.0.0/8", "len % 2 = 1", "tcp[((tcp[12] & 0xf0) >> 2):1] = 71",
		"icmp or arp", "ether broadcast", "mpls", "pppoes", "ip proto 47", "not tcp", "less 64 or udp"}
	dir := t.TempDir()
	compiled := map[string]*Filter{}
	for _, expr := range exprs {
		f, err := CompileFilter(expr)
		if err != nil {
			t.Fatal(err)
		}
		compiled[expr] = f
	}
	for name, b := range corpusAndOwn(t) {
		if detect(b) != formatPcap || len(b) > 100000 {
			continue
		}
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		frames, r, err := readAll(t, b)
		if err != nil || r.Files()[0].LinkTypes[0] != LinkEthernet {
			continue
		}
		h, err := pcap.OpenOffline(path)
		if err != nil {
			continue
		}
		for _, expr := range exprs[len(name)%5:] {
			ours := compiled[expr]
			theirs, err := h.NewBPF(expr)
			if err != nil {
				t.Fatalf("%q: %v", expr, err)
			}
			for _, f := range frames[:min(len(frames), 50)] {
				if len(f.data) == 0 {
					continue // gopacket's wrapper takes the address of the first byte
				}
				a := ours.match(LinkEthernet, []byte(f.data), f.wire)
				ci := gopacket.CaptureInfo{CaptureLength: len(f.data), Length: int(f.wire)}
				if b := theirs.Matches(ci, []byte(f.data)); a != b {
					t.Errorf("%s: packet %d: %q: ours %v, libpcap's %v", name, f.number, expr, a, b)
				}
			}
		}
		h.Close()
	}
}
