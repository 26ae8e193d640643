package screen

import (
	"net/netip"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// press types keys: a rune is itself.
func press(t *testing.T, m *model, keys ...any) {
	t.Helper()
	for _, key := range keys {
		switch k := key.(type) {
		case string:
			for _, r := range k {
				m.key(tea.KeyPressMsg{Code: r, Text: string(r)})
			}
		case rune:
			m.key(tea.KeyPressMsg{Code: k})
		}
	}
}

// TestFilterAndLeave: the filter takes the words of --only, says how to be rid of
// it, and q closes what is open before it ends the capture.
func TestFilterAndLeave(t *testing.T) {
	s := New(Options{Title: "eth0", In: strings.NewReader(""), Out: &strings.Builder{}})
	for i, state := range []tcpstate.State{tcpstate.Established, tcpstate.CloseWait} {
		l := &reassembly.Lifecycle{ID: uint64(i) + 1, Client: netip.MustParseAddrPort("10.0.0.1:4000"), Server: netip.MustParseAddrPort("10.0.0.2:80")}
		l.Endpoints[1].State = state
		s.Changed(l)
	}
	s.Update(&report.Counts{}, &report.Sample{Open: 7}) // taken before
	m := newModel(s)
	m.refresh()
	if m.p.sample.Open != 2 {
		t.Errorf("the title says %d connections, the table has 2", m.p.sample.Open)
	}
	for filter, rows := range map[string]int{"state=CLOSE-WAIT": 1, "close-wait": 1, "10.0.0.2": 2, "finding=x": 0, "10.0.0.1 established": 1} {
		press(t, m, "/"+filter, tea.KeyEnter)
		if foot := m.tableFoot(); len(m.rows) != rows || !strings.Contains(foot, "filter: "+filter) || strings.Contains(foot, "esc takes it off") != (rows == 0) {
			t.Errorf("%s: %d rows, %q", filter, len(m.rows), foot)
		}
		if press(t, m, tea.KeyEscape); len(m.rows) != 2 {
			t.Errorf("%s: %d rows after esc", filter, len(m.rows))
		}
	}
	if press(t, m, "?q"); m.help || m.leaving {
		t.Error("q in the help ends more than the help")
	}
	if press(t, m, tea.KeyEnter, "q"); m.open || m.leaving {
		t.Error("q in the lanes ends more than them")
	}
	if press(t, m, "q"); !m.leaving {
		t.Error("q does not end the screen")
	}
}
