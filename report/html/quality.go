package html

import (
	"fmt"
	"strings"

	"github.com/finwait/finwait/report"
)

// This file is what the page says of the capture itself.

// quality tells what the capture lacks, which is what bounds the rest.
func quality(s *report.Summary, points []report.Point) []qualityLine {
	q := &s.Quality
	list := []qualityLine{{fmt.Sprintf("%s, %s of them TCP segments that were used.", plural(q.Frames, "frame"), group(q.Segments)), false}}
	say := func(bad bool, format string, a ...any) {
		list = append(list, qualityLine{fmt.Sprintf(format, a...), bad})
	}
	if q.Interrupted {
		say(true, "Reading was stopped before the end of the capture.")
	}
	for _, p := range q.Damage {
		say(true, "Damaged: %s", p.Text)
	}
	for i := range points {
		p := &points[i]
		say(false, "%s: %s.", p.Name, p.Sentence(points[0].Name))
		for _, note := range p.Notes {
			say(true, "%s: %s.", p.Name, note)
		}
	}
	switch {
	case q.Dropped == nil:
		say(false, "The capture does not say whether packets were dropped while it was made.")
	case *q.Dropped > 0:
		say(true, "%s dropped while the capture was made: findings of lost packets are less sure.", plural(*q.Dropped, "packet"))
	default:
		say(false, "No packet was dropped while the capture was made.")
	}
	for _, c := range q.Skipped {
		say(false, "Left out, %s: %s.", strings.ReplaceAll(c.Kind, "-", " "), plural(c.Count, "frame"))
	}
	for _, c := range q.Marks {
		say(false, "Marked %s: %s.", strings.ReplaceAll(c.Kind, "-", " "), plural(c.Count, "frame"))
	}
	if len(q.Links) > 0 {
		words := make([]string, len(q.Links))
		for i, l := range q.Links {
			words[i] = fmt.Sprintf("%d (%s), %s", l.Number, l.Name, plural(l.Frames, "frame"))
		}
		say(true, "Link types that cannot be read: %s.", strings.Join(words, "; "))
	} else if len(q.LinkTypes) > 0 {
		say(true, "Link types that cannot be read: %s.", strings.Trim(fmt.Sprint(q.LinkTypes), "[]"))
	}
	if q.Setback > 0 {
		say(true, "The clock of the capture steps back, by %s at most.", span(q.Setback))
	}
	switch {
	case q.OneWay > 0:
		say(true, "%s seen in one direction only, %s of all that were answered: what the other end did is inferred.",
			plural(q.OneWay, "connection"), percent(q.OneWayShare))
	case s.OneSided > 0:
		say(false, "%s seen in one direction only: SYNs that nothing answered.", plural(s.OneSided, "connection"))
	}
	if q.Unseen > 0 {
		say(q.UnseenShare >= unseenBad, "%s of the %s that were acknowledged never captured (%s).",
			plural(q.Unseen, "byte"), group(q.Acked), percent(q.UnseenShare))
	}
	if s.RoleGuessed > 0 {
		say(false, "%s without a SYN: which end is the client is a guess.", plural(s.RoleGuessed, "connection"))
	}
	if s.Undetermined > 0 {
		say(true, "%s whose state the packets do not decide.", plural(s.Undetermined, "endpoint"))
	}
	if s.MPTCP > 0 {
		say(false, "%s of Multipath TCP: a FIN there does not end the connection.", plural(s.MPTCP, "subflow"))
	}
	for _, p := range q.Warnings {
		say(true, "%s", p.Text)
	}
	return list
}

// unseenBad is the share of bytes never captured from which it bears on the rest.
const unseenBad = 0.001

// percent is a share, 0 to 1.
func percent(share float64) string {
	if share > 0 && share < 0.0001 {
		return "below 0.01 %"
	}
	return fmt.Sprintf("%.3g %%", 100*share)
}

const toldTaps = 3 // pairs of hosts of which the page tells where the tap stands

// places says where the capture was made, as far as it is known.
func places(s *report.Summary) []qualityLine {
	var list []qualityLine
	for _, t := range s.Taps {
		if len(list) == toldTaps {
			break
		}
		text := ""
		switch t.Place {
		case "client":
			text = fmt.Sprintf("Captured at %s, a client of %s", t.Client, t.Server)
		case "server":
			text = fmt.Sprintf("Captured at %s, which serves %s", t.Server, t.Client)
		case "middle":
			text = fmt.Sprintf("Captured between %s and %s", t.Client, t.Server)
		default:
			continue
		}
		list = append(list, qualityLine{fmt.Sprintf("%s (%s).", text, plural(t.Connections, "connection")), false})
	}
	return list
}

const (
	toldFiles = 12 // files that the page describes
	toldNames = 40 // names of addresses
)

// files tells what each file is and what it says of itself.
func files(names []report.CaptureFile, s *report.Summary) []qualityLine {
	var list []qualityLine
	say := func(format string, a ...any) {
		list = append(list, qualityLine{fmt.Sprintf(format, a...), false})
	}
	q := &s.Quality
	for i := range q.Files {
		if i == toldFiles {
			say("%s more files.", group(len(q.Files)-toldFiles))
			break
		}
		f := &q.Files[i]
		name := fmt.Sprintf("File %d", f.File)
		if f.File >= 1 && f.File <= len(names) {
			name = names[f.File-1].Name
		}
		say("%s: %s.", name, describe(f))
		for _, c := range f.Comments {
			say("%s, comment: %s", name, c)
		}
	}
	var called []string
	for i, n := range q.Names {
		if i == toldNames {
			called = append(called, fmt.Sprintf("and %s more", group(uint64(len(q.Names)-toldNames)+q.MoreNames)))
			break
		}
		called = append(called, fmt.Sprintf("%s %s", n.IP, n.Name))
	}
	if len(called) > 0 {
		say("Names that the capture gives to addresses: %s.", strings.Join(called, ", "))
	}
	return list
}

// describe is a file in a few words.
func describe(f *report.FileFacts) string {
	kind := strings.TrimSpace(f.Container + " " + f.Version)
	if f.ByteOrder != "" {
		kind += " " + f.ByteOrder
	}
	if f.Compression != "" {
		kind += " in " + f.Compression
	}
	words := []string{kind, plural(f.Packets, "packet")}
	if f.Start != 0 {
		words = append(words, moment(f.Start)+" to "+moment(f.End))
	}
	for _, l := range f.LinkTypes {
		words = append(words, l.Name)
	}
	if f.SnapLen > 0 {
		words = append(words, fmt.Sprintf("at most %s of a packet", plural(uint64(f.SnapLen), "byte")))
	}
	if f.Sections > 1 {
		words = append(words, plural(uint64(f.Sections), "section"))
	}
	if f.Interfaces > 1 {
		words = append(words, plural(uint64(f.Interfaces), "interface"))
	}
	if f.Received != nil {
		words = append(words, group(*f.Received)+" received by the interfaces")
	}
	if f.Dropped != nil && *f.Dropped > 0 {
		words = append(words, group(*f.Dropped)+" dropped")
	}
	if f.PacketComments > 0 {
		words = append(words, plural(f.PacketComments, "comment")+" on packets")
	}
	return strings.Join(words, ", ")
}
