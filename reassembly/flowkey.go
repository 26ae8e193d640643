package reassembly

import (
	"bytes"
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
	c := bytes.Compare(s.Src[:], s.Dst[:])
	if c > 0 || c == 0 && s.SrcPort > s.DstPort {
		k = FlowKey{A: s.Dst, B: s.Src, APort: s.DstPort, BPort: s.SrcPort, V6: s.V6}
		swapped = true
	} else {
		k = FlowKey{A: s.Src, B: s.Dst, APort: s.SrcPort, BPort: s.DstPort, V6: s.V6}
	}
	if !o.NoKeyTunnel {
		k.Scope = s.Tunnel
	}
	if o.KeyVLAN {
		k.Scope ^= uint64(s.VLAN) << 48
	}
	return k, swapped
}

// addrPort gives one endpoint as net/netip knows it.
func addrPort(ip IP, port uint16, v6 bool) netip.AddrPort {
	a := netip.AddrFrom16(ip)
	if !v6 {
		a = a.Unmap()
	}
	return netip.AddrPortFrom(a, port)
}
