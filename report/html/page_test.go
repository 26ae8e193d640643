package html_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/report"
	page "github.com/finwait/finwait/report/html"
)

// block is the JSON of one block of data.
func block(t testing.TB, doc []byte, id string, into any) {
	t.Helper()
	_, rest, ok := bytes.Cut(doc, []byte(`<script type="application/json" id="`+id+`">`))
	if !ok {
		t.Fatalf("the page has no block %s", id)
	}
	text, _, _ := bytes.Cut(rest, []byte("</script>"))
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("block %s: %v", id, err)
	}
}

func TestSameBytesOnEveryRun(t *testing.T) {
	names := []string{"final-ack-lost-after-tap", "data-lost-after-tap-sack", "open-simultaneous", "rst-abort-client", "half-open-no-third-ack"}
	first := merged(t, page.Options{}, names...)
	for range 3 {
		if !bytes.Equal(first, merged(t, page.Options{}, names...)) {
			t.Fatal("two runs gave different pages")
		}
	}
}

// TestEveryScript makes the page of every script, and looks whether its blocks
// are JSON and tell of the same connections.
func TestEveryScript(t *testing.T) {
	for _, name := range fixtures.Scripts() {
		t.Run(name, func(t *testing.T) {
			doc := script(t, page.Options{}, name)
			var meta struct {
				Full    []uint64       `json:"full"`
				Summary report.Summary `json:"summary"`
				Rules   map[string]any `json:"rules"`
			}
			block(t, doc, "meta", &meta)
			var rows map[string]any
			block(t, doc, "rows", &rows)
			if n := rows["count"]; n != float64(meta.Summary.Connections) {
				t.Errorf("%v rows for %d connections", n, meta.Summary.Connections)
			}
			for column, list := range rows {
				if l, ok := list.([]any); ok && len(l) != int(meta.Summary.Connections) {
					t.Errorf("column %s has %d rows", column, len(l))
				}
			}
			if len(meta.Full) != int(meta.Summary.Connections) {
				t.Errorf("%d of %d connections are in full", len(meta.Full), meta.Summary.Connections)
			}
			for _, id := range meta.Full {
				var detail struct {
					Connection report.Connection `json:"connection"`
					Rows       []any             `json:"rows"`
				}
				block(t, doc, fmt.Sprintf("c-%d", id), &detail)
				if detail.Connection.ID != id || len(detail.Rows) == 0 {
					t.Errorf("block of connection %d tells of %d, in %d rows", id, detail.Connection.ID, len(detail.Rows))
				}
				for _, f := range detail.Connection.Findings {
					if meta.Rules[string(f.ID)] == nil {
						t.Errorf("%s is not explained", f.ID)
					}
				}
			}
		})
	}
}

// hostile are names that mean something in HTML, in scripts, or in JSON.
var hostile = []string{
	`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `<!--<script>`, `javascript:alert(1)`,
	"line\u2028and\u2029end", `&lt;b&gt;`, `'+alert(1)+'`, "{{.Title}}", "nul\x00\x1b[31mred", "\xff\xfe",
}

func TestHostileTextStaysText(t *testing.T) {
	for _, name := range hostile {
		o := page.Options{Capture: report.Capture{Files: []report.CaptureFile{{File: 1, Name: name}}, Filter: name}}
		doc := script(t, o, "close-client-first")
		if n := bytes.Count(doc, []byte("<script")); n != 5 { // three blocks, one connection, one program
			t.Errorf("%q: %d script elements", name, n)
		}
		if bytes.Contains(doc, []byte("<img")) || bytes.Contains(doc, []byte("<!--")) {
			t.Errorf("%q: it reached the page as it is", name)
		}
		_, data, _ := bytes.Cut(doc, []byte("<script type"))
		if bytes.ContainsAny(data, "\u2028\u2029") {
			t.Errorf("%q: a line separator of JavaScript is in the data", name)
		}
		var meta struct {
			Capture report.Capture `json:"capture"`
		}
		block(t, doc, "meta", &meta)
		if want := strings.ToValidUTF8(name, "\ufffd\ufffd"); meta.Capture.Filter != name && !strings.HasPrefix(want, "\ufffd") {
			t.Errorf("%q: the data say %q", name, meta.Capture.Filter)
		}
	}
}

// TestPolicyNamesWhatIsThere holds the content security policy against the style
// and the script that the page has.
func TestPolicyNamesWhatIsThere(t *testing.T) {
	doc := script(t, page.Options{}, "close-client-first")
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindSubmatch(doc)
	if policy == nil {
		t.Fatal("no policy")
	}
	words := html.UnescapeString(string(policy[1]))
	for _, element := range []string{"style", "script"} {
		body := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(doc)
		if body == nil {
			t.Fatalf("no %s", element)
		}
		sum := sha256.Sum256(body[1])
		if want := fmt.Sprintf("%s-src 'sha256-%s'", element, base64.StdEncoding.EncodeToString(sum[:])); !strings.Contains(words, want) {
			t.Errorf("the policy %s lacks %s", words, want)
		}
	}
	if !strings.HasPrefix(words, "default-src 'none'") || strings.Contains(words, "unsafe") {
		t.Errorf("the policy is loose: %s", words)
	}
	for _, sign := range []string{"http://", "https://", "@import", "url(", "<link rel=\"style", "innerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		text := strings.ReplaceAll(string(doc), `"http://www.w3.org/2000/svg"`, "") // a name, not an address
		text = strings.ReplaceAll(text, "`url(#${id})`", "")                        // within the page
		if strings.Contains(text, sign) {
			t.Errorf("the page has %s", sign)
		}
	}
}

