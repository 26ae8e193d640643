package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/metrics"
)

// This file is the command live: an interface in, findings as they happen, a
// report at the end. liverun.go is its loop.

// liveFlags are the flags that only live has.
type liveFlags struct {
	iface         string
	snapLen       int
	noPromiscuous bool
	immediate     bool
	direction     string
	ring          string
	backend       string
	filter        string
	bytecode      string

	duration time.Duration
	steps    bool
	interval time.Duration

	write       string
	rotate      string
	rotateSize  int64
	rotateEvery time.Duration
	keep        int
	writeOnly   string

	metrics        string
	screen         bool
	printDashboard bool
}

const (
	writeOnlyFindings = "findings"
	liveConnections   = 1_000_000 // default of --max-connections
)

// readOnlyFlags are shared flags that have no meaning here: a live capture tells
// connections while they live, in the order in which they change.
var readOnlyFlags = []string{"progress", "workers"}

const liveExamples = `  finwait live -i eth0                        findings as they happen, a report at Ctrl-C
  finwait live -i eth0 tcp port 443           only what the BPF filter lets through
  finwait live -i eth0 --screen               a table of all connections
  finwait live -i any --format ndjson --steps every step of every endpoint
  finwait live -i eth0 --metrics :9100 --quiet
  finwait live -i eth0 -w leak.pcapng --write-only findings --rotate 100M --keep 10`

func newLive(s streams, open func(capture.LiveOptions) (packetSource, error)) *cobra.Command {
	f, l := new(flags), new(liveFlags)
	c := &cobra.Command{
		Use:   "live [flags] -i INTERFACE [FILTER WORDS...]",
		Short: "Analyse an interface until Ctrl-C, --duration or --count",
		Long: `finwait live captures on an interface and tells findings as they happen; at the
end, by Ctrl-C, --duration or --count, it gives the same report as read. Words
after the flags are a filter as tcpdump has it. It needs the right to capture:
root, or 'setcap cap_net_raw,cap_net_admin+ep' on the program. Ctrl-C is its
ordinary end, with exit status 0; a second one ends it at once. When the
interface goes away the report is given all the same, with exit status 3. When
--write cannot write, as on a full disk, the capture goes on, which is said at
once; packets that were not kept are counted, and the exit status is 4. FILE may
be a named pipe: what nobody reads in time is left out and counted too.

Events are told of every connection; --only, --conn and --top choose what the
report at the end lists. Lines while it runs need --format text or ndjson.`,
		Example: liveExamples,
		Args:    cobra.ArbitraryArgs,
	}
	f.register(c)
	_ = c.Flags().MarkHidden("read") // it fails only for a flag that does not exist
	// Of reading files: check refuses them.
	for _, name := range readOnlyFlags {
		_ = c.Flags().MarkHidden(name)
	}
	c.Flags().Lookup("quiet").Usage = "say nothing but errors and the report: no findings while it runs, but with --format ndjson"
	l.register(c)
	// A flood of SYNs must not take all the memory of the server that it hits.
	f.maxConnections = liveConnections
	c.Flags().Lookup("max-connections").DefValue = strconv.Itoa(liveConnections)
	c.RunE = func(_ *cobra.Command, args []string) error {
		if l.printDashboard {
			_, err := s.out.Write(metrics.Dashboard())
			return err
		}
		for _, name := range readOnlyFlags {
			if c.Flags().Changed(name) {
				return usagef("live --%s: it is for reading files, and has no effect on an interface", name)
			}
		}
		if err := l.check(f, args); err != nil {
			return err
		}
		if l.bytecode != "" {
			var err error
			if l.bytecode, err = readBytecode(l.bytecode, s.in); err != nil {
				return err
			}
		}
		return (&liveRun{flags: f, live: l, streams: s, open: open}).run()
	}
	return c
}

func (l *liveFlags) register(c *cobra.Command) {
	s := c.Flags()
	s.StringVarP(&l.iface, "interface", "i", "", "capture on this `INTERFACE`; any is all of them (see 'finwait interfaces')")
	s.IntVarP(&l.snapLen, "snaplen", "s", 0, "keep so many `BYTES` of each packet (default 192, with --write 262144)")
	s.BoolVarP(&l.noPromiscuous, "no-promiscuous", "p", false, "capture only what is meant for this host")
	s.BoolVar(&l.immediate, "immediate", false, "take each packet at once: findings come a little sooner and the processor is busier")
	s.StringVar(&l.direction, "direction", "both", "capture only packets of this `WAY`: in, out, both; on the loopback interface, where each is captured once, all come in")
	s.StringVar(&l.ring, "ring", "16M", "`SIZE` of the kernel's buffer, 2M to 2G: what does not fit while finwait is busy is lost, and counted")
	s.StringVar(&l.backend, "backend", "", "capture by `WAY`: libpcap or afpacket (default: what suits the interface and this build)")
	if s.Lookup("filter") == nil {
		s.StringVar(&l.filter, "filter", "", "look only at packets that match this `EXPRESSION` (pcap-filter(7)); words after the flags do the same")
	}
	if s.Lookup("filter-bytecode") == nil {
		s.StringVar(&l.bytecode, "filter-bytecode", "", bytecodeUsage)
	}
	s.DurationVar(&l.duration, "duration", 0, "stop after this `TIME`")
	s.BoolVar(&l.steps, "steps", false, "tell each step of each endpoint, its confirmation and its withdrawal")
	s.DurationVar(&l.interval, "interval", 0, "tell every so `OFTEN` how things stand")
	s.StringVarP(&l.write, "write", "w", "", "keep the packets in this `FILE` too, as pcapng")
	s.StringVar(&l.rotate, "rotate", "", "begin a new file after this `SIZE` or time, such as 100M or 1h")
	s.IntVar(&l.keep, "keep", 0, "keep only the last `N` files of --rotate")
	s.StringVar(&l.writeOnly, "write-only", "", "`findings`: write only packets of connections that have one")
	s.StringVar(&l.metrics, "metrics", "", "serve Prometheus metrics at this `ADDRESS`, such as :9100")
	s.BoolVar(&l.screen, "screen", false, "show the connections on the whole terminal")
	s.BoolVar(&l.printDashboard, "print-dashboard", false, "print a Grafana dashboard for the metrics, and end")
}

