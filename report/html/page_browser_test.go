package html_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/finwait/finwait/report"
	page "github.com/finwait/finwait/report/html"
)

// This file looks at pages in a real browser. Every test ends by demanding that
// nothing was fetched and that the console is silent.

var several = []string{"close-client-first", "final-ack-lost-after-tap", "half-open-no-third-ack", "rst-abort-client",
	"data-lost-after-tap-sack", "ipv6-close", "syn-refused"}

func TestBrowserTable(t *testing.T) {
	b := open(t, merged(t, page.Options{}, several...))
	rows := func() float64 { return b.number(`document.querySelectorAll("#grid .rows .row").length`) }
	if n := rows(); n != float64(len(several)) {
		t.Fatalf("%v rows", n)
	}
	first := `document.querySelector("#grid .rows .row")`
	if text := b.text(first + ".textContent"); !strings.Contains(text, "warning") {
		t.Errorf("the worst is not first: %s", text)
	}
	b.fill("#filter-text", "fd00")
	b.wait(first + `.textContent.includes("[fd00::1]")`)
	if n := rows(); n != 1 {
		t.Errorf("%v rows match fd00", n)
	}
	b.click("#filter-clear")
	for _, c := range []struct {
		filter, value string
		want          float64
	}{{"finding", "final-ack-lost", 1}, {"state", "TIME-WAIT", 4}, {"open", "refused", 1}, {"close", "reset", 2}, {"severity", "warning", 2}, {"host", "10.0.0.1", 6}} {
		b.do(fmt.Sprintf(`const e = document.getElementById("filter-%s"); e.value = %q; e.dispatchEvent(new Event("change"))`, c.filter, c.value))
		if n := rows(); n != c.want {
			t.Errorf("filter %s %s: %v rows, want %v", c.filter, c.value, n, c.want)
		}
		b.click("#filter-clear")
	}
	b.click(".columnheader.packets button, [role=columnheader].packets button")
	if sorted := b.text(`document.querySelector("[role=columnheader].packets").getAttribute("aria-sort")`); sorted != "descending" {
		t.Errorf("sorted by packets: %s", sorted)
	}
	counts := b.text(`[...document.querySelectorAll("#grid .rows .cell.packets")].map((e) => Number(e.textContent)).join(" ")`)
	var before, n int
	for i, word := range strings.Fields(counts) {
		if _, err := fmt.Sscan(word, &n); err != nil || i > 0 && n > before {
			t.Errorf("not sorted by packets: %s", counts)
		}
		before = n
	}
	b.quiet()
}

func TestBrowserFindingLeadsToTable(t *testing.T) {
	b := open(t, merged(t, page.Options{}, several...))
	b.click(`[data-filter=finding][data-value="final-ack-lost"]`)
	if n := b.number(`document.querySelectorAll("#grid .rows .row").length`); n != 1 {
		t.Errorf("%v rows", n)
	}
	b.press(keyEnter) // the table has the focus
	b.wait(`location.hash === "#/connection/2" && !document.getElementById("connection").hidden`)
	b.press(keyEscape)
	b.wait(`document.getElementById("connection").hidden`)
	b.quiet()
}

func TestBrowserStepsByKeyboard(t *testing.T) {
	b := open(t, script(t, page.Options{}, "final-ack-lost-after-tap"))
	b.do(`document.getElementById("grid").focus()`)
	b.press(keyEnter)
	b.wait(`!document.getElementById("connection").hidden`)
	state := func(side string) string {
		return b.text(fmt.Sprintf(`document.querySelector(".diagram.%s .state").textContent`, side))
	}
	where := `document.getElementById("where").textContent`
	var path []string
	for b.text(where) != "11 of 11" {
		path = append(path, state("client")+"/"+state("server"))
		before := b.text(where)
		b.press(keyRight)
		if b.text(where) == before {
			t.Fatalf("the arrow key does not go on from %s", before)
		}
	}
	told := strings.Join(path, " ")
	for _, want := range []string{"nothing yet/LISTEN", "SYN-SENT/SYN-RECEIVED", "ESTABLISHED/ESTABLISHED", "FIN-WAIT-1/CLOSE-WAIT",
		"FIN-WAIT-2/CLOSE-WAIT", "TIME-WAIT/LAST-ACK", "TIME-WAIT/CLOSED TIME-WAIT/LAST-ACK"} {
		if !strings.Contains(told, want) {
			t.Errorf("the player does not show %s: %s", want, told)
		}
	}
	b.press(keyHome)
	if state("server") != "LISTEN" {
		t.Errorf("Home shows the server in %s", state("server"))
	}
	b.press(keyEnd)
	if state("client") != "TIME-WAIT" || state("server") != "CLOSED" {
		t.Errorf("End shows %s and %s", state("client"), state("server"))
	}
	b.press(keyLeft)
	if text := b.text(where); text != "10 of 11" {
		t.Errorf("the left arrow goes to %s", text)
	}
	b.click("#next")
	b.click("#play")
	b.wait(where + ` !== "11 of 11"`) // from the end it plays from the beginning
	if n := b.number(`document.querySelectorAll(".ladder .cross").length`); n != 1 {
		t.Errorf("%v lost segments in the ladder", n)
	}
	if n := b.number(`document.querySelectorAll(".ladder text.state.withdrawn").length`); n != 1 {
		t.Errorf("%v withdrawn steps in the ladder", n)
	}
	b.quiet()
}

