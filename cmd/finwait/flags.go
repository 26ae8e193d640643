package main

import (
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/html"
)

// This file is the flags that the commands share, and what they turn into.

type flags struct {
	read      []string // -r
	count     uint64
	noResolve bool

	format, output string
	msl            []string
	selecting
	taps                 tapFlags
	only, conn           []string
	minSeverity, sort    string
	top                  int
	all, quiet, noColor  bool
	explain, summary     bool
	progress             string
	key                  string
	maxConnections       int
	workers              int
	halfOpen, idle, half time.Duration
}

// mostWorkers is far beyond what one reader can keep busy.
const mostWorkers = 256

const (
	progressAuto = "auto"
	progressOn   = "on"
	progressOff  = "off"
)

func (f *flags) register(c *cobra.Command) {
	s := c.Flags()
	s.SortFlags = false
	s.StringVar(&f.format, "format", string(report.Text), "`FORM` of the report: "+formatList()+"; parquet goes into the directory -o, segments (what the packets say of TCP) are read later in place of the captures")
	s.VarP((*fileName)(&f.output), "output", "o", "write the report to `FILE` instead of standard output")
	s.BoolVarP(&f.all, "all", "a", false, "list every connection; text has only those with findings otherwise")
	s.BoolVar(&f.explain, "explain", false, "text: print under each finding what it means and what could overturn it")
	s.StringArrayVar(&f.only, "only", nil, "list only connections with `KEY=VALUE,...`; KEY is finding (id, family or pattern), state (an endpoint was last in it), passed (was ever in it), open or close (repeatable)")
	s.StringArrayVar(&f.conn, "conn", nil, "list only this connection: `ID`, a tuple such as 10.0.0.1:41000-10.0.0.2:80, or tcp.stream==N (repeatable)")
	s.StringVar(&f.minSeverity, "min-severity", "", "list only findings of this `SEVERITY` or worse: error, warning, note or info, and their connections")
	s.StringVar(&f.sort, "sort", "", "`ORDER` of the connections: "+orderList()+" (default: severity for text, id for json and csv, as they retire for ndjson)")
	s.IntVar(&f.top, "top", 0, "list only the first `N` connections")

	s.StringArrayVar(&f.msl, "msl", nil, "maximum segment `LIFETIME`, half of what TIME-WAIT lasts: a duration or a profile, rfc 120s, linux 30s, windows 60s, macos 15s; HOST=15s for one host (repeatable) (default 30s)")
	f.selecting.register(c)
	s.StringVar(&f.key, "key", "", "`WHAT` beside addresses and ports tells connections apart: +vlan, -tunnel, or both with a comma")

	s.DurationVar(&f.halfOpen, "half-open-timeout", 5*time.Minute, "end a connection whose handshake never completed after a silence of this `DURATION`")
	s.DurationVar(&f.idle, "idle-timeout", 24*time.Hour, "end an open connection after a silence of this `DURATION`")
	s.DurationVar(&f.half, "half-closed-timeout", time.Hour, "end a connection with one FIN after a silence of this `DURATION`")
	s.IntVar(&f.maxConnections, "max-connections", 4_000_000, "`N` connections are held at once; beyond that the one silent for the longest is evicted, and told so")
	s.IntVar(&f.workers, "workers", 0, "`N` goroutines work out what retires, beside one that reads and one that tracks; 1: one does all; the report is the same (default: as many as there are processors)")

	s.StringArrayVarP(&f.read, "read", "r", nil, "read this `FILE`, as tcpdump has it; the same as naming it")
	s.Uint64VarP(&f.count, "count", "c", 0, "stop after `N` packets")
	s.BoolVarP(&f.noResolve, "no-resolve", "n", false, "accepted for tcpdump's sake: finwait never resolves names")
	s.StringVar(&f.progress, "progress", progressAuto, "`WHEN` to show a line on standard error while reading: auto (when it is a terminal), on, off")
	s.BoolVarP(&f.quiet, "quiet", "q", false, "say nothing on standard error but errors")
	s.BoolVar(&f.noColor, "no-color", false, "no colours; NO_COLOR in the environment does the same")
	f.complete(c)
}

// complete tells the shells what the flags take.
func (f *flags) complete(c *cobra.Command) {
	words := map[string][]string{
		"format":       strings.Split(formatList(), ", "),
		"min-severity": report.Severities,
		"sort":         strings.Split(orderList(), ", "),
		"msl":          profileNames(),
		"progress":     {progressAuto, progressOn, progressOff},
		"key":          {"+vlan", "-tunnel", "+vlan,-tunnel"},
	}
	for _, key := range report.OnlyKeys {
		words["only"] = append(words["only"], key+"=")
	}
	for _, id := range anomaly.IDs() {
		words["only"] = append(words["only"], "finding="+id)
	}
	c.Flags().VisitAll(func(flag *pflag.Flag) {
		if list, ok := words[flag.Name]; ok {
			// It fails only for a flag that does not exist, and this one does.
			_ = c.RegisterFlagCompletionFunc(flag.Name, cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp))
		}
	})
}

