package capture

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// port80 is what 'tcpdump -ddd tcp port 80' prints for Ethernet.
const port80 = `20
40 0 0 12
21 0 6 34525
48 0 0 20
21 0 15 6
40 0 0 54
21 12 0 80
40 0 0 56
21 10 11 80
21 0 10 2048
48 0 0 23
21 0 8 6
40 0 0 20
69 6 0 8191
177 0 0 14
72 0 0 14
21 2 0 80
72 0 0 16
21 0 1 80
6 0 0 262144
6 0 0 0
`

func TestBytecode(t *testing.T) {
	for _, text := range []string{port80, strings.ReplaceAll(strings.TrimSpace(port80), "\n", ",")} {
		f, err := ParseBytecode(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			b    []byte
			want bool
		}{
			{ether(0x800, ipv4(6, tcp(nil, 0))), true},
			{ether(0x86dd, ipv6(6, tcp(nil, 0))), true},
			{ether(0x800, ipv4(17, udp(80, nil))), false},
			{ether(0x800, ipv4With(6, 7, 60, nil, tcp(nil, 20))), false},
			{ether(0x800, ipv4(6, tcp(nil, 0)))[:30], false},
			{nil, false},
		} {
			if got := f.match(LinkEthernet, tt.b, uint32(len(tt.b))); got != tt.want {
				t.Errorf("%x: %v", tt.b, got)
			}
		}
	}
	for name, text := range map[string]string{
		"empty":                    "",
		"count":                    "2\n6 0 0 0",
		"not a number":             "1\n6 0 x 0",
		"three numbers":            "1\n6 0 0",
		"jump out":                 "1\n21 1 0 5",
		"no return":                "1\n0 0 0 5",
		"division by zero":         "2\n52 0 0 0\n6 0 0 0",
		"memory":                   "2\n2 0 0 16\n6 0 0 0",
		"unknown code":             "2\n255 0 0 0\n6 0 0 0",
		"asks the kernel for more": "2\n48 0 0 4294963240\n6 0 0 0",
	} {
		if _, err := ParseBytecode(text); !errors.Is(err, ErrFilter) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFilterCounts(t *testing.T) {
	f, err := ParseBytecode("4\n40 0 0 12\n21 0 1 2048\n6 0 0 1\n6 0 0 0") // IPv4 only
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(DecoderOptions{Filter: f, Select: &Selection{Ports: []PortRange{{Low: 70, High: 90}}}})
	var seg reassembly.Segment
	for _, b := range [][]byte{ether(0x800, ipv4(6, tcp(nil, 0))), ether(0x86dd, ipv6(6, tcp(nil, 0))), ether(0x800, ipv4(17, udp(80, nil)))} {
		fr := frameOf(LinkEthernet, b)
		d.Decode(&fr, &seg)
	}
	if q := d.Quality(); q.Segments != 1 || q.Skips(SkipFiltered) != 1 || q.Skips(SkipNotTCP) != 1 {
		t.Errorf("%+v", q)
	}
}

// TestFilterInner: the program sees the packet in the tunnel, as raw IP.
func TestFilterInner(t *testing.T) {
	f, err := ParseBytecode("4\n48 0 0 9\n21 0 1 6\n6 0 0 1\n6 0 0 0") // IPv4 protocol 6
	if err != nil {
		t.Fatal(err)
	}
	inner := ether(0x800, ipv4(17, udp(4789, cat(unhex("08000000 00000100"), ether(0x800, ipv4(6, tcp(nil, 0)))))))
	for _, b := range [][]byte{inner, ether(0x800, ipv4(6, tcp(nil, 0)))} {
		d := NewDecoder(DecoderOptions{Filter: f, FilterInner: true})
		var seg reassembly.Segment
		fr := frameOf(LinkEthernet, b)
		if skip := d.Decode(&fr, &seg); skip != NotSkipped {
			t.Errorf("%q", skip)
		}
	}
}

// TestFilterInnerFragments: the program sees a packet put together.
func TestFilterInnerFragments(t *testing.T) {
	for name, tt := range map[string]struct {
		code   string
		frames [][]byte
	}{
		// Not a fragment, protocol 6, destination port 80.
		"IPv4": {"8\n40 0 0 6\n69 5 0 16383\n48 0 0 9\n21 0 3 6\n40 0 0 22\n21 0 1 80\n6 0 0 1\n6 0 0 0", fragments4(tcp(nil, 400), 8, 200)},
		"IPv6": {"6\n48 0 0 6\n21 0 3 6\n40 0 0 42\n21 0 1 80\n6 0 0 1\n6 0 0 0",
			[][]byte{ipv6(44, cat(unhex("0600 0001 00000007"), tcp(nil, 400)[:200])), ipv6(44, cat(unhex("0600 00c8 00000007"), tcp(nil, 400)[200:]))}},
	} {
		f, err := ParseBytecode(tt.code)
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(DecoderOptions{Filter: f, FilterInner: true})
		var seg reassembly.Segment
		for _, b := range tt.frames {
			fr := frameOf(LinkRaw, b)
			d.Decode(&fr, &seg)
		}
		if q := d.Quality(); q.Segments != 1 || q.Skips(SkipFiltered) != 0 {
			t.Errorf("%s: %+v", name, q)
		}
	}
}

func TestSelection(t *testing.T) {
	v4 := reassembly.Segment{Time: 100, Src: mapped([4]byte{10, 0, 0, 1}), Dst: mapped([4]byte{10, 0, 9, 2}), SrcPort: 41000, DstPort: 443, VLAN: 7}
	v6 := reassembly.Segment{Time: 100, V6: true, Src: reassembly.IP(v6a), Dst: reassembly.IP(v6b), SrcPort: 443, DstPort: 50000}
	addr, prefix := netip.MustParseAddr, netip.MustParsePrefix
	tests := []struct {
		name   string
		s      Selection
		v4, v6 bool
	}{
		{"nothing", Selection{}, true, true},
		{"source host", Selection{Hosts: []netip.Addr{addr("10.0.0.1")}}, true, false},
		{"destination host", Selection{Hosts: []netip.Addr{addr("10.0.9.2")}}, true, false},
		{"mapped host", Selection{Hosts: []netip.Addr{addr("::ffff:10.0.0.1")}}, true, false},
		{"IPv6 host", Selection{Hosts: []netip.Addr{addr("2001:db8::")}}, false, true},
		{"one of two hosts", Selection{Hosts: []netip.Addr{addr("1.1.1.1"), addr("10.0.0.1")}}, true, false},
		{"net", Selection{Nets: []netip.Prefix{prefix("10.0.9.0/24")}}, true, false},
		{"all of IPv6", Selection{Nets: []netip.Prefix{prefix("::/0")}}, false, true},
		{"host and net", Selection{Hosts: []netip.Addr{addr("10.0.0.1")}, Nets: []netip.Prefix{prefix("11.0.0.0/8")}}, false, false},
		{"port", Selection{Ports: []PortRange{{443, 443}}}, true, true},
		{"port range", Selection{Ports: []PortRange{{50000, 50010}}}, false, true},
		{"vlan", Selection{VLANs: []uint16{7}}, true, false},
		{"no vlan", Selection{VLANs: []uint16{0}}, false, true},
		{"since", Selection{Since: 100}, true, true},
		{"since later", Selection{Since: 101}, false, false},
		{"until", Selection{Until: 100}, false, false},
		{"until later", Selection{Until: 101}, true, true},
	}
	for _, tt := range tests {
		if a, b := tt.s.Match(&v4), tt.s.Match(&v6); a != tt.v4 || b != tt.v6 {
			t.Errorf("%s: %v %v, want %v %v", tt.name, a, b, tt.v4, tt.v6)
		}
	}
}

func TestErrNoLibpcap(t *testing.T) {
	if HasLibpcap {
		t.Skip("this build has libpcap")
	}
	_, err := CompileFilter("tcp")
	if !errors.Is(err, ErrNoLibpcap) || !strings.Contains(err.Error(), "--filter-bytecode") {
		t.Errorf("%v", err)
	}
}
