package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// This file chooses what of a ladder is drawn, and the words in which its text
// and its SVG say the same.

// PacketAt names a packet of a capture by its file, 0 where there is one only.
type PacketAt struct {
	File   int
	Number Number
}

// ParsePacketAt reads N, or FILE:N.
func ParsePacketAt(s string) (PacketAt, error) {
	file, number, several := strings.Cut(s, ":")
	if !several {
		file, number = "0", s
	}
	f, err := strconv.ParseUint(file, 10, 24)
	n, err2 := strconv.ParseUint(number, 10, 40)
	if err != nil || err2 != nil || n == 0 || several && f == 0 {
		return PacketAt{}, fmt.Errorf("%q is no packet number: N, or FILE:N where there are several files", s)
	}
	return PacketAt{int(f), Number(n)}, nil
}

// Between keeps the rows from one packet to another, and what lies between
// them; the zero PacketAt is the beginning or the end. What is left out is said.
func (d *Ladder) Between(from, to PacketAt) {
	first, last := 0, len(d.Rows)-1
	if from != (PacketAt{}) {
		first = d.index(from, len(d.Rows))
	}
	if to != (PacketAt{}) {
		last = d.index(PacketAt{to.File, to.Number + 1}, len(d.Rows)) - 1
	}
	keep := make([]bool, len(d.Rows))
	for i := max(first, 0); i <= last; i++ {
		keep[i] = true
	}
	d.keep(keep)
}

// index is the row of the first packet at or after p.
func (d *Ladder) index(p PacketAt, none int) int {
	for i := range d.Rows {
		r := &d.Rows[i]
		// A plain number is of the first file.
		file, want := max(r.File, 1), max(p.File, 1)
		if r.Kind == RowSegment && (file > want || file == want && r.Packet >= p.Number) {
			return i
		}
	}
	return none
}

// Limit keeps about n rows: those that tell most, then the first and the last.
// 0 keeps all.
func (d *Ladder) Limit(n int) {
	if n <= 0 || len(d.Rows) <= n {
		return
	}
	keep := make([]bool, len(d.Rows))
	left := n
	take := func(i int) {
		if !keep[i] && left > 0 {
			keep[i] = true
			left--
		}
	}
	// A few rows at either end show how it began and ended, whatever else there is.
	ends := max(n/5, 1)
	for i := range ends {
		take(i)
		take(len(d.Rows) - 1 - i)
	}
	for _, telling := range []func(*LadderRow) bool{(*LadderRow).tellsFinding, (*LadderRow).tellsStep} {
		for i := range d.Rows {
			if telling(&d.Rows[i]) {
				take(i)
			}
		}
	}
	// What stands beside them says what they were about.
	for i := range d.Rows {
		if d.Rows[i].tellsFinding() {
			for near := max(i-2, 0); near <= min(i+2, len(d.Rows)-1); near++ {
				take(near)
			}
		}
	}
	for i := 0; left > 0 && i < len(d.Rows); i++ {
		take(i)
		take(len(d.Rows) - 1 - i)
	}
	d.keep(keep)
}

func (r *LadderRow) tellsFinding() bool {
	return len(r.Findings) > 0 || r.Kind == RowUnseen || r.Segment != nil && (r.Segment.Lost != "" || r.Segment.Forged)
}

func (r *LadderRow) tellsStep() bool {
	return len(r.Client)+len(r.Server)+len(r.Cited) > 0 || r.Kind == RowTimeWait
}

// keep replaces each run of rows that are not kept by one that counts them and
// remembers the states reached.
func (d *Ladder) keep(keep []bool) {
	rows := make([]LadderRow, 0, len(d.Rows))
	for i := 0; i < len(d.Rows); i++ {
		if keep[i] {
			rows = append(rows, d.Rows[i])
			continue
		}
		var gone LadderRow
		gone.Kind = RowOmitted
		for ; i < len(d.Rows) && !keep[i]; i++ {
			gone.take(&d.Rows[i])
		}
		i--
		rows = append(rows, gone)
	}
	d.Rows = rows
}