// formats are those of package report and those of its sub-packages.
func formats() []report.Format {
	return append(slices.Clone(report.Formats), html.Format, formatParquet, formatSegments)
}

func formatList() string { return join(formats()) }
func orderList() string  { return join(report.Orders) }

func join[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, ", ")
}

// tracker makes the options of the core.
func (f *flags) tracker() (reassembly.Options, error) {
	o := reassembly.Options{
		MSL: 30 * time.Second, HalfOpenTimeout: f.halfOpen, IdleTimeout: f.idle, HalfClosedTimeout: f.half,
		MaxConnections: f.maxConnections, Check: anomaly.Check, CheckClean: anomaly.CheckClean,
	}
	if f.summary {
		o.CheckClean = anomaly.CountClean
	}
	for _, value := range f.msl {
		host, value, perHost := cutHost(value)
		p, err := parseMSL(value)
		switch {
		case err != nil:
			return o, err
		case !perHost:
			o.MSL, o.RestartByRFC = p.msl, p.byRFC
			continue
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return o, usagef("--msl: %q is not an IP address", host)
		}
		if o.HostMSL == nil {
			o.HostMSL = map[reassembly.IP]time.Duration{}
		}
		o.HostMSL[ip.As16()] = p.msl
	}
	for name, d := range map[string]time.Duration{"half-open": f.halfOpen, "idle": f.idle, "half-closed": f.half} {
		if d <= 0 {
			return o, usagef("--%s-timeout: %s is not above zero", name, d)
		}
	}
	if f.workers < 0 || f.workers > mostWorkers {
		return o, usagef("--workers: %d is not between 1 and %d", f.workers, mostWorkers)
	}
	if f.workers == 0 {
		f.workers = min(runtime.GOMAXPROCS(0), mostWorkers)
	}
	if f.maxConnections <= 0 {
		return o, usagef("--max-connections: %d is not above zero", f.maxConnections)
	}
	for word := range strings.SplitSeq(f.key, ",") {
		switch word {
		case "":
		case "+vlan":
			o.KeyVLAN = true
		case "-tunnel":
			o.NoKeyTunnel = true
		default:
			return o, usagef("--key: %q is neither +vlan nor -tunnel", word)
		}
	}
	return o, nil
}

// report makes the options of the report, but for its capture.
func (f *flags) report() (report.Options, error) {
	o := report.Options{Format: report.Format(f.format), Sort: report.Order(f.sort), Top: f.top,
		Text: report.TextOptions{All: f.all, Explain: f.explain}}
	if !slices.Contains(formats(), o.Format) {
		return o, usagef("--format: there is no %q; the formats are %s", f.format, formatList())
	}
	if f.sort != "" && !slices.Contains(report.Orders, o.Sort) {
		return o, usagef("--sort: there is no %q; the orders are %s", f.sort, orderList())
	}
	if f.top < 0 {
		return o, usagef("--top: %d is below zero", f.top)
	}
	if o.Format != report.Text && f.explain {
		return o, usagef("--explain is for the format text; 'finwait explain ID' tells what a finding means")
	}
	if err := f.checkSummary(o.Format); err != nil {
		return o, err
	}
	o.SummaryOnly = f.summary
	for _, expression := range f.only {
		if err := o.Selection.Only(expression); err != nil {
			return o, usagef("--only: %v", err)
		}
	}
	for _, expression := range f.conn {
		if err := o.Selection.Conn(expression); err != nil {
			return o, usagef("--conn: %v", err)
		}
	}
	if f.minSeverity != "" {
		severity, err := report.ParseSeverity(f.minSeverity)
		if err != nil {
			return o, usagef("--min-severity: %v", err)
		}
		o.Selection.MinSeverity = severity
		o.Text.Info = severity == reassembly.Info
	}
	if !slices.Contains([]string{progressAuto, progressOn, progressOff}, f.progress) {
		return o, usagef("--progress: %q is not auto, on or off", f.progress)
	}
	return o, nil
}

// registerSummary is the flag of a command that may leave out the connections.
func (f *flags) registerSummary(c *cobra.Command) {
	c.Flags().BoolVar(&f.summary, "summary", false, "the summary only, no connections: text, json and ndjson")
}

// checkSummary says what makes no sense together with --summary.
func (f *flags) checkSummary(format report.Format) error {
	switch {
	case !f.summary:
		return nil
	case !slices.Contains([]report.Format{report.Text, report.JSON, report.NDJSON}, format):
		return usagef("--summary is for the formats text, json and ndjson; %s is made of connections", format)
	case f.all || f.explain || f.sort != "" || f.top > 0 || f.minSeverity != "" || len(f.only)+len(f.conn) > 0:
		return usagef("--summary lists no connections: --all, --explain, --only, --conn, --min-severity, --sort and --top have nothing to choose from")
	}
	return nil
}
