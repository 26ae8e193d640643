package main

import (
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/finwait/finwait/fixtures/load"
)

func samples(walls ...int) []Sample {
	var s []Sample
	for _, ms := range walls {
		s = append(s, Sample{Wall: time.Duration(ms) * time.Millisecond, User: time.Duration(2*ms) * time.Millisecond, Anon: int64(ms) << 20})
	}
	return s
}

func TestFigures(t *testing.T) {
	w := &work{Size: load.Size{Packets: 1e6, Connections: 1 << 20}, Series: []*series{
		{Name: copying, Samples: samples(10, 20, 40)},
		{Name: summary, Samples: samples(30, 20, 20)},
	}}
	few := &work{Size: load.Size{Packets: 1e3, Connections: 1}, Series: []*series{
		{Name: summary, Samples: samples(12, 12, 12)},
		{Name: nothing, Samples: samples(10, 10)},
	}}
	for _, test := range []struct {
		name      string
		got, want spread
	}{
		{"a ratio is taken within a round", w.ratio(summary, copying), spread{1, 0.5, 3, 3}},
		{"what did not run has no ratio", w.ratio(summary, ndjson), spread{}},
		{"an even number has the mean of the middle two", spreadOf([]float64{4, 1, 3, 2}), spread{2.5, 1, 4, 4}},
		{"bytes a connection are above the idle program's", w.perConnection(summary, 10<<20), spread{10, 10, 20, 3}},
		{"the start is taken off", w.growth(few, wall), spread{0.0075, 0.005, 0.01, 2}},
		{"peak of anonymous memory", w.anon(summary), spread{20, 20, 30, 3}},
		{"ns a packet", w.nsPacket(w.find(copying)), spread{20, 10, 40, 3}},
	} {
		if test.got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, test.got, test.want)
		}
	}
}

func TestMet(t *testing.T) {
	for _, test := range []struct {
		target
		want string
	}{
		{target{Limit: 1, Got: spread{Median: 1, N: 7}}, "yes"},
		{target{Limit: 1, Got: spread{Median: 1.01, N: 7}}, "NO"},
		{target{Limit: 1.6, AtLeast: true, Got: spread{Median: 1.6, N: 7}}, "yes"},
		{target{Limit: 1.6, AtLeast: true, Got: spread{Median: 1.5, N: 7}}, "NO"},
		{target{Limit: 1}, "-"},
		{target{Got: spread{Median: 3, N: 7}}, "-"},
	} {
		if got := test.met(); got != test.want {
			t.Errorf("%+v: %s, want %s", test.target, got, test.want)
		}
	}
}

// TestTable: a person reads from it what was wanted, what was measured, and what
// could not be.
func TestTable(t *testing.T) {
	w := &work{Name: "mix", Spec: load.Spec{Kind: load.Mix, Conns: 400000, Snap: 96}, Size: load.Size{Packets: 1e6, Connections: 400000}, Series: []*series{
		{Name: copying, Samples: samples(100, 90, 110)},
		{Name: summary, Samples: samples(150, 180, 110)},
		{Name: "argus", Tool: true},
	}}
	r := &report{CPUs: 2, Finwait: "finwait 1.2.3", Full: true, Rounds: 3, Idle: 10 << 20, Works: []*work{w}}
	r.Targets = []target{w.against("summary", summary, copying, 1), w.faster("workers", oneWorker, twoWorkers, 1.6)}
	var b strings.Builder
	r.table(&b)
	// The spaces between columns are the table writer's affair.
	got := strings.Split(b.String(), "\n")
	for i := range got {
		got[i] = strings.Join(strings.Fields(got[i]), " ")
	}
	want := []string{
		"finwait 1.2.3, 2 CPUs, 3 rounds, medians and (least to greatest)",
		"",
		"TARGET CAPTURE WANTED MEASURED SPREAD MET BY CPU TIME",
		"summary mix 400k conns at most 1 x 1.5 x (1 to 2) NO 1.50 x",
		"workers mix 400k conns at least 1.6 x faster not measured - -",
		"",
		"CAPTURE PROGRAM TIME ms x TCPDUMP Mpkt/s ns/PACKET CPU ms RSS MiB ANON MiB BYTES/CONN",
		"mix 400k conns tcpdump -w /dev/null 100.0 (90 to 110) 10.00 100.0 200 - 100.0 236",
		"mix 400k conns finwait 150.0 (110 to 180) 1.50 (1 to 2) 6.67 150.0 300 - 150.0 367",
		"",
		"anonymous memory of finwait while it waits: 10.0 MiB; BYTES/CONN is what is above it",
		"",
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d differs:\n%s", i+1, b.String())
		}
	}
	var lines strings.Builder
	r.lines(&lines)
	if got := strings.Split(lines.String(), "\n"); len(got) < 3 || got[2] != "mix\tfinwait\t1000000\t400000\t3\t150000000\t110000000\t180000000\t300000\t150.00\t1.500\t0\t157286400\t367.0" {
		t.Errorf("lines with tabs:\n%s", lines.String())
	}
}

