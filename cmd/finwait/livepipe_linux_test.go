package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func namedPipe(t *testing.T) string {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	return pipe
}

// TestWriteToPipe: a named pipe that is read gets all packets; one that nobody
// reads, or no longer, keeps neither the capture nor its end waiting, and what it
// did not take is counted.
func TestWriteToPipe(t *testing.T) {
	const packets = 5 * tickForced
	source := func() *waitingSource {
		return &waitingSource{waiting: packets, stamp: time.Now().Add(-time.Hour).UnixNano()}
	}
	t.Run("read", func(t *testing.T) {
		pipe := namedPipe(t)
		r := liveOf(t, source(), "--duration", "1ns", "--write", pipe)
		read := make(chan []byte)
		go func() {
			text, err := os.ReadFile(pipe)
			if err != nil {
				t.Error(err)
			}
			read <- text
		}()
		if err := r.run(); err != nil {
			t.Fatal(err)
		}
		kept := filepath.Join(t.TempDir(), "kept.pcapng")
		if err := os.WriteFile(kept, <-read, 0o600); err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if code := run([]string{"read", "--format", "json", kept}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != statusOK ||
			!strings.Contains(out.String(), fmt.Sprintf(`"frames":%d`, r.counted)) {
			t.Errorf("status %d for %d packets: %s%.300s", code, r.counted, errs.String(), out.String())
		}
	})
	for name, open := range map[string]bool{"nobody reads": false, "the reader stops": true} {
		t.Run(name, func(t *testing.T) {
			pipe := namedPipe(t)
			var reader *os.File
			if open {
				var err error
				if reader, err = os.OpenFile(pipe, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
					t.Fatal(err)
				}
			}
			r := liveOf(t, source(), "--duration", "1ns", "--write", pipe)
			r.drain = 50 * time.Millisecond
			said := r.streams.err.(*bytes.Buffer)
			var status *statusError
			if err := r.run(); !errors.As(err, &status) || status.status != statusInternal {
				t.Errorf("it ended with %v", err)
			}
			if lost := r.packets.lost(); r.counted < packets || lost == 0 || lost > r.counted || !open && lost != r.counted ||
				!strings.Contains(said.String(), fmt.Sprintf("%d packets were not kept: it is a pipe, and nobody read it in time", lost)) {
				t.Errorf("%d packets, %d lost: %s", r.counted, lost, said)
			}
			// What waits for the pipe goes on.
			if !open {
				var err error
				if reader, err = os.Open(pipe); err != nil {
					t.Fatal(err)
				}
			}
			_ = reader.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // a pipe has deadlines
			_, _ = io.Copy(io.Discard, reader)
			_ = reader.Close()
		})
	}
}
