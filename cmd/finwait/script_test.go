package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
)

var update = flag.Bool("update", false, "write the expected texts of the scripts anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"finwait": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Condition: func(name string) (bool, error) {
			if name != "libpcap" {
				return false, fmt.Errorf("no condition is called %s", name)
			}
			return capture.HasLibpcap, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pcap": pcap, "head": head, "status": exitStatus, "interrupt": interrupt, "jsonlines": jsonLines, "onelined": oneLined,
		},
	})
}

// pcap SCRIPT FILE writes the capture of a script: one of the package fixtures
// by its name, or a file of the test.
func pcap(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: pcap SCRIPT FILE")
	}
	s, err := fixtures.Load(args[0])
	if strings.HasSuffix(args[0], ".fin") {
		s, err = fixtures.Parse(args[0], []byte(ts.ReadFile(args[0])))
	}
	ts.Check(err)
	b, err := s.Pcap()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o644))
}

// head BYTES FROM TO writes the first bytes of a file.
func head(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(ts.ReadFile(args[1]))[:n], 0o644))
}

// status N FINWAIT-ARGUMENTS... runs finwait and wants the exit status N; its
// outputs are in the files out and err of the working directory.
func exitStatus(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var out, errs bytes.Buffer
	cmd := command(ts, args[1:])
	cmd.Stdout, cmd.Stderr = &out, &errs
	_ = cmd.Run() // the status is looked at next
	ts.Check(os.WriteFile(ts.MkAbs("out"), out.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("err"), errs.Bytes(), 0o644))
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit status %d, want %d\n%s", got, want, errs.String())
	}
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := ts.Getenv("PATH")
	program := ""
	for _, dir := range strings.Split(path, string(os.PathListSeparator)) {
		if _, err := os.Stat(dir + "/finwait"); err == nil {
			program = dir + "/finwait"
			break
		}
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = append(os.Environ(), "NO_COLOR="+ts.Getenv("NO_COLOR"))
	return cmd
}

// interrupt SIGNAL STATUS FILE [PIPE] sends the signal to a finwait that waits for
// more than FILE on its standard input, or on a named pipe. Nobody writes to
// that pipe where FILE is -.
func interrupt(ts *testscript.TestScript, neg bool, args []string) {
	which := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]
	want, err := strconv.Atoi(args[1])
	ts.Check(err)
	from := "-"
	if len(args) > 3 {
		from = args[3]
		ts.Check(syscall.Mkfifo(ts.MkAbs(from), 0o600))
	}
	cmd := command(ts, []string{"read", from, "--format", "ndjson"})
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	in, err := cmd.StdinPipe()
	ts.Check(err)
	// A parent that ignores signals would have its child ignore them too.
	signal.Reset(which)
	ts.Check(cmd.Start())
	if from != "-" && args[2] != "-" {
		in, err = os.OpenFile(ts.MkAbs(from), os.O_WRONLY, 0) // waits for the reader
		ts.Check(err)
		defer in.Close()
	}
	if args[2] != "-" {
		_, err = in.Write([]byte(ts.ReadFile(args[2])))
		ts.Check(err)
	}
	settled(ts, cmd.Process.Pid)
	ts.Check(cmd.Process.Signal(which))
	_ = cmd.Wait() // the status is looked at next
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit status %d, want %d\n%s", got, want, errs.String())
	}
	ts.Check(os.WriteFile(ts.MkAbs("out"), out.Bytes(), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("err"), errs.Bytes(), 0o644))
}

// settled waits until a process has done all that it can do before more comes: each
// of its threads sleeps, at several looks in a row. One that waits for a processor
// does not sleep. Where /proc does not tell, a second must do.
func settled(ts *testscript.TestScript, pid int) {
	tasks := fmt.Sprintf("/proc/%d/task", pid)
	if _, err := os.Stat(tasks); err != nil {
		time.Sleep(time.Second)
		return
	}
	deadline := time.Now().Add(time.Minute)
	for calm := 0; calm < 5; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("the process does not come to rest")
		}
		calm++
		stats, err := filepath.Glob(tasks + "/*/stat")
		ts.Check(err)
		for _, stat := range stats {
			b, err := os.ReadFile(stat)
			if _, after, ok := bytes.Cut(b, []byte(") ")); err != nil || !ok || after[0] != 'S' {
				calm = 0
			}
		}
	}
}

// jsonlines FILE TYPE... wants one JSON object a line, of these types.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile(args[0])), "\n")
	var got []string
	for _, line := range lines {
		var o struct{ Type string }
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			ts.Fatalf("%v: %s", err, line)
		}
		got = append(got, o.Type)
	}
	if strings.Join(got, " ") != strings.Join(args[1:], " ") {
		ts.Fatalf("types %v, want %v", got, args[1:])
	}
}

// onelined FILE wants exactly one line.
func oneLined(ts *testscript.TestScript, neg bool, args []string) {
	if text := ts.ReadFile(args[0]); strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") {
		ts.Fatalf("%s is not one line:\n%s", args[0], text)
	}
}