func (r *LadderRow) take(o *LadderRow) {
	switch o.Kind {
	case RowSegment:
		r.Omitted++
		if r.Packet == 0 {
			r.Packet, r.File = o.Packet, o.File
		}
	case RowOmitted:
		r.Omitted += o.Omitted
	}
	r.Client = lastStanding(r.Client, o.Client)
	r.Server = lastStanding(r.Server, o.Server)
}

// lastStanding is the last step that was not withdrawn.
func lastStanding(so, more []LadderStep) []LadderStep {
	for i := range slices.Backward(more) {
		if !more[i].Withdrawn {
			return more[i : i+1 : i+1]
		}
	}
	return so
}

// words of the flags, in the order in which people say them.
var flagWords = map[rune]string{'S': "SYN", 'F': "FIN", 'R': "RST", 'P': "PSH", '.': "ACK", 'U': "URG", 'E': "ECE", 'W': "CWR"}

func (s *LadderSegment) flagWords(push bool) string {
	var words []string
	for _, letter := range s.Flags {
		if word, ok := flagWords[letter]; ok && (push || letter != 'P') {
			words = append(words, word)
		}
	}
	if len(words) == 0 {
		return s.Flags
	}
	return strings.Join(words, " ")
}

// numbers are the sequence numbers: 1:201 (200), or 201 where it carries no data.
func (s *LadderSegment) numbers(compact bool) string {
	if s.Kind == SegmentNext || s.Kind == SegmentPrevious {
		return "" // numbers of another incarnation say nothing here
	}
	text := ""
	switch {
	case s.Len > 0 && compact:
		text = fmt.Sprintf("%d:%d(%d)", s.Seq, s.Seq+int64(s.Len), s.Len)
	case s.Len > 0:
		text = fmt.Sprintf("%d:%d (%d)", s.Seq, s.Seq+int64(s.Len), s.Len)
	case strings.ContainsAny(s.Flags, "SFR") || s.Ack == nil:
		text = strconv.FormatInt(s.Seq, 10)
	}
	if s.Ack != nil {
		text = strings.TrimLeft(fmt.Sprintf("%s ack %d", text, *s.Ack), " ")
	}
	return text
}

// tag says what is odd about a segment in a word or two.
func (s *LadderSegment) tag() string {
	switch {
	case s.Forged:
		return "forged"
	case s.Lost != "" && s.Kind == SegmentRetransmission:
		return "again, lost"
	case s.Lost != "":
		return "lost"
	}
	switch s.Kind {
	case SegmentRetransmission:
		return "again"
	case SegmentDuplicateFrame:
		return "captured twice"
	case SegmentNetworkDuplicate:
		return "network copy"
	case SegmentLate:
		return "late"
	case SegmentKeepAlive:
		return "keep-alive"
	case SegmentNext:
		return "next connection"
	case SegmentPrevious:
		return "connection before"
	}
	return ""
}

// windowWords tells of a window that is closed.
func (s *LadderSegment) windowWords() string {
	if s.Window == 0 && !strings.Contains(s.Flags, "R") {
		return " win 0"
	}
	return ""
}

// labels are ways to write a segment on its arrow, the most telling first.
func (s *LadderSegment) labels() []string {
	head, tail := "", ""
	if tag := s.tag(); tag != "" {
		tail = ", " + tag
	}
	if s.Kind == SegmentQuoted {
		head = "ICMP error: "
	}
	words, full, compact := s.flagWords(false), s.numbers(false), s.numbers(true)
	if s.Name == "ACK" && s.Ack != nil && full != "" {
		return []string{head + s.flagWords(true) + " " + strings.TrimPrefix(full, "ack ") + s.windowWords() + tail, head + s.Flags}
	}
	join := func(parts ...string) string {
		return head + strings.TrimSpace(strings.Join(parts, " ")) + s.windowWords() + tail
	}
	list := []string{join(s.flagWords(true), full), join(words, full), join(words, compact), join(s.Flags, compact)}
	if s.Len > 0 {
		list = append(list, join(s.Flags, fmt.Sprintf("%d:%d(%d)", s.Seq, s.Seq+int64(s.Len), s.Len)), join(s.Flags, fmt.Sprintf("%d(%d)", s.Seq, s.Len)))
	}
	return append(list, join(s.Name), s.Flags)
}

