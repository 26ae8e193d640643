package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// This file is the command show: one connection as a ladder.

const showAbout = `Show one connection as a ladder: each segment as an arrow between both ends, with
flags, relative sequence numbers and length; beside each end the states it went
through and how sure that is; findings at the packet at which they show. A
segment that was lost ends in an x where it was lost: behind the tap (the point
of capture), or before it. With --client-side and --server-side, each arrow goes
from when its segment was sent to when it arrived, and a lost one ends on the way.

The connection is named by --conn: its id in the report, its tuple, or the number
that Wireshark shows. Without --conn, a capture of one connection shows that one.`

const showExamples = `  finwait show trace.pcap --conn 7
  finwait show trace.pcap --conn '10.0.0.1:41000 > 10.0.0.2:443'
  finwait show trace.pcap --conn tcp.stream==3 --from 120 --to 180
  finwait show trace.pcap --conn 7 --svg -o ladder.svg
  finwait show --client-side client.pcap --server-side server.pcap --conn 7`

// logLimit is how many of the shown connection's last segments are kept in mind,
// at least. Judging a segment looks back through all of them, so that ten times
// as many take a hundred times as long; of a longer connection the ladder says
// how many packets are remembered no more, and their steps stand all the same.
const logLimit = 1 << 12

// defaultRows is a few screens: what tells most is among them.
const defaultRows = 200

type showing struct {
	twice
	choice             *filter
	points             []*point       // where captures of several are shown
	path               []report.Point // what is told of them, after the first pass
	conns              []report.Conn
	from, to           report.PacketAt
	fromText, toText   string
	width, rows        int
	ascii, svg, asJSON bool
	info               bool
}

func newShow(s streams) *cobra.Command {
	w := &showing{twice: twice{reading: reading{flags: new(flags), streams: s}}}
	c := &cobra.Command{Use: "show [flags] FILE|DIR...", Short: "Show one connection as a ladder, packet by packet",
		Long: showAbout, Example: showExamples, Args: cobra.ArbitraryArgs}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&w.conn, "conn", nil, "the connection: `ID`, a tuple such as 10.0.0.1:41000-10.0.0.2:80 (either end first), or tcp.stream==N")
	f.StringVar(&w.fromText, "from", "", "begin at this `PACKET`; FILE:N where there are several files")
	f.StringVar(&w.toText, "to", "", "end at this `PACKET`")
	f.IntVar(&w.rows, "rows", defaultRows, "draw at most about `N` rows, those that tell most; 0: all")
	f.IntVar(&w.width, "width", 0, "draw within `N` columns (default: the terminal's, else 100)")
	f.BoolVar(&w.ascii, "ascii", false, "draw with ASCII characters only")
	f.BoolVar(&w.info, "info", false, "tell facts worth knowing (findings of severity info) too")
	f.BoolVar(&w.svg, "svg", false, "draw an SVG")
	f.BoolVar(&w.asJSON, "json", false, "write the ladder as JSON")
	w.taps.register(c)
	w.borrow(c, slices.Concat([]string{"output", "no-color"}, selectionFlags, coreFlags)...)
	c.RunE = w.run
	return c
}

