// Package quality says in a report's words what captures lacked: package
// capture counts it, and package report knows nothing of that one. The commands
// share it.
package quality

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report"
)

// Of tells the counts. What is known of the files is added by AddFiles.
func Of(q *capture.Quality) report.Quality {
	out := report.Quality{
		Frames: q.Frames, Segments: q.Segments, LinkTypes: q.UnknownLinkTypes(), Setback: report.Seconds(q.LargestSetback),
	}
	for _, link := range out.LinkTypes {
		out.Links = append(out.Links, report.Link{Number: link, Name: capture.LinkTypeName(link), Frames: q.LinkType[link]})
	}
	for _, s := range capture.Skips() {
		out.Skipped = appendCount(out.Skipped, s.String(), q.Skips(s))
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
	return out
}

func appendCount(list []report.Count, kind string, n uint64) []report.Count {
	if n == 0 {
		return list
	}
	return append(list, report.Count{Kind: kind, Count: n})
}

// AddFiles adds what is known of files that were read, the first of which has
// this number (from 1).
func AddFiles(out *report.Quality, first int, files []capture.FileInfo) {
	for i := range files {
		f := &files[i]
		out.Files = append(out.Files, facts(first+i, f))
		if f.HasDropped {
			out.Dropped = plus(out.Dropped, f.Dropped)
		}
		if f.Damage != nil {
			out.Damage = append(out.Damage, report.Problem{File: f.Path, Text: f.Damage.Error()})
		}
		for _, text := range f.Warnings {
			out.Warnings = append(out.Warnings, report.Problem{File: f.Path, Text: text})
		}
		for _, n := range f.Names {
			out.Names = append(out.Names, report.Name{IP: n.IP, Name: n.Name})
		}
	}
	slices.SortStableFunc(out.Names, func(a, b report.Name) int { return cmp.Or(a.IP.Compare(b.IP), cmp.Compare(a.Name, b.Name)) })
	out.Names = slices.Compact(out.Names)
	if more := len(out.Names) - toldNames; more > 0 {
		out.Names = out.Names[:toldNames]
		out.MoreNames += uint64(more)
	}
}

// toldNames is how many names of addresses a report holds.
const toldNames = 1 << 12

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
