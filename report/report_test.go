package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/finwait/finwait/reassembly"
)

var update = flag.Bool("update", false, "write the golden files and the schema anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s differs from what is written (-want +got); go test ./report -update writes it anew:\n%s", path, d)
	}
}

func write(t *testing.T, o Options, list ...*reassembly.Lifecycle) []byte {
	t.Helper()
	var out bytes.Buffer
	if o.Capture.Files == nil {
		o.Capture = capture()
	}
	w, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range list {
		if err := w.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(trace()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGolden(t *testing.T) {
	for name, o := range map[string]Options{
		"samples.json":        {Format: JSON},
		"samples.ndjson":      {Format: NDJSON},
		"samples.txt":         {},
		"samples-80.txt":      {Text: TextOptions{Width: 80, All: true, Info: true}},
		"samples-explain.txt": {Text: TextOptions{Width: 100, Explain: true}},
		"samples-color.txt":   {Text: TextOptions{Color: true}},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, write(t, o, samples()...)) })
	}
}

func TestGoldenWithoutConnections(t *testing.T) {
	golden(t, "empty.txt", write(t, Options{}))
	golden(t, "empty.json", write(t, Options{Format: JSON}))
}

func TestSeveralFiles(t *testing.T) {
	l := finalACKLost()
	second := func(p *reassembly.Packet) { *p = reassembly.MakePacket(1, p.Number()) }
	for i := range l.Findings[0].Packets[2:] {
		second(&l.Findings[0].Packets[2+i])
	}
	second(&l.Endpoints[1].Withdrawn[0].RefutedBy[1])
	second(&l.Endpoints[1].History[5].Packet)
	second(&l.Last)
	o := Options{Capture: Capture{Files: []CaptureFile{{1, "a.pcap"}, {2, "b.pcap"}}, MSL: 30 * nsPerSecond}}
	golden(t, "two-files.txt", write(t, o, l))
	o.Format = JSON
	got := write(t, o, l)
	golden(t, "two-files.json", got)
	validate(t, got)
}

// The two JSON formats consist of the same objects.
func TestFormatsAgree(t *testing.T) {
	var doc struct {
		Capture     json.RawMessage
		Connections []json.RawMessage
		Summary     json.RawMessage
	}
	if err := json.Unmarshal(write(t, Options{Format: JSON}, samples()...), &doc); err != nil {
		t.Fatal(err)
	}
	fromDoc := []string{string(doc.Capture)}
	for _, c := range doc.Connections {
		fromDoc = append(fromDoc, string(c))
	}
	fromDoc = append(fromDoc, string(doc.Summary))
	lines := strings.Split(strings.TrimSpace(string(write(t, Options{Format: NDJSON}, samples()...))), "\n")
	slices.Sort(fromDoc)
	slices.Sort(lines)
	if d := cmp.Diff(fromDoc, lines); d != "" {
		t.Error(d)
	}
}

// AppendJSON prints what encoding/json prints, and a Connection survives both ways.
func TestAppendJSONIsEncodingJSON(t *testing.T) {
	for _, several := range []bool{false, true} {
		b := Builder{SeveralFiles: several}
		for _, l := range samples() {
			c := b.Build(l)
			want, err := marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			got := c.AppendJSON(nil)
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Errorf("connection %d (-encoding/json +AppendJSON):\n%s", l.ID, d)
			}
			back := new(Connection)
			if err := json.Unmarshal(got, back); err != nil {
				t.Fatal(err)
			}
			if again := back.AppendJSON(nil); l.ID != 2 && string(again) != string(got) {
				t.Errorf("connection %d read back and printed:\n%s\nwas\n%s", l.ID, again, got)
			}
		}
	}
}

func TestSchemaFileIsTrue(t *testing.T) {
	got, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("schema", "finwait-1.schema.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s is not what the structs say (-file +structs); go test ./report -update writes it anew:\n%s", path, d)
	}
}

func TestReportsValidate(t *testing.T) {
	validate(t, write(t, Options{Format: JSON}, samples()...))
	validate(t, write(t, Options{Format: JSON}))
	for line := range strings.Lines(string(write(t, Options{Format: NDJSON}, samples()...))) {
		validate(t, []byte(line))
	}
}

// The schema is of use only if it refuses what is wrong.
func TestSchemaRefuses(t *testing.T) {
	good := string(new(Builder).Build(finalACKLost()).AppendJSON(nil))
	for _, change := range [][2]string{
		{`"state":"TIME-WAIT"`, `"state":"TIME_WAIT"`},
		{`"kind":"four-way"`, `"kind":"five-way"`},
		{`"id":"final-ack-lost"`, `"id":"final-ack-found"`},
		{`"packets":13`, `"packets":-1`},
		{`"10.0.0.1"`, `"10.0.0.1000"`},
		{`.905870109Z`, `.905Z`},
		{`"withdrawn":[]`, `"withdrawn":null`},
		{`"client":{"ip"`, `"clint":{"ip"`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s is not in the sample", change[0])
		}
		if err := check([]byte(bad)); err == nil {
			t.Errorf("the schema takes %s", change[1])
		}
	}
}

func validate(t *testing.T, text []byte) {
	t.Helper()
	if err := check(text); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
}

func check(text []byte) error {
	schema, err := Schema()
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("finwait.json", doc); err != nil {
		return err
	}
	compiled, err := c.Compile("finwait.json")
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(v)
}
