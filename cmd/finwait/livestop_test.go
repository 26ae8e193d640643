package main

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
)

// waitingSource has packets that wait, stamped at some time before or after now,
// and others that come as long as it is not closed.
type waitingSource struct {
	waiting, taken uint64
	stamp          int64
	more, closed   bool
}

// Next fills f with the next frame.
func (s *waitingSource) Next(f *capture.Frame) error {
	if s.taken >= s.waiting && (!s.more || s.closed) {
		return io.EOF
	}
	s.taken++
	*f = capture.Frame{Time: s.stamp, Packet: reassembly.MakePacket(0, s.taken), LinkType: capture.LinkEthernet, WireLen: 60, Data: make([]byte, 60)}
	return nil
}

func (s *waitingSource) Close() error             { s.closed = true; return nil }
func (s *waitingSource) LinkType() uint32         { return capture.LinkEthernet }
func (s *waitingSource) SnapLen() int             { return capture.MaxSnapLen }
func (s *waitingSource) Backend() string          { return "test" }
func (s *waitingSource) Stats() capture.LiveStats { return capture.LiveStats{} }
func (s *waitingSource) Quiet() time.Time         { return time.Time{} }

// liveOf is a run of live in this process, on a source of the test's.
func liveOf(t *testing.T, source packetSource, args ...string) *liveRun {
	t.Helper()
	l, f := new(liveFlags), new(flags)
	c := new(cobra.Command)
	f.register(c)
	l.register(c)
	if err := errors.Join(c.ParseFlags(append([]string{"-i", "none"}, args...)), l.check(f, nil)); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	return &liveRun{flags: f, live: l, streams: streams{in: strings.NewReader(""), out: io.Discard, err: &said},
		open: func(capture.LiveOptions) (packetSource, error) { return source, nil }}
}

// TestStopTakesWhatWaits: when the capture is to end while the analysis is behind,
// what passed before that is analysed; what came later is not; and it ends although
// the stamps are of a clock that never gets there.
func TestStopTakesWhatWaits(t *testing.T) {
	const waiting = 10 * tickForced
	past, future := time.Now().Add(-time.Hour).UnixNano(), time.Now().Add(time.Hour).UnixNano()
	for name, c := range map[string]struct {
		source waitingSource
		all    bool
	}{
		"behind":        {waitingSource{waiting: waiting, stamp: past}, true},
		"later":         {waitingSource{waiting: waiting, stamp: future}, false},
		"another clock": {waitingSource{waiting: waiting, stamp: past, more: true}, true},
	} {
		source := c.source
		r := liveOf(t, &source, "--duration", "1ns")
		r.drain = 50 * time.Millisecond
		if err := r.run(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if all := r.counted >= waiting; all != c.all || r.counted != source.taken {
			t.Errorf("%s: %d of %d packets that were taken are in the report", name, r.counted, source.taken)
		}
	}
}
