package html

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file writes one connection in full: its report, and its ladder with the
// rows of segments as short arrays, a fifth of their ordinary JSON.

// detailOf is the JSON of a connection in full, made safe for the page.
func detailOf(b *report.Builder, points []report.Point, c *reassembly.Case, limit int, only func(*reassembly.Finding) bool) []byte {
	l := *c.Life
	l.Findings = nil
	for i := range c.Life.Findings {
		if only(&c.Life.Findings[i]) {
			l.Findings = append(l.Findings, c.Life.Findings[i])
		}
	}
	ladder := b.Ladder(&l, c.Segments())
	ladder.Points = points
	ladder.Rows = trim(ladder.Rows, limit)
	out := append([]byte(nil), `{"connection":`...)
	out = ladder.Connection.AppendJSON(out)
	out = append(out, `,"dropped":`...)
	out = strconv.AppendUint(out, ladder.Dropped, 10)
	if between := ladder.PointsBetween(); len(between) > 0 && ladder.Connection.Path != nil {
		out = append(append(out, `,"between":`...), appendJSON(nil, between)...)
	}
	if sentences := ladder.Connection.Path.Sentences(); len(sentences) > 0 {
		out = append(append(out, `,"path":`...), appendJSON(nil, sentences)...)
	}
	out = append(out, `,"rows":[`...)
	last := report.Seconds(0)
	for i := range ladder.Rows {
		r := &ladder.Rows[i]
		if i > 0 {
			out = append(out, ",\n"...)
		}
		if r.Kind != report.RowSegment {
			out = appendJSON(out, r)
			continue
		}
		out = appendSegment(out, ladder, r, r.Relative-last)
		last = r.Relative
	}
	return embeddable(append(out, "]}"...))
}

// extras are what few segments have.
type extras struct {
	File     int                 `json:"file,omitempty"`
	SACK     [][2]int64          `json:"sack,omitempty"`
	DSACK    bool                `json:"dsack,omitempty"`
	Kind     report.SegmentKind  `json:"kind,omitempty"`
	Original report.Number       `json:"original,omitzero"`
	Missed   bool                `json:"missed,omitempty"` // not received
	Lost     report.Where        `json:"lost,omitempty"`
	Delay    *report.Seconds     `json:"delay,omitempty"` // to the receiver's own capture
	Delayed  bool                `json:"delayed,omitempty"`
	Passed   [][2]int64          `json:"passed,omitempty"`  // points between both ends: place, and ns since it was sent
	LostAt   float64             `json:"lost_at,omitempty"` // how far it came, of 1
	Between  []string            `json:"between,omitempty"`
	Assumed  bool                `json:"assumed,omitempty"` // lost between them if the capture behind was running
	Why      string              `json:"why,omitempty"`
	Forged   bool                `json:"forged,omitempty"`
	Client   []report.LadderStep `json:"client,omitempty"`
	Server   []report.LadderStep `json:"server,omitempty"`
	Findings []int               `json:"findings,omitempty"`
	Cited    []int               `json:"cited,omitempty"`
}

// appendSegment writes [time after the segment before it in ns, packet, sender
// (0 client), flags, seq, sequence space, payload bytes, ack or null, window,
// tsval and tsecr or null, extras].
func appendSegment(b []byte, ladder *report.Ladder, r *report.LadderRow, after report.Seconds) []byte {
	s, between := r.Segment, ladder.PointsBetween()
	number := func(v int64) { b = append(strconv.AppendInt(b, v, 10), ',') }
	optional := func(v *uint32) {
		if v == nil {
			b = append(b, "null,"...)
		} else {
			number(int64(*v))
		}
	}
	b = append(b, '[')
	number(int64(after))
	number(int64(r.Packet))
	if r.From == report.SideName(reassembly.Server.String()) {
		number(1)
	} else {
		number(0)
	}
	b = append(appendJSON(b, s.Flags), ',')
	number(s.Seq)
	number(s.End - s.Seq)
	number(int64(s.Len))
	if s.Ack == nil {
		b = append(b, "null,"...)
	} else {
		number(*s.Ack)
	}
	number(int64(s.Window))
	optional(s.TSVal)
	optional(s.TSEcr)
	e := extras{File: r.File, SACK: s.SACK, DSACK: s.DSACK, Original: s.Original, Missed: !s.Received, Lost: s.Lost, Why: s.Why,
		Forged: s.Forged, Client: r.Client, Server: r.Server, Findings: r.Findings, Cited: r.Cited}
	if x := s.Crossing; x != nil {
		e.Between, e.Assumed = x.Between, x.Assumed
		if s.Lost != "" && len(between) > 0 { // else half way
			e.LostAt = ladder.LostAt(r)
		}
		for _, p := range x.Passed {
			e.Passed = append(e.Passed, [2]int64{int64(slices.Index(between, p.Point)), int64(p.At - r.At)})
		}
		if x.Arrived != 0 {
			e.Delay, e.Delayed = &x.Delay, x.Delayed
		}
	}
	if s.Kind != report.SegmentFresh {
		e.Kind = s.Kind
	}
	text := appendJSON(nil, e)
	if string(text) == "{}" {
		return append(b[:len(b)-1], ']')
	}
	return append(append(b, text...), ']')
}

// trim leaves out rows that show nothing but ordinary segments until at most
// limit are left, from the middle first: how a connection begins and ends is
// what it is looked at for.
func trim(rows []report.LadderRow, limit int) []report.LadderRow {
	if len(rows) <= limit {
		return rows
	}
	out := make([]report.LadderRow, 0, limit+limit/8)
	surplus := len(rows) - limit
	from := len(rows)/2 - surplus/2
	for i := range rows {
		r := &rows[i]
		inMiddle := i >= from && i < from+surplus
		if !inMiddle || len(r.Client)+len(r.Server)+len(r.Findings)+len(r.Cited) > 0 || r.Kind == report.RowOmitted {
			out = append(out, *r)
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].Kind == report.RowOmitted {
			out[last].Omitted++
			continue
		}
		out = append(out, report.LadderRow{Kind: report.RowOmitted, Relative: r.Relative, Omitted: 1})
	}
	return slices.Clip(out)
}

// appendJSON appends v. What goes into the page consists of plain values: there
// is nothing that could fail.
func appendJSON(b []byte, v any) []byte {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return append(b, "null"...)
	}
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}

// embeddable makes JSON safe inside a script element: outside its strings it has
// none of these characters, so each stands for itself as an escape.
func embeddable(text []byte) []byte {
	if !bytes.ContainsAny(text, "<>&\u2028\u2029") {
		return text
	}
	for _, c := range [...]struct{ from, to string }{
		{"<", `\u003c`}, {">", `\u003e`}, {"&", `\u0026`}, {"\u2028", `\u2028`}, {"\u2029", `\u2029`},
	} {
		text = bytes.ReplaceAll(text, []byte(c.from), []byte(c.to))
	}
	return text
}
