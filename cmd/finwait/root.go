package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/finwait/finwait/report"
)

// streams are the program's three; data goes to out, all else to err.
type streams struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// run is the whole program but for os.Exit.
func run(args []string, s streams) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(s.err, "finwait: internal fault, please report it: %v\n%s", p, debug.Stack())
			code = statusInternal
		}
	}()
	// A reader that goes away shows as an error of the write, and not as a
	// signal that kills us between two lines.
	signal.Ignore(syscall.SIGPIPE)
	root := newRoot(s)
	root.SetArgs(args)
	code, text := status(root.Execute())
	if text != "" {
		fmt.Fprintf(s.err, "finwait: %s\n", oneLine(text))
	}
	return code
}

const about = `finwait reads packet captures and tells the life of every TCP connection in
them: which of the states of RFC 9293 each endpoint was in, when it got there,
which packet shows it, how sure that is, and what went wrong: above all lost
ACKs and breaches of 2MSL (TIME-WAIT).`

const examples = `  finwait trace.pcap                       a summary, then the connections with findings
  finwait --all trace.pcap                 every connection
  finwait --only finding=2msl captures/    what went wrong around TIME-WAIT
  finwait --explain trace.pcap             with what each finding means
  tcpdump -w - tcp | finwait -             what tcpdump sees
  finwait --format ndjson -o out trace.pcap`

const exitHelp = `
Exit status:
  0    done
  2    the command line is wrong
  3    a capture is unreadable or damaged; what could be read was reported
  4    the report, or packets of live --write, could not be written, or an internal fault
  130  interrupted (143: terminated); what had been read was reported
`

// newRoot makes the command tree. The root itself is read.
func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:           "finwait [flags] FILE|DIR|-...",
		Short:         "Tell the life of every TCP connection in packet captures",
		Long:          about,
		Example:       examples,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(s.in)
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommand(&cobra.Command{Use: "help [COMMAND]", Short: "Help about a command", Hidden: true, RunE: help})
	root.CompletionOptions.HiddenDefaultCmd = false
	readInto(root, s)
	read := &cobra.Command{
		Use:     "read [flags] FILE|DIR|-...",
		Short:   "Analyse captures; rotated files are one timeline (the default command)",
		Long:    about + "\n\nA directory stands for the captures in it, - for standard input. Several files\nare one timeline.",
		Example: strings.ReplaceAll(examples, "finwait -", "finwait read -"),
	}
	readInto(read, s)
	root.AddCommand(read, newExplain(s), newVersion(s), newMan(s))
	root.AddCommand(packetCommands(s)...)
	root.AddCommand(newLive(s, openInterface), newInterfaces(s))
	cobra.AddTemplateFunc("wrapped", func(f *pflag.FlagSet) string {
		width, ok := isTerminal(s.out)
		if !ok {
			width = 100
		}
		return f.FlagUsagesWrapped(width)
	})
	usage := strings.ReplaceAll(root.UsageTemplate(), ".LocalFlags.FlagUsages", "wrapped .LocalFlags")
	root.SetUsageTemplate(usage)
	for _, c := range []*cobra.Command{root, read} {
		c.SetUsageTemplate(usage + exitHelp)
	}
	addCI(root, usage, s)
	return root
}

func help(cmd *cobra.Command, args []string) error {
	c, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return usagef("there is no command %q", strings.Join(args, " "))
	}
	c.InitDefaultHelpFlag()
	return c.Help()
}

// flagError names the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	text := plainFault(err.Error())
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
		text = "unknown flag --" + name + report.DidYouMean("--"+name, known)
	}
	return usagef("%s (see '%s --help')", text, cmd.CommandPath())
}

// invalid is how pflag tells that a flag's value is of no use.
var invalid = regexp.MustCompile(`^invalid argument (".*") for "(?:-., )?(--[a-z-]+)" flag: (.*)$`)

// plainFault puts into plain words what the library for numbers says.
func plainFault(text string) string {
	m := invalid.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	value, flag, fault := m[1], m[2], m[3]
	switch {
	case strings.HasSuffix(fault, "value out of range"):
		fault = "is too large a number"
	case strings.HasPrefix(fault, "strconv.ParseBool"):
		fault = "is neither true nor false"
	case strings.HasPrefix(fault, "strconv.ParseUint"):
		fault = "is not a whole number from 0 up"
	case strings.HasPrefix(fault, "strconv."):
		fault = "is not a whole number"
	case strings.HasPrefix(fault, "time: "):
		fault = "is not a duration such as 90s or 1h30m"
	default:
		return flag + ": " + fault
	}
	return fmt.Sprintf("%s: %s %s", flag, value, fault)
}

// isTerminal reports whether f is a terminal, and how wide it is.
func isTerminal(f any) (width int, ok bool) {
	file, isFile := f.(*os.File)
	if !isFile {
		return 0, false
	}
	return terminalWidth(file)
}
