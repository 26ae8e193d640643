package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// This file is the command annotate: the same packets, with comments.

const annotateAbout = `Copy captures to one pcapng file in which every packet that moved an endpoint, was
lost, or shows a finding has a comment that says so. Wireshark shows the comments
in the packet's details, as a column (frame.comment) and under Analyze, Expert
Information; 'frame.comment contains "FIN-WAIT"' finds them.

The packets' bytes, times, lengths, order, interfaces and the comments that they
have already stay as they are; other options of packets of a pcapng file are not
taken over. Several files become one in the order of time, and the comments
count packets as the new file does. The comments are held in memory between the
two passes: --only and --conn choose connections where a capture has millions.`

const annotateExamples = `  finwait annotate trace.pcap -o annotated.pcapng
  finwait annotate captures/ --only finding=lost-ack -o annotated.pcapng`

type annotating struct {
	twice
	comments map[uint64]string // by the packet's number in the timeline
}

func newAnnotate(s streams) *cobra.Command {
	a := &annotating{twice: twice{reading: reading{flags: new(flags), streams: s}}}
	c := &cobra.Command{Use: "annotate [flags] FILE|DIR... -o OUT.pcapng", Short: "Copy captures to pcapng, with comments that Wireshark shows at each packet",
		Long: annotateAbout, Example: annotateExamples, Args: cobra.ArbitraryArgs}
	a.borrow(c, slices.Concat([]string{"output", "conn", "only", "min-severity"}, selectionFlags, coreFlags)...)
	describeCopy(c, "annotate only")
	c.RunE = a.run
	return c
}

func (a *annotating) run(cmd *cobra.Command, args []string) error {
	if err := a.start(cmd, args); err != nil {
		return err
	}
	core, form, err := a.selected()
	if err != nil {
		return err
	}
	choice, err := a.choice(a.paths, a.in)
	if err != nil {
		return err
	}
	a.stop = listen()
	defer a.stop.close()
	if err := a.learn(core, form.Selection, choice); err != nil {
		return err
	}
	return a.copy(func(n uint64, _ *capture.Frame) (string, bool) { return a.comments[n], true })
}

// learn reads the captures for what there is to say of each packet.
func (a *annotating) learn(core reassembly.Options, selection report.Selection, choice *filter) error {
	a.comments = map[uint64]string{}
	var segments []reassembly.CaseSegment
	core.CheckClean = nil // the segments of each are wanted
	core.Check = func(c *reassembly.Case) {
		anomaly.Check(c)
		segments = c.Segments()
	}
	var b report.Builder
	core.Emit = func(l *reassembly.Lifecycle) {
		if !selection.Match(l) {
			return
		}
		b.Ladder(l, segments).Comments(func(at report.PacketAt, lines []string) {
			text := strings.Join(lines, "\n")
			// A SYN can end one connection and begin the next.
			if before := a.comments[uint64(at.Number)]; before != "" {
				text = before + "\n" + text
			}
			a.comments[uint64(at.Number)] = text
		})
	}
	return a.track(core, choice, renumber)
}

// renumber gives packets the numbers that they have in the copy.
func renumber(n uint64, _ *capture.Frame, s *reassembly.Segment) bool {
	s.Packet = reassembly.MakePacket(0, n)
	return true
}

// selected makes the options of the commands that copy packets.
func (t *twice) selected() (reassembly.Options, report.Options, error) {
	core, err := t.tracker()
	if err != nil {
		return core, report.Options{}, err
	}
	if t.output == "" {
		return core, report.Options{}, usagef("%s: -o FILE says where the packets go", t.cmd.Name())
	}
	// The flags of the report that these commands do not have stay at their defaults.
	form, err := t.flags.report()
	return core, form, err
}

// describeCopy rewords the flags of read for a command that copies packets.
func describeCopy(c *cobra.Command, verb string) {
	words := map[string]string{"conn": verb + " this connection", "only": verb + " connections with", "min-severity": verb + " connections with findings of this"}
	for name, text := range words {
		f := c.Flags().Lookup(name)
		switch name {
		case "conn":
			f.Usage = strings.Replace(f.Usage, "list only this connection", text, 1)
		case "only":
			f.Usage = strings.Replace(f.Usage, "list only connections with", text, 1)
		case "min-severity":
			f.Usage = fmt.Sprintf("%s `SEVERITY` or worse: error, warning, note or info", text)
		}
	}
	c.Flags().Lookup("output").Usage = "write the packets to `FILE`, as pcapng"
}