// TestWorks: the targets and the growth have their captures, and each program
// its command line.
func TestWorks(t *testing.T) {
	for _, full := range []bool{false, true} {
		b := &bench{options: options{finwait: "finwait", cache: "cache", full: full}, flags: "--workers N"}
		n := 0
		for _, w := range b.targets() {
			n += len(w.targets(b))
		}
		if n != 10 {
			t.Errorf("full %v: %d targets", full, n)
		}
		names := map[string]bool{}
		for _, w := range append(b.targets(), b.growing()...) {
			if len(w.Series) == 0 {
				t.Errorf("%s: nothing runs", w.Name)
			}
			names[w.Name] = true
		}
		if names["open-5000000"] != full || !names["stream-10000000"] {
			t.Errorf("full %v: works %v", full, names)
		}
	}
	b := &bench{options: options{finwait: "finwait", cache: "cache", full: true}, flags: "--workers N"}
	w := b.work("flood", load.Spec{Kind: load.Flood, Conns: 5_000_000}, twoWorkers)
	want := "finwait read --progress off --summary --max-connections 5000001 cache/flood-5000000-0-65535-20000-1.pcap --workers 2"
	if got := strings.Join(w.Series[0].Args, " "); filepath.ToSlash(got) != want {
		t.Errorf("%s, want %s", got, want)
	}
	b.flags = "" // a finwait that knows no workers
	if s := b.work("mix", load.Spec{Kind: load.Mix, Conns: 1}, oneWorker).Series[0]; s.Env[0] != "GOMAXPROCS=1" || slices.Contains(s.Args, "--workers") {
		t.Errorf("one worker without --workers: %v %v", s.Env, s.Args)
	}
}

// TestRun measures the program itself on the smallest of the captures.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "finwait")
	build := exec.Command("go", "build", "-buildvcs=false", "-tags", "nolibpcap", "-o", bin, "../finwait")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "bench.json")
	var out strings.Builder
	args := []string{"-finwait", bin, "-cache", filepath.Join(dir, "cache"), "-only", "open-few", "-rounds", "2", "-json", file, "-tsv", file + ".tsv"}
	if err := run(args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "open 10k conns") {
		t.Errorf("the table:\n%s", out.String())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	w := got.Works[0]
	if w.Size.Packets != 30000 || w.Size.Connections != 10000 {
		t.Errorf("the capture: %+v", w.Size)
	}
	for _, name := range []string{summary, nothing} {
		s := w.find(name).Samples
		if len(s) != 2 || s[0].Wall <= 0 || s[0].User+s[0].System <= 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := w.find(summary).Samples; runtime.GOOS == "linux" && (got.Idle == 0 || s[0].Anon == 0 || s[0].MaxRSS < s[0].Anon) {
		t.Errorf("memory: idle %d, %+v", got.Idle, s[0])
	}
	if _, err := os.Stat(file + ".tsv"); err != nil {
		t.Error(err)
	}

	for _, bad := range [][]string{{"-rounds", "0"}, {"what"}, {"-only", "("}, {"-finwait", filepath.Join(dir, "none")}, {"-finwait", bin, "-cache", dir, "-only", "none"}} {
		if err := run(bad, io.Discard, io.Discard); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}
