package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/finwait/finwait/report"
)

// TestLiveFullDisk: the capture goes on when the disk is full. That is told at once
// and in the report, by the exit status too, what was kept stays readable, and
// files that rotate do not pile up empty.
func TestLiveFullDisk(t *testing.T) {
	l := newLab(t)
	const connections = 3000 // some 900 kB as pcapng
	for name, args := range map[string][]string{"one file": nil, "rotating": {"--rotate", "100K", "--keep", "20"}} {
		t.Run(name, func(t *testing.T) {
			disk := t.TempDir()
			if err := unix.Mount("none", disk, "tmpfs", 0, "size=256k"); err != nil {
				t.Skipf("no tmpfs can be mounted here: %v", err)
			}
			t.Cleanup(func() {
				if err := unix.Unmount(disk, 0); err != nil {
					t.Error(err)
				}
			})
			r := l.live(append([]string{"--format", "json", "--write", filepath.Join(disk, "kept.pcapng")}, args...)...)
			l.in(l.client, func() { inject(t, connections, 20_000) })
			for until := time.Now().Add(10 * time.Second); !strings.Contains(r.said(), "packets are not kept: "); {
				if time.Now().After(until) {
					t.Fatalf("while it runs it says nothing: %s", r.said())
				}
				time.Sleep(10 * time.Millisecond)
			}
			if code := r.stop(); code != statusInternal || !strings.Contains(r.said(), " packets were not kept: ") || !strings.Contains(r.said(), "no space left on device") {
				t.Errorf("status %d: %s", code, r.said())
			}
			var all, kept report.Document
			if err := json.Unmarshal(r.out.Bytes(), &all); err != nil {
				t.Fatal(err)
			}
			warned := false
			for _, w := range all.Summary.Quality.Warnings {
				warned = warned || strings.Contains(w.Text, "were not kept: ") && strings.Contains(w.Text, "no space left on device")
			}
			if all.Summary.Connections != connections || !warned {
				t.Errorf("the report has %d connections, warnings %+v", all.Summary.Connections, all.Summary.Quality.Warnings)
			}
			files, err := filepath.Glob(filepath.Join(disk, "*"))
			if err != nil || len(files) == 0 || len(files) > 4 {
				t.Errorf("files %q, %v", files, err)
			}
			for _, name := range files {
				if info, err := os.Stat(name); err != nil || info.Size() == 0 {
					t.Errorf("%s is empty, %v", name, err)
				}
			}
			var out, errs bytes.Buffer
			if code := run([]string{"read", "--format", "json", disk}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != statusOK {
				t.Errorf("what was kept cannot be read: status %d, %s", code, errs.String())
			}
			if err := json.Unmarshal(out.Bytes(), &kept); err != nil {
				t.Fatal(err)
			}
			if n := kept.Summary.Connections; n < connections/10 || n >= connections {
				t.Errorf("%d connections of %d were kept", n, connections)
			}
		})
	}
}
