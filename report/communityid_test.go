package report

import (
	"net/netip"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// TestCommunityID has the TCP values of the specification's baseline.
func TestCommunityID(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"128.232.110.120:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
		{"[2001:470:e5bf:dead:4957:2174:e82c:4887]:63943", "[2607:f8b0:400c:c03::1a]:25", "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4="},
		// The same address at both ends: the ports decide.
		{"127.0.0.1:80", "127.0.0.1:41000", communityID(netip.MustParseAddrPort("127.0.0.1:41000"), netip.MustParseAddrPort("127.0.0.1:80"))},
		{"[::ffff:128.232.110.120]:34855", "66.35.250.204:80", "1:LQU9qZlK+B5F3KDmev6m5PMibrg="},
	} {
		a, b := netip.MustParseAddrPort(c.a), netip.MustParseAddrPort(c.b)
		for range 2 {
			if got := communityID(a, b); got != c.want {
				t.Errorf("%s and %s: got %s, want %s", a, b, got, c.want)
			}
			a, b = b, a
		}
	}
	if got := communityID(netip.AddrPort{}, netip.AddrPort{}); got != "" {
		t.Errorf("no addresses: got %q", got)
	}
}

// TestConnectionHasCommunityID: it is worked out when a connection is written,
// unless its Lifecycle brings one.
func TestConnectionHasCommunityID(t *testing.T) {
	l := finalACKLost()
	l.CommunityID = ""
	want := communityID(l.Client, l.Server)
	if got := new(Builder).Build(l).CommunityID; got != want || want == "" {
		t.Errorf("got %q, want %q", got, want)
	}
	l = &reassembly.Lifecycle{CommunityID: "1:x"}
	if got := new(Builder).Build(l).CommunityID; got != "1:x" {
		t.Errorf("got %q, want the Lifecycle's", got)
	}
}
