package screen

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// This file draws. Everything is cut to the terminal: no line wraps.

const (
	headLines  = 4 // title, clients, servers, TIME-WAIT
	tableLines = 1 // its header
	tailLines  = 2 // the chosen connection, the keys
)

// The colours are the terminal's own.
const (
	bold    = "1"
	dim     = "2"
	reverse = "7"
	red     = "31"
	yellow  = "33"
	cyan    = "36"
	green   = "32"
)

// paint colours text; where there is no colour, only the cursor's row is marked.
func (m *model) paint(code, text string) string {
	if !m.store.o.Color && code != reverse || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// fit makes plain text so wide, cut or padded.
func fit(text string, width int) string {
	n := utf8.RuneCountInString(text)
	if n <= width {
		return text + strings.Repeat(" ", width-n)
	}
	r := []rune(text)
	if width < 1 {
		return ""
	}
	return string(r[:width-1]) + "~"
}

// eventLines is how many findings are shown below the table.
func (m *model) eventLines() int { return min(max((m.height-headLines-tailLines)/4, 2), 10) }

// page is how many rows of the table fit.
func (m *model) page() int {
	return max(m.height-headLines-tableLines-tailLines-1-m.eventLines(), 1)
}

// View is part of tea.Model.
func (m *model) View() tea.View {
	if m.leaving {
		return tea.NewView("")
	}
	var lines []string
	switch {
	case m.help:
		lines = m.helpLines()
	case m.open && len(m.rows) > 0:
		lines = append([]string{m.title()}, m.lanes()...)
	default:
		lines = m.overview()
	}
	if len(lines) > m.height {
		lines = lines[:m.height]
	}
	v := tea.NewView(strings.Join(lines, "\n"))
	v.AltScreen = true
	v.WindowTitle = "finwait " + m.store.o.Title
	return v
}

func (m *model) title() string {
	s := &m.p.sample
	text := fmt.Sprintf("finwait %s  %d connections  %d packets", m.store.o.Title, s.Open, s.Packets)
	lost := s.Dropped + s.Missed
	switch {
	case lost > 0:
		text += fmt.Sprintf("  %d LOST", lost)
	default:
		text += "  0 lost"
	}
	if s.Unkept > 0 {
		text += fmt.Sprintf("  %d NOT KEPT", s.Unkept)
	}
	if s.Down {
		text += "  INTERFACE DOWN"
	}
	if m.paused {
		text += "  PAUSED"
	}
	if s.At != 0 {
		const date = len("2006-01-02T")
		text += "  " + s.At.String()[date:date+len("15:04:05")]
	}
	code := bold
	if lost+s.Unkept > 0 || s.Down {
		code = red
	}
	return m.paint(code, fit(text, m.width))
}

// sideLine counts one side's endpoints by state.
func (m *model) sideLine(side int) string {
	text := fmt.Sprintf("%-8s", []string{"clients", "servers"}[side])
	for state := range tcpstate.State(tcpstate.NumStates) {
		if n := m.p.states[side][state]; n > 0 {
			text += fmt.Sprintf("  %s %d", state, n)
		}
	}
	return fit(text, m.width)
}

func (m *model) holdersLine() string {
	text := fmt.Sprintf("TIME-WAIT %d, most %d", m.p.held, m.p.peak)
	type holder struct {
		host netip.Addr
		n    int64
	}
	var list []holder
	for h, n := range m.p.holders {
		list = append(list, holder{h, n})
	}
	slices.SortFunc(list, func(a, b holder) int { return cmp.Or(cmp.Compare(b.n, a.n), a.host.Compare(b.host)) })
	for i, h := range list {
		if i == 8 {
			break
		}
		text += fmt.Sprintf("  %s %d", h.host, h.n)
	}
	return fit(text, m.width)
}

func (m *model) overview() []string {
	lines := []string{m.title(), m.sideLine(0), m.sideLine(1), m.holdersLine()}
	c := m.columns()
	lines = append(lines, m.paint(bold, fit(c.header(), m.width)))
	page := m.page()
	for i := m.top; i < m.top+page; i++ {
		if i >= len(m.rows) {
			lines = append(lines, "")
			continue
		}
		l := m.rows[i]
		text := fit(c.row(l, m.p.sample.At, i == m.at), m.width)
		switch {
		case i == m.at:
			text = m.paint(reverse, text)
		default:
			text = m.paint(severityColor(worst(l)), text)
		}
		lines = append(lines, text)
	}
	lines = append(lines, m.paint(bold, fit(m.tableFoot(), m.width)))
	lines = append(lines, m.findings()...)
	lines = append(lines, fit(m.detail(), m.width), m.paint(dim, fit(m.keys(), m.width)))
	return lines
}

func severityColor(s reassembly.Severity) string {
	switch s {
	case reassembly.Error:
		return red
	case reassembly.Warning:
		return yellow
	case reassembly.Note:
		return cyan
	}
	return "0"
}

// columns are the widths of the table for the terminal at hand.
type columns struct {
	address, state, step int // step 0: no column
}

func (m *model) columns() columns {
	c := columns{address: 21, state: 11}
	// Cursor, two addresses and states, age, findings, and what stands between them.
	rest := m.width - (2 + 2*c.address + 2*c.state + 5 + 3 + 6)
	if rest >= 46 {
		c.address += 6
		rest -= 12
	}
	if rest >= 22 {
		c.step = rest - 2
	}
	return c
}

func (c columns) header() string {
	text := "  " + fit("CLIENT", c.address) + " " + fit("STATE", c.state) + " " + fit("SERVER", c.address) + " " + fit("STATE", c.state) + "   AGE  F"
	if c.step > 0 {
		text += "  LAST STEP"
	}
	return text
}

func (c columns) row(l *reassembly.Lifecycle, now report.Time, chosen bool) string {
	mark := "  "
	if chosen {
		mark = "> "
	}
	above := 0
	for i := range l.Findings {
		if l.Findings[i].Severity > reassembly.Info {
			above++
		}
	}
	found := "  "
	if above > 0 {
		found = fmt.Sprintf("%2d", min(above, 99))
	}
	text := mark + fit(l.Client.String(), c.address) + " " + fit(l.Endpoints[0].State.String(), c.state) + " " +
		fit(l.Server.String(), c.address) + " " + fit(l.Endpoints[1].State.String(), c.state) + " " +
		fmt.Sprintf("%5s", age(int64(now)-l.Start)) + " " + found
	if c.step > 0 {
		text += "  " + fit(lastStep(l), c.step)
	}
	return text
}

// age is short: 12s, 3m, 5h, 2d.
func age(ns int64) string {
	s := max(ns/1e9, 0)
	switch {
	case s < 120:
		return fmt.Sprintf("%ds", s)
	case s < 7200:
		return fmt.Sprintf("%dm", s/60)
	case s < 2*86400:
		return fmt.Sprintf("%dh", s/3600)
	}
	return fmt.Sprintf("%dd", s/86400)
}

// lastStep words the latest step of either endpoint.
func lastStep(l *reassembly.Lifecycle) string {
	var last *reassembly.Step
	for side := range l.Endpoints {
		h := l.Endpoints[side].History
		if n := len(h); n > 0 && (last == nil || h[n-1].At >= last.At) {
			last = &h[n-1]
		}
	}
	if last == nil || last.Event == "" {
		return ""
	}
	return last.Event + ", " + last.Evidence.String()
}

func (m *model) tableFoot() string {
	text := fmt.Sprintf("%d of %d shown, by %s", len(m.rows), len(m.p.rows), orderNames[m.order])
	if hidden := m.p.sample.Open - len(m.p.rows); hidden > 0 && len(m.p.rows) >= mostRows {
		text += fmt.Sprintf(", %d more did not fit", hidden)
	}
	if m.faulty {
		text += ", with findings"
	}
	if m.typing || m.filter != "" {
		text += ", filter: " + m.filter
		if m.typing {
			text += "_"
		} else if len(m.rows) == 0 {
			text += ", esc takes it off"
		}
	}
	return text
}

// findings are the latest, newest first.
func (m *model) findings() []string {
	n := m.eventLines()
	lines := make([]string, 0, n)
	for i := len(m.p.events) - 1; i >= 0 && len(lines) < n; i-- {
		e := &m.p.events[i]
		const date = len("2006-01-02T")
		text := e.at.String()[date:date+len("15:04:05")] + " "
		code := "0"
		switch e.severity {
		case "error":
			code = red
		case "warning":
			code = yellow
		case "note":
			code = cyan
		}
		if e.undone {
			text, code = text+"undone ", dim
		}
		text += fmt.Sprintf("%s (%d): %s", e.id, e.connection, e.detail)
		lines = append(lines, m.paint(code, fit(text, m.width)))
	}
	for len(lines) < n {
		text := ""
		if len(lines) == 0 {
			text = m.paint(green, fit("no findings so far", m.width))
		}
		lines = append(lines, text)
	}
	return lines
}

// detail tells the chosen connection's last step and findings, which a narrow
// table has no room for.
func (m *model) detail() string {
	if len(m.rows) == 0 {
		return ""
	}
	l := m.rows[m.at]
	text := fmt.Sprintf("%d: %s", l.ID, lastStep(l))
	for i := range l.Findings {
		if f := &l.Findings[i]; f.Severity > reassembly.Info {
			text += "; " + f.ID
			if m.store.o.Explain != nil {
				text += ": " + m.store.o.Explain(f.ID)
			}
		}
	}
	return text
}

func (m *model) keys() string {
	if m.typing {
		return "type a part of an address, a state or a finding; enter keeps it, esc drops it"
	}
	return "arrows choose  enter lanes  s sort  / filter  f findings  p pause  ? help  q end"
}

func (m *model) helpLines() []string {
	text := `up, down, k, j         choose a connection
page up, page down     a page further
home, end              first, last
enter                  its lanes: both endpoints' states, step by step
s                      sort by findings, age, state, packets, client
/                      filter: parts of addresses, states, findings; esc takes it off
f                      only connections with findings
p                      pause: the capture goes on, the screen stands still
q, ctrl+c              end the capture and print the report
?                      this help

F is how many findings above info a connection has.`
	lines := []string{m.title(), ""}
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, fit(line, m.width))
	}
	return lines
}

// lanes shows the chosen connection as the text report does.
func (m *model) lanes() []string {
	l := m.rows[m.at]
	var b strings.Builder
	if err := report.Describe(&b, l, report.TextOptions{All: true, Info: true, Color: m.store.o.Color, Width: m.width}); err != nil {
		return []string{err.Error()}
	}
	all := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
	room := max(m.height-2, 1)
	m.scroll = max(min(m.scroll, len(all)-room), 0)
	lines := make([]string, room+1)
	copy(lines, all[m.scroll:min(m.scroll+room, len(all))])
	lines[room] = m.paint(dim, fit("up/down scroll  enter or esc back  q back  ctrl+c quit", m.width))
	return lines
}