func TestBrowserTheme(t *testing.T) {
	b := open(t, script(t, page.Options{}, "close-client-first"))
	defer b.do(`localStorage.clear()`) // the tabs share it
	ground := `getComputedStyle(document.body).backgroundColor`
	b.look(1400, 900, "light")
	light := b.text(ground)
	b.look(1400, 900, "dark")
	dark := b.text(ground)
	if light == dark {
		t.Errorf("the system's theme changes nothing: %s", light)
	}
	b.click("#theme")
	if got := b.text(ground); got != light {
		t.Errorf("the switch shows %s, not %s", got, light)
	}
	b.click("#theme")
	if got := b.text(ground); got != dark {
		t.Errorf("the switch shows %s, not %s", got, dark)
	}
	b.quiet()
}

func TestBrowserPhone(t *testing.T) {
	b := open(t, merged(t, page.Options{}, several...))
	b.look(390, 800, "light")
	for _, hash := range []string{"#/", "#/connection/2", "#/connection/5", "#/connections"} {
		b.do(`location.hash = "` + hash + `"`)
		b.wait(`document.documentElement.scrollWidth <= 390`)
	}
	b.quiet()
}

// TestBrowserEveryConnection opens every connection of a page and draws both
// directions of its graph.
func TestBrowserEveryConnection(t *testing.T) {
	names := []string{"open-simultaneous", "close-simultaneous-ack-lost", "fast-open", "midstream-data", "one-sided", "rst-forged-exact",
		"syn-refused-icmp", "keep-alive", "data-ack-lost-before-tap", "seq-wrap-data", "half-close-with-data", "duplicate-frame"}
	doc := merged(t, page.Options{}, names...)
	var meta struct {
		Full []uint64 `json:"full"`
	}
	block(t, doc, "meta", &meta)
	b := open(t, doc)
	for _, id := range meta.Full {
		b.do(fmt.Sprintf(`location.hash = "#/connection/%d"`, id))
		b.wait(`document.querySelectorAll(".ladder .ladder-row").length > 0 && document.querySelectorAll(".diagram").length === 2`)
		b.do(`for (const tab of document.querySelectorAll("[aria-label=Direction] button")) tab.click()`)
		b.press(keyEnd)
		hidden := `[...document.querySelectorAll(".ladder-row, .ladder-row *")].filter((e) => getComputedStyle(e).display === "none" || getComputedStyle(e).clipPath !== "none")`
		if n := b.number(hidden + ".length"); n != 0 {
			t.Errorf("connection %d: %v parts of the ladder cannot be seen", id, n)
		}
	}
	b.quiet()
}

// TestBrowserPaper prints an overview and a connection, and looks whether the page
// is as before.
func TestBrowserPaper(t *testing.T) {
	b := open(t, merged(t, page.Options{}, several...))
	for _, hash := range []string{"#/", "#/connection/2"} {
		b.do(`location.hash = "` + hash + `"`)
		before := b.text(`document.body.textContent.length`)
		if pdf := b.paper(); !strings.HasPrefix(string(pdf), "%PDF-") {
			t.Error("no PDF")
		}
		b.wait(`!document.getElementById("printed")`)
		if after := b.text(`document.body.textContent.length`); after != before {
			t.Errorf("%s: printing changes the page: %s characters, then %s", hash, before, after)
		}
	}
	b.quiet()
}

func TestBrowserHostileText(t *testing.T) {
	var files []report.CaptureFile
	for i, name := range hostile {
		files = append(files, report.CaptureFile{File: i + 1, Name: name})
	}
	b := open(t, script(t, page.Options{Capture: report.Capture{Files: files, Filter: hostile[0]}}, "close-client-first"))
	b.do(`location.hash = "#/connection/1"`)
	b.wait(`!document.getElementById("connection").hidden`)
	if n := b.number(`document.images.length`); n != 0 {
		t.Errorf("%v images", n)
	}
	b.quiet()
}

// TestBrowserManyConnections is the page of 100,000 connections: its size, how
// long it takes to open, and how the table copes.
func TestBrowserManyConnections(t *testing.T) {
	if testing.Short() {
		t.Skip("short: 100,000 connections")
	}
	doc := flood(t, 100_000)
	if len(doc) > 60<<20 {
		t.Errorf("the page has %d bytes", len(doc))
	}
	b := open(t, doc)
	t.Logf("%.1f MB, ready %.2f s after navigation", float64(len(doc))/1e6,
		b.number(`performance.getEntriesByType("navigation")[0].loadEventEnd / 1000`))
	if n := b.number(`document.querySelectorAll("#grid .rows .row").length`); n < 10 || n > 60 {
		t.Errorf("the table has %v elements for rows", n)
	}
	shown := `document.getElementById("shown").textContent`
	if text := b.text(shown); text != "100,000 connections" {
		t.Errorf("the table says %s", text)
	}
	b.fill("#filter-text", "syn-refused")
	b.wait(shown + ` === "2,000 of 100,000 connections"`)
	b.click("#filter-clear")
	b.click("[role=columnheader].duration button")
	b.do(`document.getElementById("grid").focus()`)
	b.press(keyEnd)
	b.wait(`document.getElementById("grid").getAttribute("aria-activedescendant") === "row-99999" && document.getElementById("row-99999")`)
	b.press(keyEnter)
	b.wait(`!document.getElementById("connection").hidden`)
	b.quiet()
}