// notes are the words about a row that are neither on its arrow nor in its lanes:
// always what matters, and with all set whatever is known.
func (r *LadderRow) notes(all bool) []string {
	var list []string
	if s := r.Segment; s != nil && s.Why != "" && !r.withdraws(s.Why) {
		if s.Forged {
			list = append(list, "not sent by the "+string(r.From)+": "+clean(s.Why))
		} else if s.Lost != "" {
			where := s.lostWhere()
			if s.Crossing == nil || !s.Crossing.Assumed { // else the place says it
				where += ": " + clean(strings.TrimPrefix(s.Why, "lost on the path: "))
			}
			list = append(list, where)
		}
	} else if s != nil && s.Lost == "" && s.Crossing != nil && len(s.Crossing.Between) > 0 {
		list = append(list, s.lostWhere())
	} else if s != nil && s.Crossing != nil && s.Crossing.Delayed {
		list = append(list, "delayed on the path")
	}
	if s := r.Segment; all && s != nil {
		if s.Original != 0 && s.Kind != SegmentFresh {
			list = append(list, fmt.Sprintf("the same as packet %d", s.Original))
		}
		for i, b := range s.SACK {
			what := "SACK"
			if i == 0 && s.DSACK {
				what = "D-SACK"
			}
			list = append(list, fmt.Sprintf("%s %d:%d", what, b[0], b[1]))
		}
	}
	list = slices.Concat(list, stepNotes("client", r.Client, all), stepNotes("server", r.Server, all))
	for _, c := range r.Comments {
		list = append(list, "comment: "+clean(c))
	}
	return list
}

// Remark puts the comments that a capture file has on packets at their rows.
func (d *Ladder) Remark(comments map[PacketAt][]string) {
	for i := range d.Rows {
		if r := &d.Rows[i]; r.Kind == RowSegment {
			r.Comments = comments[PacketAt{r.File, r.Packet}]
		}
	}
}

// withdraws reports whether a withdrawn step of the row tells the same.
func (r *LadderRow) withdraws(why string) bool {
	return slices.ContainsFunc(slices.Concat(r.Client, r.Server), func(s LadderStep) bool { return s.Withdrawn && s.Reason == why })
}

func stepNotes(side string, steps []LadderStep, all bool) []string {
	var list []string
	for i := range steps {
		s := laneStep{Step: steps[i].Step, withdrawn: steps[i].Withdrawn, refutedBy: steps[i].RefutedBy, reason: steps[i].Reason}
		words := s.extras()
		if !all {
			words = slices.DeleteFunc(words, func(w string) bool {
				return strings.HasPrefix(w, "confirmed by") || strings.HasPrefix(w, "packet only") || strings.HasPrefix(w, "trace ends")
			})
		}
		if len(words) > 0 {
			who := side
			if len(steps) > 1 {
				who += " " + string(s.State)
			}
			list = append(list, who+": "+strings.Join(words, ", "))
		}
	}
	return list
}

// middle is what stands between the lifelines of a row without a segment.
func (r *LadderRow) middle() string {
	switch r.Kind {
	case RowGap:
		return span(r.Gap) + " later"
	case RowOmitted:
		if r.Omitted == 0 {
			return ""
		}
		text := plural(uint64(r.Omitted), "packet") + " left out"
		if r.Packet != 0 {
			text += " from " + packetName(r.Packet, r.File) + " on"
		}
		return text
	case RowTimeWait:
		if !r.Left.InTimeWait {
			return "2MSL is over"
		}
		left := span(r.Left.Least)
		if r.Left.Least != r.Left.Most {
			left += " to " + span(r.Left.Most)
		}
		return "trace ends, " + left + " of 2MSL left"
	case RowStep:
		var words []string
		for _, steps := range [2][]LadderStep{r.Client, r.Server} {
			for _, s := range steps {
				if word := clean(s.Event); word != "" && !slices.Contains(words, word) {
					words = append(words, word)
				}
			}
		}
		return strings.Join(words, ", ")
	}
	return ""
}
