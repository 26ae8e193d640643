package screen

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file is what the keys do. view.go draws.

// order is how the rows are sorted.
type order int

const (
	byFindings order = iota
	byAge
	byState
	byPackets
	byClient
	numOrders
)

var orderNames = [numOrders]string{"findings", "age", "state", "packets", "client"}

type model struct {
	store   *Screen
	p       *picture
	rows    []*reassembly.Lifecycle // of the picture, chosen and sorted
	width   int
	height  int
	order   order
	filter  string
	typing  bool // the filter is being typed
	faulty  bool // only connections with findings
	paused  bool
	help    bool
	chosen  uint64 // id of the connection under the cursor
	at      int    // its row
	top     int    // first row shown
	open    bool   // its lanes are shown
	scroll  int    // first line of them
	leaving bool
}

func newModel(s *Screen) *model {
	return &model{store: s, p: &picture{}, width: 80, height: 24}
}

type drawMsg struct{}

func draw() tea.Cmd {
	return tea.Tick(drawEvery, func(time.Time) tea.Msg { return drawMsg{} })
}

// Init is part of tea.Model.
func (m *model) Init() tea.Cmd {
	m.refresh()
	return draw()
}

// Update is part of tea.Model.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case drawMsg:
		if !m.paused {
			m.refresh()
		}
		return m, draw()
	case tea.WindowSizeMsg:
		m.width, m.height = max(msg.Width, 20), max(msg.Height, 5)
		m.settle()
	case tea.KeyPressMsg:
		return m.key(msg)
	}
	return m, nil
}

// refresh takes a new picture of the store.
func (m *model) refresh() {
	m.p = m.store.picture()
	m.choose()
}

// choose picks and sorts the rows; the cursor stays on its connection.
func (m *model) choose() {
	words := strings.Fields(strings.ToLower(m.filter))
	for i, w := range words { // as --only has it
		words[i] = strings.TrimPrefix(strings.TrimPrefix(w, "state="), "finding=")
	}
	m.rows = m.rows[:0]
	for _, l := range m.p.rows {
		if m.faulty && worst(l) == reassembly.Info {
			continue
		}
		if len(words) > 0 && !matches(l, words) {
			continue
		}
		m.rows = append(m.rows, l)
	}
	slices.SortFunc(m.rows, func(a, b *reassembly.Lifecycle) int {
		return cmp.Or(m.order.compare(a, b), cmp.Compare(b.ID, a.ID))
	})
	if i := slices.IndexFunc(m.rows, func(l *reassembly.Lifecycle) bool { return l.ID == m.chosen }); i >= 0 {
		m.at = i
	}
	m.settle()
}

// matches: each word stands somewhere in the row.
func matches(l *reassembly.Lifecycle, words []string) bool {
	text := strings.ToLower(l.Client.String() + " " + l.Server.String() + " " + l.Endpoints[0].State.String() + " " + l.Endpoints[1].State.String())
	for i := range l.Findings {
		text += " " + l.Findings[i].ID
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// worst is the severity of a connection's worst finding, Info if it has none above.
func worst(l *reassembly.Lifecycle) (s reassembly.Severity) {
	for i := range l.Findings {
		s = max(s, l.Findings[i].Severity)
	}
	return s
}

func (o order) compare(a, b *reassembly.Lifecycle) int {
	switch o {
	case byFindings:
		return cmp.Compare(worst(b), worst(a))
	case byAge:
		return cmp.Compare(a.Start, b.Start)
	case byState:
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.Start, b.Start))
	case byPackets:
		return cmp.Compare(b.Packets, a.Packets)
	}
	return cmp.Or(a.Client.Compare(b.Client), a.Server.Compare(b.Server))
}

// rank puts the states in which connections get stuck before the ordinary ones.
func rank(l *reassembly.Lifecycle) int {
	list := []tcpstate.State{tcpstate.CloseWait, tcpstate.LastAck, tcpstate.Closing, tcpstate.FinWait1, tcpstate.FinWait2,
		tcpstate.SynSent, tcpstate.SynReceived, tcpstate.TimeWait, tcpstate.Established}
	best := len(list)
	for side := range l.Endpoints {
		if i := slices.Index(list, l.Endpoints[side].State); i >= 0 {
			best = min(best, i)
		}
	}
	return best
}

// key does what a key asks for.
func (m *model) key(k tea.KeyPressMsg) (tea.Model, tea.Cmd) {
	name := k.String()
	if name == "ctrl+c" {
		return m.leave()
	}
	if m.typing {
		m.typeFilter(name, k.Text)
		return m, nil
	}
	switch name {
	case "q":
		if m.open || m.help {
			m.open, m.help = false, false
			return m, nil
		}
		return m.leave()
	case "esc":
		if !m.open && !m.help {
			m.filter = ""
			m.choose()
		}
		m.open, m.help = false, false
	case "enter":
		if len(m.rows) > 0 {
			m.open, m.scroll, m.chosen = !m.open, 0, m.rows[m.at].ID
		}
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup":
		m.move(-m.page())
	case "pgdown", "space":
		m.move(m.page())
	case "home", "g":
		m.move(-1 << 30)
	case "end", "G":
		m.move(1 << 30)
	case "s":
		m.order = (m.order + 1) % numOrders
		m.choose()
	case "f":
		m.faulty = !m.faulty
		m.choose()
	case "p":
		m.paused = !m.paused
	case "/":
		m.typing = true
	case "?", "h":
		m.help = !m.help
	}
	return m, nil
}

func (m *model) leave() (tea.Model, tea.Cmd) {
	m.leaving = true
	return m, tea.Quit
}

func (m *model) typeFilter(name, text string) {
	switch name {
	case "enter":
		m.typing = false
	case "esc":
		m.typing, m.filter = false, ""
	case "backspace":
		_, n := utf8.DecodeLastRuneInString(m.filter)
		m.filter = m.filter[:len(m.filter)-n]
	case "ctrl+u":
		m.filter = ""
	default:
		m.filter += text
	}
	m.choose()
}

// move moves the cursor, or scrolls the lanes.
func (m *model) move(by int) {
	if m.open {
		m.scroll = max(m.scroll+by, 0)
		return
	}
	m.at += by
	m.settle()
	if len(m.rows) > 0 {
		m.chosen = m.rows[m.at].ID
	}
}

// settle keeps the cursor on a row and the row on the screen.
func (m *model) settle() {
	m.at = max(min(m.at, len(m.rows)-1), 0)
	page := m.page()
	if m.at < m.top {
		m.top = m.at
	}
	if m.at >= m.top+page {
		m.top = m.at - page + 1
	}
	m.top = max(min(m.top, len(m.rows)-page), 0)
}
