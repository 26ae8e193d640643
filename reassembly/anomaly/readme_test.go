package anomaly

import (
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the findings table of README.md anew")

// TestReadmeTableIsTrue holds the README's table of findings to the registry.
func TestReadmeTableIsTrue(t *testing.T) {
	const file, begin, end = "../../README.md", "<!-- findings: begin, written by make docs -->\n", "<!-- findings: end -->\n"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks around its table of findings", file)
	}
	want := head + begin + Table() + end + tail
	if string(text) == want {
		return
	}
	if !*update {
		t.Fatalf("the table of findings in %s does not say what the registry says: run make docs", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
