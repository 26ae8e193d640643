package reassembly

import (
	"encoding/binary"
	"net/netip"
)

// FlowKey names a connection's tuple without direction: the innermost IP pair
// and ports, and what keeps tenants apart. A is the lower endpoint. It is
// comparable and holds no pointers.
type FlowKey struct {
	A, B         IP
	APort, BPort uint16
	V6           bool
	Scope        uint64 // tunnel ids, and the VLAN where the user asked for it; 0: none
}

// KeyOf makes the key that a Tracker with these Options gives a segment; swapped
// reports that the segment's source is B.
func KeyOf(s *Segment, o *Options) (k FlowKey, swapped bool) {
	k.V6, k.Scope = s.V6, o.scope(s)
	if swapped = isSwapped(s); swapped {
		k.A, k.B, k.APort, k.BPort = s.Dst, s.Src, s.DstPort, s.SrcPort
	} else {
		k.A, k.B, k.APort, k.BPort = s.Src, s.Dst, s.SrcPort, s.DstPort
	}
	return k, swapped
}

// isSwapped reports that the lower endpoint of a segment is its destination.
func isSwapped(s *Segment) bool {
	a, b := binary.BigEndian.Uint64(s.Src[8:]), binary.BigEndian.Uint64(s.Dst[8:])
	if s.V6 {
		if c, d := binary.BigEndian.Uint64(s.Src[:]), binary.BigEndian.Uint64(s.Dst[:]); c != d {
			return c > d
		}
	}
	return a > b || a == b && s.SrcPort > s.DstPort
}

// scope is what of a segment tells connections of the same tuple apart.
func (o *Options) scope(s *Segment) (scope uint64) {
	if !o.NoKeyTunnel {
		scope = s.Tunnel
	}
	if o.KeyVLAN {
		scope ^= uint64(s.VLAN) << 48
	}
	return scope
}

// addrPort gives one endpoint as net/netip knows it.
func addrPort(ip IP, port uint16, v6 bool) netip.AddrPort {
	a := netip.AddrFrom16(ip)
	if !v6 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, port)
}
