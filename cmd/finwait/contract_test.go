package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/report"
)

// Both JSON formats of every fixture keep to the schema, and the text report of
// every fixture comes to an end without a fault.
func TestFixturesKeepTheContract(t *testing.T) {
	schema := contract(t)
	for _, path := range captures(t) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			document, err := jsonschema.UnmarshalJSON(bytes.NewReader(finwait(t, "read", path, "--format", "json")))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(document); err != nil {
				t.Error(err)
			}
			lines := string(finwait(t, "read", path, "--format", "ndjson"))
			for line := range strings.Lines(lines) {
				object, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
				if err != nil {
					t.Fatal(err)
				}
				if err := schema.Validate(object); err != nil {
					t.Errorf("%v\n%s", err, line)
				}
			}
			if again := string(finwait(t, "read", path, "--format", "ndjson")); again != lines {
				t.Error("a second run gives other bytes")
			}
			finwait(t, "read", path, "--all", "--explain", "--min-severity", "info")
			finwait(t, "read", path, "--all")
		})
	}
}

// captures are those of the kernel fixtures and those that the scripts make.
func captures(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join("..", "..", "fixtures", "kernel", "*.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, name := range fixtures.Scripts() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		capture, err := s.Pcap()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".pcap")
		if err := os.WriteFile(path, capture, 0o644); err != nil {
			t.Fatal(err)
		}
		list = append(list, path)
	}
	return list
}

func finwait(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != statusOK {
		t.Fatalf("finwait %s: exit status %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return out.Bytes()
}

func contract(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := report.Schema()
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("finwait.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("finwait.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
