// Command bench runs finwait side by side with tcpdump, which only copies the
// records (-w /dev/null), and with tcptrace, tshark and argus where they are
// installed, on the same captures, in turn, several times. It prints each target
// of speed and memory with what was measured, then every program's figures.
//
//	make build && go run ./cmd/bench          small captures, a minute
//	go run ./cmd/bench -full                  the sizes that the targets name, some GB in the cache
//	go run ./cmd/bench -growth                what 10,000 to 1,000,000 (-full: 5,000,000) connections cost
//
// The captures come from fixtures/load and stay in the cache. Ratios are taken
// within a round, of two runs side by side, since a machine's speed drifts.
//
// Read work.go for what runs and the targets, process.go for how one run is
// measured, table.go for what is printed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"
)

type options struct {
	finwait    string
	cache      string
	rounds     int
	toolRounds int
	full       bool
	growth     bool
	only       *regexp.Regexp
	json, tsv  string
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	b := &bench{options: *o, progress: progress}
	if err := b.prepare(); err != nil {
		return err
	}
	if err := b.measure(); err != nil {
		return err
	}
	rep := b.report()
	rep.table(out)
	if o.json != "" {
		text, err := json.MarshalIndent(rep, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.tsv != "" {
		var text strings.Builder
		rep.lines(&text)
		return os.WriteFile(o.tsv, []byte(text.String()), 0o644)
	}
	return nil
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := new(options)
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.StringVar(&o.finwait, "finwait", filepath.Join("bin", "finwait"), "`program` to measure, as 'make build' leaves it")
	fs.StringVar(&o.cache, "cache", filepath.Join(os.TempDir(), "finwait-bench"), "`directory` for the captures; they are kept")
	fs.IntVar(&o.rounds, "rounds", 7, "how often each of finwait and tcpdump runs")
	fs.IntVar(&o.toolRounds, "tool-rounds", 1, "how often tcptrace, tshark and argus run; 0: never")
	fs.BoolVar(&o.full, "full", false, "the sizes that the targets name; without it a tenth")
	fs.BoolVar(&o.growth, "growth", false, "the cost of growth in the place of the targets")
	only := fs.String("only", "", "run only what this `expression` matches: mix, full, flood, open, bulk, ...")
	fs.StringVar(&o.json, "json", "", "write every sample to this `file` too, as JSON")
	fs.StringVar(&o.tsv, "tsv", "", "write a line a program to this `file` too, with tabs")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? 'go run ./cmd/bench -h' lists the flags", fs.Arg(0))
	}
	if o.rounds < 1 || o.toolRounds < 0 {
		return nil, fmt.Errorf("-rounds must be at least 1, -tool-rounds at least 0")
	}
	var err error
	o.only, err = regexp.Compile(*only)
	return o, err
}

// bench is one run of this program.
type bench struct {
	options
	progress io.Writer
	version  string
	flags    string // of finwait, as its help tells them
	works    []*work
	idle     int64 // bytes of RssAnon of finwait while it waits for the first packet
}

// prepare asks finwait what it can and writes the captures.
func (b *bench) prepare() error {
	help, err := output(b.finwait, "read", "--help")
	if err != nil {
		return fmt.Errorf("%s does not run ('make build' makes it): %w", b.finwait, err)
	}
	b.flags = help
	if v, err := output(b.finwait, "version"); err == nil {
		b.version, _, _ = strings.Cut(v, "\n")
	}
	if err := os.MkdirAll(b.cache, 0o755); err != nil {
		return err
	}
	all := b.targets()
	if b.growth {
		all = b.growing()
	}
	for _, w := range all {
		if !b.only.MatchString(w.Name) {
			continue
		}
		if err := w.write(b.cache, b.progress); err != nil {
			return err
		}
		b.works = append(b.works, w)
	}
	if len(b.works) == 0 {
		return fmt.Errorf("-only matches nothing")
	}
	b.idle, err = idle(b.finwait)
	return err
}

// measure runs all programs on a capture in turn, and that in rounds. Once it is
// interrupted, what was measured until then is reported.
func (b *bench) measure() error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(stop)
	for _, w := range b.works {
		if err := w.warm(); err != nil {
			return err
		}
		for round := range b.rounds {
			for _, s := range w.Series {
				if s.Tool && round >= b.toolRounds {
					continue
				}
				fmt.Fprintf(b.progress, "\r\033[K%s, round %d of %d: %s", w.Name, round+1, b.rounds, s.Name)
				err := s.once(w)
				if len(stop) > 0 {
					fmt.Fprintln(b.progress, ": interrupted")
					return nil
				}
				if err != nil {
					fmt.Fprintln(b.progress)
					return err
				}
			}
		}
		fmt.Fprint(b.progress, "\r\033[K")
	}
	return nil
}

func (b *bench) report() *report {
	r := &report{
		Time: time.Now().UTC().Format(time.RFC3339), CPUs: runtime.NumCPU(), Finwait: b.version,
		Full: b.full, Rounds: b.rounds, Idle: b.idle, Works: b.works,
	}
	for _, w := range b.works {
		r.Targets = append(r.Targets, w.targets(b)...)
	}
	return r
}
