package html

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/finwait/finwait/report"
)

// TestQuality: what the capture lacks and what its files are stands on the page,
// with a mark where it bears on the rest.
func TestQuality(t *testing.T) {
	n := uint64(5)
	s := &report.Summary{OneSided: 3, Quality: report.Quality{
		Frames: 1200, Segments: 1100, OneWay: 2, OneWayShare: 0.25, Acked: 4000, Unseen: 1000, UnseenShare: 0.25,
		LinkTypes: []uint32{147}, Links: []report.Link{{Number: 147, Name: "private use 0", Frames: 7}},
		Files: []report.FileFacts{{File: 1, Container: "pcapng", Version: "1.0", ByteOrder: "little-endian", Compression: "zstd", Sections: 2, Interfaces: 3,
			LinkTypes: []report.Link{{Number: 1, Name: "Ethernet"}}, SnapLen: 96, Packets: 1200, Received: &n, Dropped: &n, Comments: []string{"taken at the gateway"}, PacketComments: 1}},
		Names: []report.Name{{IP: netip.MustParseAddr("192.0.2.1"), Name: "a.example"}}, MoreNames: 9,
	}}
	var bad, good []string
	for _, l := range append(quality(s, nil), files([]report.CaptureFile{{File: 1, Name: "a.pcapng.zst"}}, s)...) {
		if l.Bad {
			bad = append(bad, l.Text)
		} else {
			good = append(good, l.Text)
		}
	}
	wantBad := []string{
		"Link types that cannot be read: 147 (private use 0), 7 frames.",
		"2 connections seen in one direction only, 25 % of all that were answered: what the other end did is inferred.",
		"1,000 bytes of the 4,000 that were acknowledged never captured (25 %).",
	}
	wantGood := []string{
		"1,200 frames, 1,100 of them TCP segments that were used.",
		"The capture does not say whether packets were dropped while it was made.",
		"a.pcapng.zst: pcapng 1.0 little-endian in zstd, 1,200 packets, Ethernet, at most 96 bytes of a packet, 2 sections, 3 interfaces, 5 received by the interfaces, 5 dropped, 1 comment on packets.",
		"a.pcapng.zst, comment: taken at the gateway",
		"Names that the capture gives to addresses: 192.0.2.1 a.example.",
	}
	for _, c := range []struct{ got, want []string }{{bad, wantBad}, {good, wantGood}} {
		if got, want := strings.Join(c.got, "\n"), strings.Join(c.want, "\n"); got != want {
			t.Errorf("the page says\n%s\nwant\n%s", got, want)
		}
	}
}
