package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// This file is the command explain: the texts of the rules, the states and the
// words, as they stand in the core.

// entry is one thing that has an explanation.
type entry struct {
	title, markdownTitle string
	text, markdown       string
}

const explainLong = `Explain a finding, a TCP state, or a word of the report, in any common spelling:
final-ack-lost, FIN_WAIT1, SYN_RCVD, presumed, after-tap, half-open. Without an
argument, list all that can be explained.`

func newExplain(s streams) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:   "explain [ID|STATE|WORD...]",
		Short: "Explain a finding, a TCP state or a word of the report",
		Long:  explainLong,
		Example: `  finwait explain final-ack-lost
  finwait explain FIN_WAIT2 presumed
  finwait explain --format markdown > findings.md`,
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return explainable(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if !slices.Contains(explainFormats, format) {
				return usagef("--format: there is no %q; the formats are %s", format, strings.Join(explainFormats, ", "))
			}
			var b strings.Builder
			if len(args) == 0 {
				list(&b, format == "markdown")
			}
			for i, word := range args {
				found := lookup(word)
				if len(found) == 0 {
					return usagef("nothing is called %q%s; 'finwait explain' lists what can be explained", word,
						report.DidYouMean(strings.ToLower(word), explainable()))
				}
				for j, e := range found {
					if i+j > 0 {
						b.WriteString("\n")
					}
					e.write(&b, format == "markdown")
				}
			}
			text := b.String()
			if width, ok := isTerminal(s.out); ok && format == "text" {
				text = wrapLines(text, width)
			}
			_, err := fmt.Fprint(s.out, text)
			return err
		},
	}
	c.Flags().StringVar(&format, "format", "text", "`FORM`: "+strings.Join(explainFormats, " or "))
	// It fails only for a flag that does not exist, and this one does.
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(explainFormats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

var explainFormats = []string{"text", "markdown"}

func (e *entry) write(b *strings.Builder, markdown bool) {
	switch {
	case markdown && e.markdown != "":
		b.WriteString(e.markdown)
	case markdown:
		fmt.Fprintf(b, "## %s\n\n%s\n", e.markdownTitle, e.text)
	default:
		fmt.Fprintf(b, "%s%s\n", e.title, strings.TrimRight(e.text, "\n"))
	}
}

// lookup finds all that a word may mean: half-open is a way to open and the
// other name of a finding.
func lookup(word string) []entry {
	var found []entry
	if rule, ok := anomaly.Lookup(word); ok {
		found = append(found, entry{text: rule.Text(), markdown: rule.Markdown()})
	}
	if state, ok := tcpstate.Parse(word); ok {
		found = append(found, entry{title: state.String() + "\n\n", markdownTitle: state.String(), text: state.Explain()})
	}
	for _, w := range anomaly.LookupWord(word) {
		found = append(found, wordEntry(w))
	}
	for _, w := range kinds {
		if strings.EqualFold(w.Name, word) || w.Kind == strings.ToLower(word) {
			found = append(found, wordEntry(w))
		}
	}
	return found
}

func wordEntry(w anomaly.Word) entry {
	name := fmt.Sprintf("%s (%s)", w.Name, w.Kind)
	return entry{title: name + ": ", markdownTitle: name, text: w.Text}
}

// kinds explain how connections open and close.
var kinds = []anomaly.Word{
	{Kind: "open", Name: reassembly.OpenThreeWay.String(), Text: "SYN, SYN-ACK, ACK: the ordinary handshake."},
	{Kind: "open", Name: reassembly.OpenSimultaneous.String(), Text: "Both ends sent a SYN before either had the other's (RFC 9293 section 3.5, figure 7)."},
	{Kind: "open", Name: reassembly.OpenFast.String(), Text: "The server took data on the SYN (TCP Fast Open, RFC 7413)."},
	{Kind: "open", Name: reassembly.OpenMidstream.String(), Text: "The first packet of the connection in the capture is not of a handshake: the capture began later."},
	{Kind: "open", Name: reassembly.OpenUnanswered.String(), Text: "A SYN, and nothing in answer."},
	{Kind: "open", Name: reassembly.OpenRefused.String(), Text: "A SYN, answered by a RST or an ICMP error."},
	{Kind: "open", Name: reassembly.OpenHalf.String(), Text: "A SYN and a SYN-ACK, but no third ACK is known to have arrived."},
	{Kind: "close", Name: reassembly.CloseFourWay.String(), Text: "FIN, ACK, FIN, ACK: each direction closed on its own."},
	{Kind: "close", Name: reassembly.CloseThreeWay.String(), Text: "FIN, FIN with the ACK, ACK: the second end closed at once."},
	{Kind: "close", Name: reassembly.CloseSimultaneous.String(), Text: "The FINs crossed: each end closed before it had the other's FIN (RFC 9293 section 3.6, figure 13)."},
	{Kind: "close", Name: reassembly.CloseHalf.String(), Text: "One end has sent its FIN, the other had not when the trace ended."},
	{Kind: "close", Name: reassembly.CloseReset.String(), Text: "A RST ended it, perhaps after a FIN; 'first' is who sent the FIN, else the RST."},
	{Kind: "close", Name: reassembly.CloseTimeout.String(), Text: "Silent for longer than the time-out; silence is no proof of an end."},
	{Kind: "close", Name: reassembly.CloseSuperseded.String(), Text: "A new connection began on the same tuple while no close of this one had been seen."},
	{Kind: "close", Name: reassembly.CloseNone.String(), Text: "Still open when the trace ended."},
	{Kind: "close", Name: reassembly.CloseEvicted.String(), Text: "Given up because the table was full (--max-connections); what followed counts as a new connection."},
}

// explainable are the words that explain knows, in their proper spelling.
func explainable() []string {
	words := anomaly.IDs()
	for s := tcpstate.Listen; s <= tcpstate.Closed; s++ {
		words = append(words, s.String())
	}
	for _, w := range slices.Concat(anomaly.Words(), kinds) {
		words = append(words, w.Name)
	}
	return words
}

// list is explain without arguments.
func list(b *strings.Builder, markdown bool) {
	if markdown {
		fmt.Fprintf(b, "# Findings\n\n%s\n", anomaly.Table())
		for _, r := range anomaly.All() {
			fmt.Fprintf(b, "%s\n", r.Markdown())
		}
		fmt.Fprintf(b, "# States\n\n")
		for s := tcpstate.Listen; s <= tcpstate.Closed; s++ {
			fmt.Fprintf(b, "## %s\n\n%s\n\n", s, s.Explain())
		}
		fmt.Fprintf(b, "# Words\n\n| word | kind | meaning |\n|---|---|---|\n")
		for _, w := range slices.Concat(anomaly.Words(), kinds) {
			fmt.Fprintf(b, "| `%s` | %s | %s |\n", w.Name, w.Kind, w.Text)
		}
		return
	}
	b.WriteString("Findings\n")
	family := ""
	for _, r := range anomaly.All() {
		if r.Family != family {
			family = r.Family
			fmt.Fprintf(b, "\n  %s\n", family)
		}
		fmt.Fprintf(b, "    %-26s %-8s %s\n", r.ID, r.Severity, r.Title)
	}
	b.WriteString("\nStates\n\n ")
	for s := tcpstate.Listen; s <= tcpstate.Closed; s++ {
		fmt.Fprintf(b, " %s", s)
	}
	b.WriteString("\n\nWords\n")
	kind := ""
	for _, w := range slices.Concat(anomaly.Words(), kinds) {
		if w.Kind != kind {
			kind = w.Kind
			fmt.Fprintf(b, "\n  %-11s", kind)
		}
		fmt.Fprintf(b, " %s", w.Name)
	}
	b.WriteString("\n")
}

// wrapLines breaks each line that is wider than the terminal; what follows is
// indented like the line.
func wrapLines(text string, width int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		rest := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(rest)]
		for _, part := range report.Wrap(rest, max(20, width-len(indent))) {
			b.WriteString(indent + part + "\n")
		}
	}
	return b.String()
}
