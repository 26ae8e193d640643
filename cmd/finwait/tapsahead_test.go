package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/capture"
)

// The report of both ends is the same bytes for any number of goroutines.
func TestTapsWorkers(t *testing.T) {
	for _, format := range []string{"ndjson", "text", "json", "csv"} {
		var first string
		for _, workers := range []string{"1", "2", "5"} {
			var out, errs bytes.Buffer
			if code := run([]string{"read", "--client-side", lastACKLost + ".client.pcap", "--server-side", lastACKLost + ".server.pcap",
				"--format", format, "--workers", workers}, streams{in: &bytes.Buffer{}, out: &out, err: &errs}); code != 0 {
				t.Fatalf("exit status %d: %s", code, errs.Bytes())
			}
			if first == "" {
				first = out.String()
			} else if out.String() != first {
				t.Errorf("%s: another report with %s workers", format, workers)
			}
		}
	}
}

// A report that cannot be written ends the run, whoever works on it.
func TestTapsUnwritten(t *testing.T) {
	for _, workers := range []string{"1", "3"} {
		var errs bytes.Buffer
		full := &filling{room: 10}
		if code := run([]string{"read", "--client-side", lastACKLost + ".client.pcap", "--server-side", lastACKLost + ".server.pcap",
			"--format", "ndjson", "--workers", workers}, streams{in: &bytes.Buffer{}, out: full, err: &errs}); code == 0 {
			t.Errorf("%s workers: exit status 0, although nothing could be written", workers)
		}
	}
}

// filling takes some bytes and no more.
type filling struct{ room int }

func (f *filling) Write(b []byte) (int, error) {
	if len(b) > f.room {
		return 0, io.ErrShortWrite
	}
	f.room -= len(b)
	return len(b), nil
}

// One capture of each point may be a pipe: it is kept, since captures are read
// twice, and the report is that of the files.
func TestTapsFromPipes(t *testing.T) {
	client, server := lastACKLost+".client.pcap", lastACKLost+".server.pcap"
	bytesOf := func(path string) []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	report := func(in []byte, args ...string) string {
		var out, errs bytes.Buffer
		if code := run(slices.Concat(args, []string{"--progress", "off"}), streams{in: bytes.NewReader(in), out: &out, err: &errs}); code != 0 {
			t.Fatalf("exit status %d: %s", code, errs.Bytes())
		}
		return out.String()
	}
	want := report(nil, "read", "--client-side", client, "--server-side", server, "--format", "ndjson")
	named := func(old, name string) string {
		return strings.Replace(want, `"name":"`+old+`"`, `"name":"`+name+`"`, 1)
	}
	if got := report(bytesOf(server), "read", "--client-side", client, "--server-side", "-", "--format", "ndjson"); got != named(server, "-") {
		t.Errorf("from standard input: %s", got)
	}
	drawing := report(nil, "show", "--client-side", client, "--server-side", server)
	if got := report(bytesOf(client), "show", "--client-side", "-", "--server-side", server); got != drawing {
		t.Errorf("from standard input: %s", got)
	}
	if _, err := os.Stat("/dev/fd"); err != nil {
		return // the system gives pipes no names
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(r)
	go func() {
		_, _ = w.Write(bytesOf(client))
		closeQuietly(w)
	}()
	pipe := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if got := report(bytesOf(server), "read", "--client-side", pipe, "--server-side", "-", "--format", "ndjson"); got != strings.Replace(named(server, "-"), client, pipe, 1) {
		t.Errorf("from a pipe: %s", got)
	}
}

// Progress counts both passes over all captures.
func TestTapsProgress(t *testing.T) {
	var all int64
	p := &pairing{stop: listen()}
	defer p.stop.close()
	for _, path := range []string{lastACKLost + ".client.pcap", lastACKLost + ".server.pcap"} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		all += 2 * st.Size()
		p.points = append(p.points, &point{name: path, paths: []string{path}})
	}
	if err := p.survey(); err != nil {
		t.Fatal(err)
	}
	var m measured = &p.progress
	if read, total := m.Bytes(); read != all/2 || total != all {
		t.Errorf("after one of two passes %d of %d bytes were read, wanted %d of %d", read, total, all/2, all)
	}
	for _, point := range p.points {
		source, err := p.open(point)
		if err != nil {
			t.Fatal(err)
		}
		in := point.last.in
		for f := (capture.Frame{}); err == nil; {
			err = in.Next(&f)
		}
		if err != io.EOF {
			t.Fatal(err)
		}
		closeQuietly(source)
	}
	if read, total := m.Bytes(); read != all || total != all {
		t.Errorf("after both passes %d of %d bytes were read", read, total)
	}
}
