package report

import (
	"fmt"
	"slices"
	"strings"
)

// This file is what the text report says of a capture that lacks something: a
// line only where it bears on how far the rest can be believed.

const (
	oneWayTold  = 0.5   // share of connections
	unseenTold  = 0.001 // share of bytes
	unseenLeast = 2     // bytes: a FIN that was missed is told where it matters
	setbackTold = Seconds(nsPerSecond / 1000)
)

func (t *text) lacks(q *Quality) {
	if q.OneWayShare >= oneWayTold {
		t.row("", t.paint(yellow, fmt.Sprintf("%s of one direction only: what the other end did is inferred", plural(q.OneWay, "connection"))))
	}
	if q.UnseenShare >= unseenTold && q.Unseen >= unseenLeast {
		t.row("", t.paint(yellow, fmt.Sprintf("%.1f %% of the acknowledged bytes were never captured (%s of %s)",
			100*q.UnseenShare, thousands(q.Unseen), thousands(q.Acked))))
	}
	if q.Setback >= setbackTold {
		t.row("", t.paint(yellow, "time goes backwards, by up to "+span(q.Setback)))
	}
	for i := range q.Files {
		f := &q.Files[i]
		label := "comment"
		if len(q.Files) > 1 {
			label = fmt.Sprintf("comment %d", f.File)
		}
		for _, c := range slices.Compact(slices.Clone(f.Comments)) {
			t.row(label, clean(c))
		}
		if f.PacketComments > 0 {
			t.row(label, fmt.Sprintf("%s on packets", plural(f.PacketComments, "comment")))
		}
	}
}

// linkList names link types: 147 (private use 0).
func linkList(q *Quality) string {
	if len(q.Links) == 0 {
		return strings.Trim(fmt.Sprint(q.LinkTypes), "[]")
	}
	words := make([]string, len(q.Links))
	for i, l := range q.Links {
		words[i] = fmt.Sprintf("%d (%s)", l.Number, l.Name)
	}
	return strings.Join(words, ", ")
}
