package report

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"net/netip"
)

// communityID is the Community ID, version 1 with seed 0, of a TCP connection:
// the id by which other programs know the same flow. It follows the Community
// ID Flow Hashing specification: SHA-1 of seed, addresses, protocol, a zero and
// ports in network byte order, the lower endpoint first.
func communityID(a, b netip.AddrPort) string {
	a = netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	b = netip.AddrPortFrom(b.Addr().Unmap().WithZone(""), b.Port())
	if !a.IsValid() || !b.IsValid() {
		return ""
	}
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	const seed, tcp = 0, 6
	var in [2 + 16 + 16 + 2 + 4]byte
	flow := binary.BigEndian.AppendUint16(in[:0], seed)
	for _, e := range [...]netip.AddrPort{a, b} {
		if e.Addr().Is4() {
			ip := e.Addr().As4()
			flow = append(flow, ip[:]...)
		} else {
			ip := e.Addr().As16()
			flow = append(flow, ip[:]...)
		}
	}
	flow = append(flow, tcp, 0)
	flow = binary.BigEndian.AppendUint16(flow, a.Port())
	flow = binary.BigEndian.AppendUint16(flow, b.Port())
	sum := sha1.Sum(flow)
	var out [2 + 28]byte
	return string(base64.StdEncoding.AppendEncode(append(out[:0], "1:"...), sum[:]))
}
