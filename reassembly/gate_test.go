package reassembly_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/fixtures/kernel"
	"github.com/finwait/finwait/fixtures/score"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// The gate: reports held against the states that real kernels were in, and
// against what each script expects. Where the kernels' captures cannot decide a
// path, undecidable.txt says so with the reason.

var notes = flag.Bool("notes", false, "log what differs from the kernels")

// analyse runs a capture through the whole way of the data and gives its NDJSON.
func analyse(t testing.TB, pcap io.Reader, o reassembly.Options) []byte {
	t.Helper()
	r, err := capture.Open([]string{"-"}, capture.Options{Stdin: pcap})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var out bytes.Buffer
	w, err := report.New(&out, report.Options{Format: report.NDJSON})
	if err != nil {
		t.Fatal(err)
	}
	o.Check, o.CheckClean = anomaly.Check, anomaly.CheckClean
	o.Emit = func(l *reassembly.Lifecycle) {
		if err := w.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	track(t, r, reassembly.NewTracker(o))
	if err := w.Close(report.Trace{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// track gives every segment of a capture to a tracker and ends the trace.
func track(t testing.TB, r *capture.Reader, tr *reassembly.Tracker) {
	t.Helper()
	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	var s reassembly.Segment
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if d.Decode(&f, &s) == capture.NotSkipped {
			tr.Add(&s)
		} else {
			tr.Advance(f.Time)
		}
	}
	tr.Close()
}

// shared gives a path below ../shared, or skips with the reason.
func shared(t testing.TB, elem ...string) string {
	t.Helper()
	p := filepath.Join(append([]string{"..", "..", "shared"}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("../shared is not beside this clone: %v", err)
	}
	return p
}

// undecidable reads the scenarios whose paths the packets cannot decide.
func undecidable(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "undecidable.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, line := range strings.Split(string(b), "\n") {
		name, reason, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "" && !strings.HasPrefix(name, "#") {
			out[name] = strings.TrimSpace(reason)
		}
	}
	return out
}

func TestKernels(t *testing.T) {
	var total score.Counts
	listed := undecidable(t)
	for _, name := range kernel.Names() {
		pcap, err := kernel.Capture(name)
		if err != nil {
			t.Fatal(err)
		}
		truth, err := kernel.Truth(name)
		if err != nil {
			t.Fatal(err)
		}
		got, says, err := score.Kernel(name, analyse(t, bytes.NewReader(pcap), reassembly.Options{}), truth, score.KernelVerdicts())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if *notes {
			for _, s := range says {
				t.Log(s)
			}
		}
		switch reason := listed[name]; {
		case got.Exact != got.Endpoints && reason == "":
			t.Errorf("%s: paths %d/%d: %s", name, got.Exact, got.Endpoints, strings.Join(says, "\n"))
		case got.Exact == got.Endpoints && reason != "":
			t.Errorf("%s is listed as undecidable (%s), but its paths are right: take it off the list", name, reason)
		}
		total.Add(got)
	}
	t.Log(total)
	if total.FalseCertain != 0 || total.Absent != 0 || total.Split != 0 || total.Misplaced != 0 || total.Alarms != 0 {
		t.Errorf("certain but false, absent, split, misplaced and alarms must be 0: %v", total)
	}
	if total.LostAfterNamed != total.LostAfter || total.LostBeforeNamed < 3 || total.VerdictsRight != total.Verdicts {
		t.Errorf("lost ACKs or verdicts fall short: %v", total)
	}
	if total.CertainShare() < 0.72 || float64(total.PacketRight) < 0.99*float64(total.PacketKnown) {
		t.Errorf("too little is told as certain, or too many packets are wrong: %v", total)
	}
}

// TestSoaks holds the two soaks beside the repository to the same standard.
func TestSoaks(t *testing.T) {
	for _, name := range []string{"soak_1500_loss0", "soak_1500_loss2"} {
		t.Run(name, func(t *testing.T) {
			base := shared(t, "truth", "soak", name+".pcap")
			pcap, err := os.Open(base)
			if err != nil {
				t.Fatal(err)
			}
			defer pcap.Close()
			truth, err := os.ReadFile(strings.TrimSuffix(base, ".pcap") + ".jsonl")
			if err != nil {
				t.Fatal(err)
			}
			got, says, err := score.Kernel(name, analyse(t, pcap, reassembly.Options{}), truth, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Log(got)
			if got.Paths() < 0.999 || got.FalseCertain != 0 || got.Misplaced != 0 || got.Alarms != 0 || got.Absent != 0 || got.Split != 0 {
				t.Errorf("%v\n%s", got, strings.Join(says, "\n"))
			}
			if 100*got.LostAfterNamed < 98*got.LostAfter || 100*got.LostBeforeNamed < 85*got.LostBefore {
				t.Errorf("lost ACKs: %v", got)
			}
		})
	}
}

// TestScripts runs every script: paths, kinds, findings as its expect lines
// and tags say.
func TestScripts(t *testing.T) {
	for _, name := range fixtures.Scripts() {
		t.Run(name, func(t *testing.T) {
			s, err := fixtures.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			pcap, err := s.Pcap()
			if err != nil {
				t.Fatal(err)
			}
			got, err := score.ReadReport(analyse(t, bytes.NewReader(pcap), reassembly.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			for _, wrong := range append(score.Expectations(got, s.Expect), score.Tags(got, s)...) {
				t.Error(wrong)
			}
		})
	}
}

// label is what one label of the scenarios must and may show.
type label struct{ shows, may []string }

// labels reads testdata/labels.txt.
func labels(t *testing.T) (table map[string]label, except map[string]bool) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "labels.txt"))
	if err != nil {
		t.Fatal(err)
	}
	table, except = map[string]label{}, map[string]bool{}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		switch {
		case len(f) == 0 || f[0] == "#":
		case f[0] == "except":
			except[f[1]+" "+f[2]] = true
		default:
			rest := strings.TrimPrefix(strings.Join(f[1:], " "), "shows")
			shows, may, _ := strings.Cut(rest, "may ")
			table[f[0]] = label{strings.Fields(shows), strings.Fields(may)}
		}
	}
	return table, except
}

// TestLabels: each scenario shows what befell it, and nothing else above note.
func TestLabels(t *testing.T) {
	table, except := labels(t)
	for _, name := range kernel.Names() {
		pcap, err := kernel.Capture(name)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := kernel.Truth(name)
		if err != nil {
			t.Fatal(err)
		}
		var truth struct {
			Labels []string `json:"expected_anomalies"`
		}
		if err := json.Unmarshal(raw, &truth); err != nil {
			t.Fatal(err)
		}
		report, err := score.ReadReport(analyse(t, bytes.NewReader(pcap), reassembly.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		found, loud := map[string]bool{}, map[string]bool{}
		for _, c := range report {
			for _, f := range c.Findings {
				found[f.ID] = true
				if f.Severity == "warning" || f.Severity == "error" {
					loud[f.ID] = true
				}
			}
		}
		number, _, _ := strings.Cut(name, "_")
		for _, l := range truth.Labels {
			want, ok := table[l]
			if !ok {
				t.Errorf("%s: label %s is not in labels.txt", name, l)
			}
			shown := len(want.shows) == 0
			for _, id := range want.shows {
				shown = shown || found[id]
			}
			if excepted := except[number+" "+l]; !shown && !excepted {
				t.Errorf("%s: label %s wants one of %v", name, l, want.shows)
			} else if shown && excepted {
				t.Errorf("%s shows label %s: take it off the exceptions", name, l)
			}
			for _, id := range append(want.shows, want.may...) {
				delete(loud, id)
			}
		}
		for id := range loud {
			t.Errorf("%s: no label explains finding %s", name, id)
		}
	}
}
