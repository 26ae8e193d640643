package main

import (
	"net/netip"
	"slices"
	"strconv"

	"github.com/finwait/finwait/reassembly"
)

// This file is the selection of packets that needs no libpcap.

// filter is --host, --port and --net: values of one kind are alternatives, the
// kinds must all hold.
type filter struct {
	hosts []reassembly.IP
	ports []uint16
	nets  []netip.Prefix
	words []string
}

func (f *flags) filter() (*filter, error) {
	var x filter
	for _, h := range f.host {
		ip, err := netip.ParseAddr(h)
		if err != nil {
			return nil, usagef("--host: %q is not an IP address", h)
		}
		x.hosts = append(x.hosts, ip.As16())
		x.words = append(x.words, "host "+h)
	}
	for _, p := range f.port {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, usagef("--port: %q is not a port number", p)
		}
		x.ports = append(x.ports, uint16(n))
		x.words = append(x.words, "port "+p)
	}
	for _, n := range f.net {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return nil, usagef("--net: %q is not a network such as 10.0.0.0/8", n)
		}
		x.nets = append(x.nets, prefix.Masked())
		x.words = append(x.words, "net "+n)
	}
	return &x, nil
}

func (x *filter) empty() bool { return len(x.hosts)+len(x.ports)+len(x.nets) == 0 }

func (x *filter) match(s *reassembly.Segment) bool {
	if len(x.hosts) > 0 && !slices.Contains(x.hosts, s.Src) && !slices.Contains(x.hosts, s.Dst) {
		return false
	}
	if len(x.ports) > 0 && !slices.Contains(x.ports, s.SrcPort) && !slices.Contains(x.ports, s.DstPort) {
		return false
	}
	if len(x.nets) == 0 {
		return true
	}
	src, dst := netip.AddrFrom16(s.Src).Unmap(), netip.AddrFrom16(s.Dst).Unmap()
	return slices.ContainsFunc(x.nets, func(p netip.Prefix) bool { return p.Contains(src) || p.Contains(dst) })
}
