package report

import (
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// What a capture lacks is told where it matters, and only there.
func TestTextTellsWhatIsMissing(t *testing.T) {
	fine := Quality{Frames: 9, Segments: 9, OneWay: 1, OneWayShare: 0.1, Acked: 1e6, Unseen: 1, UnseenShare: 1e-6, Setback: 10}
	bad := Quality{
		Frames: 9, LinkTypes: []uint32{147, 999}, Links: []Link{{147, "private use 0", 3}, {999, "link type 999", 6}},
		OneWay: 3, OneWayShare: 0.75, Acked: 2000, Unseen: 500, UnseenShare: 0.25, Setback: Seconds(2 * nsPerSecond),
		Files: []FileFacts{{File: 1, Comments: []string{"at the\x1b gateway", "at the\x1b gateway"}, PacketComments: 2}, {File: 2}},
	}
	for _, tt := range []struct {
		q     *Quality
		words []string
		lines int
	}{
		{&fine, []string{"9 frames, 9 TCP segments"}, 1},
		{&bad, []string{
			"link types not supported: 147 (private use 0), 999 (link type 999)", "3 connections of one direction only",
			"25.0 % of the acknowledged bytes were never captured (500 of 2,000)", "time goes backwards, by up to 2",
			"comment 1  at the", "2 comments on packets",
		}, 6},
	} {
		b := newText(nil, TextOptions{}, 0)
		b.quality(tt.q)
		got := strings.ReplaceAll(b.b.String(), glue, " ")
		for _, w := range tt.words {
			if !strings.Contains(got, w) {
				t.Errorf("no %q in\n%s", w, got)
			}
		}
		if strings.Count(got, "\n") != tt.lines || strings.Contains(got, "\x1b") {
			t.Errorf("%d lines wanted:\n%s", tt.lines, got)
		}
	}
}

// A SYN that nothing answered is no sign of a capture of one direction.
func TestOneWayAndUnseen(t *testing.T) {
	var totals Totals
	for _, l := range []reassembly.Lifecycle{
		{Open: reassembly.OpenUnanswered, OneSided: true},
		{Open: reassembly.OpenMidstream, OneSided: true},
		{Open: reassembly.OpenThreeWay},
	} {
		l.Endpoints[0].Stats.Acked, l.Endpoints[0].Stats.Unseen = 100, 25
		totals.Add(&l)
	}
	q := totals.Summary(Trace{}, 0).Quality
	if q.OneWay != 1 || q.OneWayShare != 0.5 || q.Acked != 300 || q.Unseen != 75 || q.UnseenShare != 0.25 {
		t.Errorf("%+v", q)
	}
}