// TestBounds: of many connections the worst are in full, and the page says what
// it leaves out.
func TestBounds(t *testing.T) {
	o := page.Options{Full: 2, Rows: 3}
	doc := merged(t, o, "close-client-first", "close-server-first", "final-ack-lost-after-tap", "half-open-no-third-ack", "ipv6-close")
	var meta struct {
		Full     []uint64 `json:"full"`
		Matching uint64   `json:"matching"`
	}
	block(t, doc, "meta", &meta)
	if meta.Matching != 5 {
		t.Errorf("%d connections", meta.Matching)
	}
	if len(meta.Full) < 2 || meta.Full[0] != 3 && meta.Full[0] != 4 {
		t.Errorf("in full: %v; the worst are 3 and 4", meta.Full)
	}
	var rows struct {
		Count int       `json:"count"`
		ID    []float64 `json:"id"`
	}
	block(t, doc, "rows", &rows)
	if rows.Count != 3 {
		t.Errorf("%d rows", rows.Count)
	}
	listed := map[uint64]bool{}
	id := uint64(0)
	for _, d := range rows.ID {
		id += uint64(d)
		listed[id] = true
	}
	for _, id := range meta.Full {
		if !listed[id] {
			t.Errorf("connection %d is in full but not in the table", id)
		}
	}
	if !bytes.Contains(doc, []byte("2 more are only counted")) {
		t.Error("the page does not say that it leaves two out")
	}
}

// TestSelection: what is not selected is in the summary only.
func TestSelection(t *testing.T) {
	var o page.Options
	if err := o.Selection.Only("open=half-open"); err != nil {
		t.Fatal(err)
	}
	doc := merged(t, o, "close-client-first", "half-open-no-third-ack")
	var meta struct {
		Full    []uint64       `json:"full"`
		Summary report.Summary `json:"summary"`
	}
	block(t, doc, "meta", &meta)
	if len(meta.Full) != 1 || meta.Summary.Connections != 2 || meta.Summary.Listed != 1 {
		t.Errorf("in full %v, connections %d, listed %d", meta.Full, meta.Summary.Connections, meta.Summary.Listed)
	}
}

// TestLongConnection: a ladder is bounded, and keeps how the connection closed.
func TestLongConnection(t *testing.T) {
	doc := readFiles(t, page.Options{Segments: 100}, "../../fixtures/kernel/35b_bulk_offload.pcap")
	var detail struct {
		Rows []json.RawMessage `json:"rows"`
	}
	block(t, doc, "c-1", &detail)
	if len(detail.Rows) > 150 {
		t.Errorf("%d rows", len(detail.Rows))
	}
	text := ""
	for _, row := range detail.Rows {
		text += string(row)
	}
	for _, word := range []string{"SYN-SENT", "TIME-WAIT", `"omitted"`} {
		if !strings.Contains(text, word) {
			t.Errorf("the ladder lacks %s", word)
		}
	}
}

func TestEmpty(t *testing.T) {
	s := newSession(page.Options{})
	doc := s.close(t, report.Trace{})
	if !bytes.Contains(doc, []byte("No TCP connection was found")) {
		t.Error("an empty capture is not told so")
	}
}
