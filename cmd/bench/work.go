package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/finwait/finwait/fixtures/load"
)

// This file is what runs on which capture, and what is wanted of it.

// work is a capture and the programs that run on it.
type work struct {
	Name    string    `json:"name"`
	Spec    load.Spec `json:"spec"`
	Size    load.Size `json:"size"`
	Stream  bool      `json:"stream,omitempty"` // through a pipe while it is made: its time is that of making it
	Series  []*series `json:"series"`
	path    string
	targets func(*bench) []target
}

// series is a program on a capture.
type series struct {
	Name    string   `json:"name"`
	Args    []string `json:"args"`
	Env     []string `json:"env,omitempty"`
	Tool    bool     `json:"tool,omitempty"` // neither finwait nor tcpdump: there to compare with
	Repeat  int      `json:"repeat,omitempty"`
	Samples []Sample `json:"samples"`
}

// The series that targets speak of.
const (
	copying    = "tcpdump -w /dev/null"
	summary    = "finwait"
	ndjson     = "finwait, NDJSON"
	oneWorker  = "finwait, 1 worker"
	twoWorkers = "finwait, 2 workers"
	oneCore    = "finwait, 1 core"
	nothing    = "finwait, empty capture"
)

// size is a number of a target, or a tenth of it.
func (b *bench) size(n int) int {
	if b.full {
		return n
	}
	return n / 10
}

// targets are the works with a target, in the order in which they are told.
func (b *bench) targets() []*work {
	mix := b.work("mix", load.Spec{Kind: load.Mix, Conns: b.size(400000), Snap: 96}, copying, summary, ndjson, oneWorker, twoWorkers, oneCore)
	mix.tools()
	mix.targets = func(b *bench) []target {
		return []target{
			mix.against("summary against tcpdump's copy", summary, copying, 1.0),
			mix.against("all connections as NDJSON against the summary", ndjson, summary, 2.5),
			mix.faster("two workers against one", oneWorker, twoWorkers, 1.6),
			mix.faster("two cores against one", oneCore, summary, 0),
		}
	}
	full := b.work("full", load.Spec{Kind: load.Mix, Conns: b.size(200000)}, copying, summary)
	full.targets = func(*bench) []target {
		return []target{full.against("full payload against tcpdump's copy", summary, copying, 1.0)}
	}
	flood := b.work("flood", load.Spec{Kind: load.Flood, Conns: b.size(2000000)}, copying, summary)
	flood.tools()
	flood.targets = func(b *bench) []target {
		return []target{
			{What: "anonymous memory of a half-open connection", Work: flood, Unit: "bytes", Limit: 300, Got: flood.perConnection(summary, b.idle)},
			flood.against("SYN flood against tcpdump's copy", summary, copying, 2.0),
		}
	}
	few := b.work("open-few", load.Spec{Kind: load.Open, Conns: 10000}, summary, nothing)
	many := b.work("open-many", load.Spec{Kind: load.Open, Conns: b.size(1000000)}, copying, summary)
	many.targets = func(*bench) []target {
		return []target{{What: "ns a packet, against 10,000 open connections", Work: many, Unit: "x", Limit: 2.0, Got: many.growth(few, wall), CPU: many.growth(few, cpu)}}
	}
	works := []*work{mix, full, flood, few, many}
	for _, conns := range []int{64, b.size(100000)} {
		bulk := b.work(fmt.Sprintf("bulk-%d", conns), load.Spec{Kind: load.Bulk, Conns: conns, Packets: b.size(10000000), Snap: 96}, copying, summary)
		bulk.targets = func(*bench) []target {
			return []target{{What: "anonymous memory of bulk segments", Work: bulk, Unit: "MiB", Limit: 64, Got: bulk.anon(summary)}}
		}
		works = append(works, bulk)
	}
	return works
}

