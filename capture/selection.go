package capture

import (
	"net/netip"

	"github.com/finwait/finwait/reassembly"
)

// Selection selects segments without libpcap, by what was decoded: so it looks
// inside tunnels, and at the quoted segment of an ICMP error. Each list that is
// not empty must have a match: an address, port or network matches when either
// end of the segment does.
type Selection struct {
	Hosts []netip.Addr
	Nets  []netip.Prefix
	Ports []PortRange
	VLANs []uint16 // outermost VLAN id; 0 selects frames without one
	Since int64    // ns since the Unix epoch, inclusive; 0: from the start
	Until int64    // exclusive; 0: to the end
}

// PortRange is an inclusive range of ports.
type PortRange struct{ Low, High uint16 }

// Match reports whether a segment is selected.
func (s *Selection) Match(seg *reassembly.Segment) bool {
	if s.Since != 0 && seg.Time < s.Since || s.Until != 0 && seg.Time >= s.Until {
		return false
	}
	return s.ports(seg) && s.vlan(seg) && s.addresses(seg)
}

func (s *Selection) ports(seg *reassembly.Segment) bool {
	for _, r := range s.Ports {
		if r.has(seg.SrcPort) || r.has(seg.DstPort) {
			return true
		}
	}
	return len(s.Ports) == 0
}

func (r PortRange) has(p uint16) bool { return r.Low <= p && p <= r.High }

func (s *Selection) vlan(seg *reassembly.Segment) bool {
	for _, v := range s.VLANs {
		if seg.VLAN == v {
			return true
		}
	}
	return len(s.VLANs) == 0
}

func (s *Selection) addresses(seg *reassembly.Segment) bool {
	if len(s.Hosts) == 0 && len(s.Nets) == 0 {
		return true
	}
	a, b := address(seg.Src, seg.V6), address(seg.Dst, seg.V6)
	host, net := len(s.Hosts) == 0, len(s.Nets) == 0
	for _, h := range s.Hosts {
		h = h.Unmap().WithZone("")
		host = host || h == a || h == b
	}
	for _, n := range s.Nets {
		net = net || n.Contains(a) || n.Contains(b)
	}
	return host && net
}

func address(ip reassembly.IP, v6 bool) netip.Addr {
	if v6 {
		return netip.AddrFrom16(ip)
	}
	return netip.AddrFrom4([4]byte(ip[12:]))
}