// check says what is wrong with the flags before anything is opened.
func (l *liveFlags) check(f *flags, words []string) error {
	if len(f.read) > 0 {
		return usagef("live -r: 'finwait read FILE' analyses a capture")
	}
	if l.iface == "" {
		return usagef("which interface? finwait live -i NAME; 'finwait interfaces' lists them")
	}
	if len(words) > 0 {
		if l.filter != "" {
			return usagef("--filter and words after the flags are both a filter; give one of them")
		}
		l.filter = strings.Join(words, " ")
	}
	if l.filter != "" && l.bytecode != "" {
		return usagef("--filter-bytecode and a filter in words exclude each other")
	}
	if !slices.Contains([]string{"in", "out", "both"}, l.direction) {
		return usagef("--direction: %q is not in, out or both", l.direction)
	}
	if l.writeOnly != "" && l.writeOnly != writeOnlyFindings {
		return usagef("--write-only: %q is not findings", l.writeOnly)
	}
	if l.write == "-" {
		return usagef("--write: standard output is for the report; name a file")
	}
	if l.write == "" && (l.rotate != "" || l.keep != 0 || l.writeOnly != "") {
		return usagef("--rotate, --keep and --write-only are for --write FILE")
	}
	if l.keep < 0 || l.keep > 0 && l.rotate == "" {
		return usagef("--keep: it is how many files of --rotate are kept")
	}
	if l.duration < 0 || l.interval < 0 || l.snapLen < 0 {
		return usagef("--duration, --interval and --snaplen are not below zero")
	}
	if slices.Contains(formats(), report.Format(f.format)) && !slices.Contains(report.Formats, report.Format(f.format)) {
		return usagef("--format: live writes %s; for %s keep the packets with --write FILE and read them", join(report.Formats), f.format)
	}
	if l.screen && f.output == "" && f.format != string(report.Text) {
		return usagef("--screen takes the terminal: write the %s to a file with -o", f.format)
	}
	if !l.tells(f) && (l.steps || l.interval > 0) {
		return usagef("--steps and --interval are for lines while it runs; there are none with %s", l.silencedBy(f))
	}
	return l.checkRotate()
}

// tells reports that lines are written while the capture runs: events among the
// connections of NDJSON, or findings before the report in text.
func (l *liveFlags) tells(f *flags) bool { return l.silencedBy(f) == "" }

// silencedBy names what keeps lines from being written.
func (l *liveFlags) silencedBy(f *flags) string {
	switch report.Format(f.format) {
	case report.NDJSON:
		if f.sort != "" && report.Order(f.sort) != report.AsRetired {
			return "--sort " + f.sort
		}
		return ""
	case report.Text:
		switch {
		case l.screen:
			return "--screen"
		case f.quiet:
			return "--quiet"
		}
		return ""
	}
	return "--format " + f.format
}

func (l *liveFlags) checkRotate() error {
	if l.rotate == "" {
		return nil
	}
	if d, err := time.ParseDuration(l.rotate); err == nil && d > 0 {
		l.rotateEvery = d
		return nil
	}
	n, ok := parseSize(l.rotate)
	if !ok || n <= 0 {
		return usagef("--rotate: %q is neither a size such as 100M nor a duration such as 1h", l.rotate)
	}
	l.rotateSize = n
	return nil
}

// options are those of the capture.
func (l *liveFlags) options() (capture.LiveOptions, error) {
	ring, ok := parseSize(l.ring)
	if !ok || ring < 2<<20 || ring > 2<<30 {
		return capture.LiveOptions{}, usagef("--ring: %q is not a size from 2M to 2G", l.ring)
	}
	o := capture.LiveOptions{Interface: l.iface, SnapLen: l.snapLen, Promiscuous: !l.noPromiscuous, Immediate: l.immediate,
		Ring: int(min(ring, 2<<30-1<<20)), Filter: l.filter, Bytecode: l.bytecode, Backend: l.backend}
	if o.SnapLen == 0 && l.write != "" {
		o.SnapLen = capture.MaxSnapLen
	}
	switch l.direction {
	case "in":
		o.Direction = capture.Incoming
	case "out":
		o.Direction = capture.Outgoing
	}
	return o, nil
}

// parseSize reads 64K, 100M, 2GiB; a bare number is bytes.
func parseSize(s string) (int64, bool) {
	upper := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(s), "B"), "I")
	shift := 0
	for i, unit := range []string{"K", "M", "G", "T"} {
		if rest, ok := strings.CutSuffix(upper, unit); ok {
			upper, shift = rest, 10*(i+1)
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(upper), 10, 64)
	if err != nil || n < 0 || n > 1<<62>>shift {
		return 0, false
	}
	return n << shift, true
}
