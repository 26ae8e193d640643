package main

import (
	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report"
)

// This file is what a report tells of its captures once they were read.

// trace sums up the capture itself.
func (a *analysis) trace() report.Trace {
	q := a.quality()
	out := report.Quality{
		Frames: q.Frames, Segments: q.Segments - a.filtered, LinkTypes: q.UnknownLinkTypes(),
		Setback: report.Seconds(q.LargestSetback), Interrupted: a.interrupted,
	}
	for _, link := range out.LinkTypes {
		out.Links = append(out.Links, report.Link{Number: link, Name: capture.LinkTypeName(link), Frames: q.LinkType[link]})
	}
	for _, s := range capture.Skips() {
		n := q.Skips(s)
		if s == capture.SkipFiltered {
			n += a.filtered
		}
		out.Skipped = appendCount(out.Skipped, s.String(), n)
	}
	for _, m := range []report.Count{
		{Kind: "cut-by-snaplen", Count: q.Cut}, {Kind: "header-cut", Count: q.HeadersCut},
		{Kind: "length-unknown", Count: q.LengthUnknown}, {Kind: "bad-options", Count: q.BadOptions},
		{Kind: "bad-checksum", Count: q.ChecksumBad}, {Kind: "duplicate", Count: q.Duplicates},
		{Kind: "time-backwards", Count: q.TimeBackwards}, {Kind: "tunnelled", Count: q.Tunnelled},
		{Kind: "reassembled", Count: q.Reassembled}, {Kind: "quoted-by-icmp", Count: q.Quoted},
		{Kind: "aggregate-of-several", Count: q.Aggregates}, {Kind: "further-in-aggregate", Count: q.Further},
	} {
		out.Marks = appendCount(out.Marks, m.Kind, m.Count)
	}
	files := a.in.Files()
	for i := range files {
		f := &files[i]
		out.Files = append(out.Files, facts(i+1, f))
		if f.HasDropped {
			out.Dropped = plus(out.Dropped, f.Dropped)
		}
		// Standard input that was interrupted was not damaged.
		if f.Damage != nil && (!a.interrupted || f.Path != "-") {
			out.Damage = append(out.Damage, report.Problem{File: f.Path, Text: f.Damage.Error()})
		}
		for _, text := range f.Warnings {
			out.Warnings = append(out.Warnings, report.Problem{File: f.Path, Text: text})
		}
	}
	if text := a.choice.problem(); text != "" {
		out.Warnings = append(out.Warnings, report.Problem{File: "--filter", Text: text})
	}
	return report.Trace{Start: a.first, End: a.last, Quality: out}
}

func appendCount(list []report.Count, kind string, n uint64) []report.Count {
	if n == 0 {
		return list
	}
	return append(list, report.Count{Kind: kind, Count: n})
}

// facts is what is known of one file.
func facts(number int, f *capture.FileInfo) report.FileFacts {
	out := report.FileFacts{
		File: number, Container: f.Container, Compression: f.Compression, Version: f.Version, ByteOrder: f.ByteOrder,
		SnapLen: f.SnapLen, Packets: f.Packets, Comments: f.Comments, PacketComments: f.Commented,
	}
	if f.Sections > 1 {
		out.Sections = f.Sections
	}
	if len(f.Interfaces) > 1 {
		out.Interfaces = len(f.Interfaces)
	}
	for i := range f.Interfaces {
		in := &f.Interfaces[i]
		out.UnitsPerSecond = max(out.UnitsPerSecond, in.Resolution)
		if in.HasReceived {
			out.Received = plus(out.Received, in.Received)
		}
	}
	for _, link := range f.LinkTypes {
		out.LinkTypes = append(out.LinkTypes, report.Link{Number: link, Name: capture.LinkTypeName(link)})
	}
	if f.Packets > 0 {
		out.Start, out.End = report.Time(f.FirstTime), report.Time(f.LastTime)
	}
	if f.HasDropped {
		out.Dropped = plus(nil, f.Dropped)
	}
	return out
}

// plus adds to a sum that may not be there yet.
func plus(sum *uint64, n uint64) *uint64 {
	if sum == nil {
		sum = new(uint64)
	}
	*sum += n
	return sum
}
