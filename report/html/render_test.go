package html_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/html"
)

// This file makes pages for the tests: from captures, and from segments made here.

// session feeds a tracker whose results go to a page.
type session struct {
	w       *html.Writer
	tracker *reassembly.Tracker
	out     bytes.Buffer
}

func newSession(o html.Options) *session {
	s := &session{}
	if o.Capture.MSL == 0 {
		o.Capture.MSL = report.Seconds(30 * time.Second)
	}
	s.w = html.New(&s.out, o)
	s.tracker = reassembly.NewTracker(reassembly.Options{
		LogLimit: html.DefaultSegments,
		Check:    s.w.Check(anomaly.Check),
		Emit:     func(l *reassembly.Lifecycle) { _ = s.w.Add(l) }, // its error is always nil
	})
	return s
}

func (s *session) close(t testing.TB, trace report.Trace) []byte {
	t.Helper()
	s.tracker.Close()
	if err := s.w.Close(trace); err != nil {
		t.Fatal(err)
	}
	return s.out.Bytes()
}

// readFiles makes the page of captures.
func readFiles(t testing.TB, o html.Options, paths ...string) []byte {
	t.Helper()
	for i, p := range paths {
		if len(o.Capture.Files) <= i {
			o.Capture.Files = append(o.Capture.Files, report.CaptureFile{File: i + 1, Name: p})
		}
	}
	s := newSession(o)
	in, err := capture.Open(paths, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	var seg reassembly.Segment
	var first, last int64
	for {
		err := in.Next(&f)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if first == 0 {
			first = f.Time
		}
		last = max(last, f.Time)
		if d.Decode(&f, &seg) == capture.NotSkipped {
			s.tracker.Add(&seg)
		} else {
			s.tracker.Advance(f.Time)
		}
	}
	q := d.Quality()
	return s.close(t, report.Trace{Start: first, End: last, Quality: report.Quality{Frames: q.Frames, Segments: q.Segments}})
}

// script makes the page of a script of package fixtures.
func script(t testing.TB, o html.Options, name string) []byte {
	t.Helper()
	sc, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	pcap, err := sc.Pcap()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".pcap")
	if err := os.WriteFile(path, pcap, 0o600); err != nil {
		t.Fatal(err)
	}
	if o.Capture.Files == nil {
		o.Capture.Files = []report.CaptureFile{{File: 1, Name: name + ".pcap"}}
	}
	return readFiles(t, o, path)
}

// merged makes one page of several scripts, one after the other, each from ports
// and hosts of its own.
func merged(t testing.TB, o html.Options, names ...string) []byte {
	t.Helper()
	o.Capture.Files = []report.CaptureFile{{File: 1, Name: "several.pcap"}}
	s := newSession(o)
	var first, last int64
	var packet uint64
	for i, name := range names {
		sc, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		pcap, err := sc.Pcap()
		if err != nil {
			t.Fatal(err)
		}
		in, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(pcap)})
		if err != nil {
			t.Fatal(err)
		}
		d := capture.NewDecoder(capture.DecoderOptions{})
		var f capture.Frame
		var seg reassembly.Segment
		base, began := last, int64(0)
		for in.Next(&f) == nil {
			if began == 0 {
				began = f.Time
			}
			if first == 0 {
				first, base = f.Time, f.Time
			}
			if d.Decode(&f, &seg) != capture.NotSkipped {
				continue
			}
			packet++
			seg.Time = base + seg.Time - began + int64(time.Second)
			last = max(last, seg.Time)
			seg.Packet = reassembly.MakePacket(0, packet)
			if seg.SrcPort > seg.DstPort {
				seg.SrcPort += uint16(i)
			} else {
				seg.DstPort += uint16(i)
			}
			s.tracker.Add(&seg)
		}
	}
	return s.close(t, report.Trace{Start: first, End: last, Quality: report.Quality{Frames: packet, Segments: packet}})
}

// wire makes segments of one connection, one after the other.
type wire struct {
	s              *session
	client, server netip.AddrPort
	packet         *uint64
	seq            [2]uint32
}

var begin = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).UnixNano()

func (w *wire) send(at time.Duration, from int, flags uint8, length uint32) {
	*w.packet++
	seg := reassembly.Segment{
		Time: begin + int64(at), Packet: reassembly.MakePacket(0, *w.packet), Seq: w.seq[from], Flags: flags, Length: length,
		Window: 64240, Wire: 54 + length, TTL: 64, IPID: uint16(*w.packet),
	}
	src, dst := w.client, w.server
	if from == 1 {
		src, dst = dst, src
	}
	seg.Src, seg.Dst, seg.SrcPort, seg.DstPort = src.Addr().As16(), dst.Addr().As16(), src.Port(), dst.Port()
	if flags&reassembly.FlagACK != 0 {
		seg.Ack = w.seq[1-from]
	}
	if flags&reassembly.FlagSYN != 0 {
		seg.MSS = 1460
	}
	w.seq[from] += seg.Span()
	w.s.tracker.Add(&seg)
}

// flood makes a page of n connections that overlap: most close in order, some are
// reset, refused or unanswered.
func flood(t testing.TB, n int) []byte {
	t.Helper()
	s := newSession(html.Options{Capture: report.Capture{Files: []report.CaptureFile{{File: 1, Name: "flood.pcap"}}}})
	var packet uint64
	const syn, ack, fin, rst, psh = reassembly.FlagSYN, reassembly.FlagACK, reassembly.FlagFIN, reassembly.FlagRST, reassembly.FlagPSH
	for i := range n {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i%250)+1)
		w := &wire{s: s, packet: &packet, seq: [2]uint32{uint32(i) * 7919, uint32(i) * 104729},
			client: netip.AddrPortFrom(netip.AddrFrom4(a), uint16(20000+i/250%40000)),
			server: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i%7) + 1}), uint16(80+i%3))}
		at := time.Duration(i) * 2 * time.Millisecond
		us := time.Microsecond
		rtt := time.Duration(200+i%37*90) * us
		w.send(at, 0, syn, 0)
		switch i % 50 {
		case 7:
			continue // nobody answers
		case 19:
			w.send(at+rtt, 1, rst|ack, 0)
			continue
		}
		w.send(at+rtt/2, 1, syn|ack, 0)
		w.send(at+rtt, 0, ack, 0)
		w.send(at+rtt+50*us, 0, ack|psh, 300)
		w.send(at+rtt+200*us, 1, ack|psh, 1200)
		if i%50 == 33 {
			w.send(at+rtt+400*us, 0, rst|ack, 0)
			continue
		}
		closer := i / 3 % 2
		w.send(at+rtt+300*us, closer, fin|ack, 0)
		w.send(at+rtt+400*us, 1-closer, fin|ack, 0)
		w.send(at+rtt+500*us, closer, ack, 0)
	}
	return s.close(t, report.Trace{Start: begin, End: begin + int64(n)*int64(2*time.Millisecond) + int64(time.Second),
		Quality: report.Quality{Frames: packet, Segments: packet}})
}