// growing are the works that show what more connections, or more packets, cost.
func (b *bench) growing() []*work {
	var works []*work
	add := func(name string, s load.Spec) {
		works = append(works, b.work(name, s, oneWorker, twoWorkers))
	}
	counts := []int{10_000, 100_000, 1_000_000}
	if b.full {
		counts = append(counts, 5_000_000)
	}
	for _, n := range counts {
		add(fmt.Sprintf("open-%d", n), load.Spec{Kind: load.Open, Conns: n})
	}
	for _, n := range counts {
		add(fmt.Sprintf("flood-%d", n), load.Spec{Kind: load.Flood, Conns: n})
	}
	for _, n := range counts {
		add(fmt.Sprintf("scan-%d", n), load.Spec{Kind: load.Scan, Conns: n})
	}
	for _, n := range []int{1, 64, 10_000} {
		add(fmt.Sprintf("bulk-%d", n), load.Spec{Kind: load.Bulk, Conns: n, Packets: b.size(10_000_000), Snap: 96})
	}
	// One connection of very many packets: it must cost no more memory than one of few.
	for _, n := range []int{b.size(10_000_000), b.size(100_000_000)} {
		w := b.work(fmt.Sprintf("stream-%d", n), load.Spec{Kind: load.Bulk, Conns: 1, Packets: n, Snap: 96})
		w.Stream = true
		w.Series = []*series{{Name: summary, Args: b.read("-", w), Env: cores(2)}}
		works = append(works, w)
	}
	return works
}

// work sets up the programs that run on a capture. What is not installed, or what
// finwait cannot do, is left out, and its targets say that they were not measured.
func (b *bench) work(name string, spec load.Spec, names ...string) *work {
	w := &work{Name: name, Spec: spec, path: filepath.Join(b.cache, spec.Name()), targets: func(*bench) []target { return nil }}
	workers := strings.Contains(b.flags, "--workers")
	for _, name := range names {
		s := &series{Name: name, Args: b.read(w.path, w), Env: cores(2)}
		switch name {
		case copying:
			if _, err := exec.LookPath("tcpdump"); err != nil {
				continue
			}
			s.Args, s.Env = []string{"tcpdump", "-n", "-r", w.path, "-w", "/dev/null"}, nil
		case ndjson:
			s.Args = b.read(w.path, w, "--format", "ndjson")
		case oneCore:
			s.Env = cores(1)
		case oneWorker, twoWorkers:
			n := map[string]int{oneWorker: 1, twoWorkers: 2}[name]
			if workers {
				s.Args = append(s.Args, "--workers", fmt.Sprint(n))
			} else {
				s.Env = cores(n)
			}
		case nothing:
			s.Args, s.Repeat = b.read(filepath.Join(b.cache, "empty.pcap"), w), 5
		}
		if spec.Conns <= 10_000 && spec.Kind == load.Open {
			s.Repeat = 5
		}
		w.Series = append(w.Series, s)
	}
	return w
}

// read is finwait's command line for a capture: for the summary, if no form is named.
func (b *bench) read(path string, w *work, form ...string) []string {
	if form == nil {
		form = []string{"--summary"}
	}
	args := append([]string{b.finwait, "read", "--progress", "off"}, form...)
	if w.Spec.Conns > 4_000_000 { // more than the default: an eviction is another work
		args = append(args, "--max-connections", fmt.Sprint(w.Spec.Conns+1))
	}
	return append(args, path)
}

func cores(n int) []string { return []string{fmt.Sprintf("GOMAXPROCS=%d", n)} }

// tools adds the other analysers that are installed.
func (w *work) tools() {
	for _, t := range []series{
		{Name: "tcptrace", Args: []string{"tcptrace", "-n", w.path}},
		{Name: "tshark conv,tcp", Args: []string{"tshark", "-n", "-q", "-z", "conv,tcp", "-r", w.path}},
		{Name: "argus", Args: []string{"argus", "-r", w.path, "-w", "/dev/null"}},
	} {
		if _, err := exec.LookPath(t.Args[0]); err == nil {
			t.Tool = true
			w.Series = append(w.Series, &t)
		}
	}
}

// write makes the capture unless the cache has it, with its size beside it.
func (w *work) write(cache string, progress io.Writer) error {
	if w.Stream {
		return nil // its size is known when it was made
	}
	if err := os.WriteFile(filepath.Join(cache, "empty.pcap"), emptyCapture(), 0o644); err != nil {
		return err
	}
	beside := w.path + ".json"
	if text, err := os.ReadFile(beside); err == nil && json.Unmarshal(text, &w.Size) == nil {
		if _, err := os.Stat(w.path); err == nil {
			return nil
		}
	}
	fmt.Fprintf(progress, "writing %s\n", w.path)
	f, err := os.Create(w.path + ".part")
	if err != nil {
		return err
	}
	defer f.Close()
	if w.Size, err = load.Write(f, w.Spec); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(w.path+".part", w.path); err != nil {
		return err
	}
	text, err := json.Marshal(w.Size)
	if err != nil {
		return err
	}
	return os.WriteFile(beside, text, 0o644)
}

// warm reads the capture once, so that all programs find it in the page cache.
func (w *work) warm() error {
	if w.Stream {
		return nil
	}
	f, err := os.Open(w.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}
