package reassembly

import (
	"encoding/binary"
	"math/bits"
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
	swapped = k.set(s, o)
	return k, swapped
}

// set is KeyOf into a key that exists. It goes by words of eight bytes, as a
// decoder stores an IPv4 address: what was stored in small pieces a processor is
// slow to load as a large one. And it does not branch on which endpoint is the
// lower one, which nothing foretells.
func (k *FlowKey) set(s *Segment, o *Options) (swapped bool) {
	srcHigh, srcLow := binary.BigEndian.Uint64(s.Src[:]), binary.BigEndian.Uint64(s.Src[8:])
	dstHigh, dstLow := binary.BigEndian.Uint64(s.Dst[:]), binary.BigEndian.Uint64(s.Dst[8:])
	_, above := bits.Sub64(uint64(s.DstPort), uint64(s.SrcPort), 0)
	_, above = bits.Sub64(dstLow, srcLow, above)
	_, above = bits.Sub64(dstHigh, srcHigh, above)
	high, low, port := (srcHigh^dstHigh)&-above, (srcLow^dstLow)&-above, (s.SrcPort^s.DstPort)&-uint16(above)
	binary.BigEndian.PutUint64(k.A[:], srcHigh^high)
	binary.BigEndian.PutUint64(k.A[8:], srcLow^low)
	binary.BigEndian.PutUint64(k.B[:], dstHigh^high)
	binary.BigEndian.PutUint64(k.B[8:], dstLow^low)
	k.APort, k.BPort = s.SrcPort^port, s.DstPort^port
	k.V6, k.Scope = s.V6, o.scope(s)
	return above != 0
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
