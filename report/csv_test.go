package report

import (
	"encoding/csv"
	"os"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

func TestCSVGolden(t *testing.T) {
	var list []*reassembly.Lifecycle
	for _, name := range []string{"close-client-first", "final-ack-lost-after-tap", "tuple-reused-old-duplicate", "syn-unanswered", "midstream-fin", "ipv6-close"} {
		for _, c := range fixture(t, name) {
			c.life.ID = uint64(len(list) + 1)
			list = append(list, c.life)
		}
	}
	got := write(t, Options{Format: CSV}, list...)
	golden(t, "connections.csv", got)
	rows, err := csv.NewReader(strings.NewReader(string(got))).ReadAll()
	if err != nil || len(rows) != len(list)+1 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(len(cell), 1)], "=+-@") {
				t.Errorf("a spreadsheet would compute %q", cell)
			}
		}
	}
}

// The columns stand in the package comment, in their order.
func TestCSVColumnsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "# CSV")
	names, docs := CSVColumns()
	for i, name := range names {
		if strings.HasPrefix(name, "server_") && len(names)-i <= 12 {
			break // documented with the client's
		}
		if after, ok := strings.CutPrefix(name, "client_"); ok && i > 20 {
			name = "SIDE_" + after
		}
		_, after, ok := strings.Cut(rest, "//\t"+name+" ")
		if !ok || docs[i] == "" {
			t.Fatalf("%s does not stand in doc.go, or not in its place", name)
		}
		rest = after
	}
}