func (w *showing) run(cmd *cobra.Command, args []string) error {
	start := w.start
	if w.taps.given() {
		start = w.startTaps
		args = slices.Concat(w.read, args)
	}
	if err := start(cmd, args); err != nil {
		return err
	}
	defer closePoints(w.points)
	core, err := w.tracker()
	if err != nil {
		return err
	}
	if err := w.parse(); err != nil {
		return err
	}
	w.stop = listen()
	defer w.stop.close()
	l, err := w.find(core)
	if err != nil {
		return err
	}
	d, err := w.ladder(core, l)
	if err != nil {
		return err
	}
	d.Between(w.from, w.to)
	if w.fromText == "" && w.toText == "" || cmd.Flags().Changed("rows") {
		d.Limit(w.rows)
	}
	out, err := openOutput(w.output, w.out)
	if err != nil {
		return err
	}
	defer out.abort()
	if err := w.write(out, d); err != nil {
		return fmt.Errorf("writing the ladder: %w", err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing the ladder: %w", err)
	}
	return w.told()
}

// parse reads the flags that are show's own.
func (w *showing) parse() (err error) {
	if w.choice, err = w.flags.choice(w.paths, w.in); err != nil {
		return err
	}
	for _, name := range w.conn {
		c, err := report.ParseConn(name)
		if err != nil {
			return usagef("--conn: %v", err)
		}
		w.conns = append(w.conns, c)
	}
	for _, p := range []struct {
		flag, text string
		at         *report.PacketAt
	}{{"from", w.fromText, &w.from}, {"to", w.toText, &w.to}} {
		if p.text == "" {
			continue
		}
		if *p.at, err = report.ParsePacketAt(p.text); err != nil {
			return usagef("--%s: %v", p.flag, err)
		}
	}
	if w.svg && w.asJSON || (w.svg || w.asJSON) && w.ascii {
		return usagef("--svg, --json and --ascii are one or the other")
	}
	if w.rows < 0 {
		return usagef("--rows: %d is below zero", w.rows)
	}
	if w.width < 0 {
		return usagef("--width: %d is below zero", w.width)
	}
	return nil
}

// mostComments bounds the bytes of comments on packets that are kept.
const mostComments = 16 << 20

// mostListed bounds the list of connections that a name may mean.
const mostListed = 30

// find reads the captures for the connection that is meant.
func (w *showing) find(core reassembly.Options) (*reassembly.Lifecycle, error) {
	var found []*reassembly.Lifecycle
	matches, all := 0, 0
	core.Emit = func(l *reassembly.Lifecycle) {
		all++
		if len(w.conns) > 0 && !slices.ContainsFunc(w.conns, func(c report.Conn) bool { return c.Match(l) }) {
			return
		}
		matches++
		if len(found) < mostListed {
			found = append(found, l)
		}
	}
	var err error
	if w.points != nil {
		err = w.cross(core, nil)
	} else {
		err = w.track(core, w.choice, nil)
	}
	if err != nil {
		return nil, err
	}
	name := strings.Join(w.conn, ", ")
	switch {
	case matches == 1:
		return found[0], nil
	case all == 0:
		return nil, &statusError{statusInput, "the capture holds no TCP connection" + w.damageWords()}
	case matches == 0:
		return nil, usagef("no connection is %s; the capture has %d, with ids from 1: 'finwait read --all' lists them%s", name, all, w.damageWords())
	}
	slices.SortFunc(found, func(a, b *reassembly.Lifecycle) int { return int(int64(a.ID) - int64(b.ID)) })
	for _, l := range found {
		fmt.Fprintln(w.out, listed(l))
	}
	if matches > len(found) {
		fmt.Fprintf(w.out, "... and %d more\n", matches-len(found))
	}
	if name == "" {
		return nil, usagef("the capture has %d connections; --conn says which to show", matches)
	}
	return nil, usagef("%d connections are %s; --conn ID says which to show", matches, name)
}

func (w *showing) damageWords() string {
	if len(w.damage) == 0 {
		return ""
	}
	return " (" + strings.Join(w.damage, "; ") + ")"
}

// listed is one line about a connection.
func listed(l *reassembly.Lifecycle) string {
	worst := ""
	for i := range l.Findings {
		if f := &l.Findings[i]; f.Severity > reassembly.Info {
			worst += " " + f.ID
		}
	}
	return strings.TrimRight(fmt.Sprintf("#%-5d %s  %s -> %s  %s, opened %s, closed %s %s", l.ID, report.Time(l.Start).String()[11:26],
		l.Client, l.Server, some(l.Packets, "packet"), l.Open, l.Close, worst), " ")
}

// ladder reads the captures again, only the packets of that tuple, and keeps
// every one of them.
func (w *showing) ladder(core reassembly.Options, l *reassembly.Lifecycle) (*report.Ladder, error) {
	var d *report.Ladder
	b := w.builder(l)
	comments, size := map[report.PacketAt][]string{}, 0
	core.LogLimit = logLimit
	var segments []reassembly.CaseSegment
	core.CheckClean = nil // its segments are wanted
	core.Check = func(c *reassembly.Case) {
		anomaly.Check(c)
		segments = c.Segments()
	}
	core.Emit = func(again *reassembly.Lifecycle) {
		if again.First != l.First {
			return // another connection of the tuple
		}
		again.ID, again.Stream, again.Reuses, again.ReusedBy = l.ID, l.Stream, l.Reuses, l.ReusedBy
		d = b.Ladder(again, segments)
	}
	a, z := l.Client, l.Server
	mine := func(s *reassembly.Segment) bool {
		from, to, src, dst := s.SrcPort, s.DstPort, addr(s.Src), addr(s.Dst)
		return from == a.Port() && to == z.Port() && src == a.Addr().Unmap() && dst == z.Addr().Unmap() ||
			to == a.Port() && from == z.Port() && dst == a.Addr().Unmap() && src == z.Addr().Unmap()
	}
	var err error
	if w.points != nil {
		err = w.cross(core, mine)
	} else {
		err = w.track(core, w.choice, func(_ uint64, f *capture.Frame, s *reassembly.Segment) bool {
			if !mine(s) {
				return false
			}
			if f.Comment != nil && size < mostComments {
				size += len(f.Comment)
				comments[b.At(f.Packet)] = strings.Split(string(f.Comment), "\n")
			}
			return true
		})
	}
	if d != nil {
		d.Points = w.path
		d.Remark(comments)
	}
	if err == nil && d == nil {
		err = &statusError{statusInput, "the capture changed while it was read"}
	}
	return d, err
}

func (w *showing) write(out *output, d *report.Ladder) error {
	switch {
	case w.svg:
		return d.WriteSVG(out)
	case w.asJSON:
		e := json.NewEncoder(out)
		e.SetIndent("", " ")
		return e.Encode(d)
	}
	width, terminal := isTerminal(out.target())
	if w.width > 0 {
		width = w.width
	}
	return d.WriteText(out, report.LadderOptions{
		Width: width, Color: wantColor(terminal, w.noColor), Info: w.info,
		ASCII: w.ascii || terminal && !speaksUTF8(),
	})
}

// speaksUTF8 reports whether the terminal shows more than ASCII, as the
// environment has it.
func speaksUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return false
}
