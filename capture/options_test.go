package capture

import (
	"testing"

	"github.com/finwait/finwait/reassembly"
)

func TestOptions(t *testing.T) {
	tests := []struct {
		name    string
		options string
		want    reassembly.Segment // only the option fields
	}{
		{"none", "", reassembly.Segment{}},
		{"of a SYN", "020405b4 0402 080a 00000001 00000000 01 030307", reassembly.Segment{MSS: 1460, SACKPermitted: true,
			HasTimestamps: true, TSVal: 1, HasScale: true, WindowScale: 7}},
		{"time stamps, aligned", "0101080a 00000005 00000006", reassembly.Segment{HasTimestamps: true, TSVal: 5, TSEcr: 6}},
		{"time stamps, not aligned", "080a 00000005 00000006 0101", reassembly.Segment{HasTimestamps: true, TSVal: 5, TSEcr: 6}},
		{"window scale above 14", "03030f 00", reassembly.Segment{HasScale: true, WindowScale: 14}},
		{"one SACK block", "0101 050a 00000001 00000002", reassembly.Segment{SACKCount: 1, SACK: [4]reassembly.SACKBlock{{Left: 1, Right: 2}}}},
		{"four SACK blocks", "0101 0522 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008",
			reassembly.Segment{SACKCount: 4, SACK: [4]reassembly.SACKBlock{{Left: 1, Right: 2}, {Left: 3, Right: 4}, {Left: 5, Right: 6}, {Left: 7, Right: 8}}}},
		{"fast open, request", "2202 0101", reassembly.Segment{FastOpen: true}},
		{"fast open, cookie", "220a 0102030405060708 0101", reassembly.Segment{FastOpen: true, FastOpenLen: 8}},
		{"fast open, experimental", "fe0c f989 0102030405060708", reassembly.Segment{FastOpen: true, FastOpenLen: 8}},
		{"another experiment", "fe04 e2d4", reassembly.Segment{}},
		{"multipath", "1e0c 00 81 0000000000000000 1e08 20 00 00000000", reassembly.Segment{MPTCP: true, MPTCPSubtypes: 1<<0 | 1<<2}},
		{"unknown option", "4d04 0000 020405b4", reassembly.Segment{MSS: 1460}},
		{"after the end of the list", "00020405 b4000000", reassembly.Segment{}},

		{"length 0", "020405b4 0500 0101", reassembly.Segment{MSS: 1460, BadOptions: true}},
		{"length 1", "020405b4 0501 0101", reassembly.Segment{MSS: 1460, BadOptions: true}},
		{"beyond the header", "020405b4 050a 0101", reassembly.Segment{MSS: 1460, BadOptions: true}},
		{"a kind without length", "01010102", reassembly.Segment{BadOptions: true}},
		{"MSS of length 3", "020305 01 030307 01", reassembly.Segment{BadOptions: true, HasScale: true, WindowScale: 7}},
		{"SACK of no block", "0502 0101", reassembly.Segment{BadOptions: true}},
		{"SACK of half a block", "0506 00000001 0101", reassembly.Segment{BadOptions: true}},
		{"multipath without subtype", "1e02 0101", reassembly.Segment{BadOptions: true}},
		{"time stamps of length 9", "0809 00000005 000000 010101", reassembly.Segment{BadOptions: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, skip, d := decodeOne(t, frameOf(LinkEthernet, ether(0x800, ipv4(6, tcp(unhex(tt.options), 9)))))
			if skip != NotSkipped {
				t.Fatalf("skipped: %s", skip)
			}
			checkSegment(t, &seg) // a bad option never loses the header
			if got := optionsOf(&seg); got != tt.want {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
			if q := d.Quality(); q.BadOptions == 1 != tt.want.BadOptions {
				t.Errorf("%d segments with bad options counted", q.BadOptions)
			}
		})
	}
}

func optionsOf(s *reassembly.Segment) reassembly.Segment {
	return reassembly.Segment{MSS: s.MSS, WindowScale: s.WindowScale, HasScale: s.HasScale, SACKPermitted: s.SACKPermitted,
		HasTimestamps: s.HasTimestamps, TSVal: s.TSVal, TSEcr: s.TSEcr, SACK: s.SACK, SACKCount: s.SACKCount,
		FastOpen: s.FastOpen, FastOpenLen: s.FastOpenLen, MPTCP: s.MPTCP, MPTCPSubtypes: s.MPTCPSubtypes, BadOptions: s.BadOptions}
}

// TestOptionsCut: a list that the snaplen cut is not the sender's fault.
func TestOptionsCut(t *testing.T) {
	whole := ether(0x800, ipv4(6, tcp(unhex("020405b4 0402 080a 00000001 00000000 01 030307"), 9)))
	for n := 14 + 20 + minTCP; n < len(whole); n++ {
		f := frameOf(LinkEthernet, whole)
		f.Data = whole[:n]
		seg, skip, d := decodeOne(t, f)
		if skip != NotSkipped || seg.BadOptions || seg.Seq != 100 || seg.Length != 9 {
			t.Errorf("%d bytes: %q %+v", n, skip, seg)
		}
		if cut := d.Quality().HeadersCut == 1; cut != (n < 14+20+40) {
			t.Errorf("%d bytes: header cut %v", n, cut)
		}
		if got, want := seg.MSS == 1460, n >= 14+20+24; got != want {
			t.Errorf("%d bytes: MSS %v", n, got)
		}
	}
}
