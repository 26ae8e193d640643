package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/report/pcapng"
)

// packet is what a copy must keep of a frame.
type packet struct {
	Time                    int64
	Link, Interface, Length uint32
	Data                    string
}

func packets(t *testing.T, paths ...string) []packet {
	t.Helper()
	in, err := capture.Open(paths, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(in)
	var list []packet
	var f capture.Frame
	for {
		err := in.Next(&f)
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, packet{f.Time, f.LinkType, f.Interface, f.WireLen, string(f.Data)})
	}
}

// mustRun runs a command that must succeed.
func mustRun(t *testing.T, args ...string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(args, streams{strings.NewReader(""), &out, &errs}); code != 0 {
		t.Fatalf("finwait %s: exit status %d\n%s", strings.Join(args, " "), code, errs.String())
	}
	return out.String()
}

// someCaptures writes the capture of every script, and lists those of real kernels.
func someCaptures(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var paths []string
	for _, name := range fixtures.Scripts() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Pcap()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".pcap")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	kernel, err := filepath.Glob("../../fixtures/kernel/*.pcap")
	if err != nil || len(kernel) == 0 {
		t.Fatalf("no captures of kernels: %v", err)
	}
	return append(paths, kernel...)
}

func TestAnnotatedPacketsAreTheSame(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.pcapng")
	comments := 0
	for _, path := range someCaptures(t) {
		mustRun(t, "annotate", path, "-o", out)
		if d := cmp.Diff(packets(t, path), packets(t, out)); d != "" {
			t.Errorf("%s: %s", filepath.Base(path), d)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		comments += bytes.Count(data, []byte("#1 client: "))
	}
	if comments < 500 {
		t.Errorf("only %d comments about clients", comments)
	}
}

// What is extracted of every connection, one after another, is the whole capture.
func TestExtractedPacketsAreThoseOfTheConnection(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.pcapng")
	for _, path := range someCaptures(t) {
		have := map[packet]int{}
		for _, p := range packets(t, path) {
			have[p]++
		}
		before := int64(0)
		mustRun(t, "extract", path, "--conn", "1", "-o", out, "-q")
		for i, p := range packets(t, out) {
			if have[p] == 0 {
				t.Fatalf("%s: packet %d of the copy is not of the capture", filepath.Base(path), i+1)
			}
			have[p]--
			if p.Time < before && !strings.Contains(path, "backwards") {
				t.Errorf("%s: packet %d of the copy is out of order", filepath.Base(path), i+1)
			}
			before = p.Time
		}
	}
}

// Several files are one timeline, and the comments count as the copy does.
func TestAnnotateSeveralFiles(t *testing.T) {
	dir := t.TempDir()
	all := packets(t, someCaptures(t)[0])
	var paths []string
	for part := range 2 {
		path := filepath.Join(dir, fmt.Sprintf("part%d.pcapng", part))
		writePackets(t, path, all[part*len(all)/2:(part+1)*len(all)/2])
		paths = append(paths, path)
	}
	out := filepath.Join(dir, "out.pcapng")
	mustRun(t, append([]string{"annotate", "-o", out}, paths...)...)
	if d := cmp.Diff(all, packets(t, out)); d != "" {
		t.Error(d)
	}
	whole := filepath.Join(dir, "whole.pcapng")
	mustRun(t, "annotate", "-o", whole, someCaptures(t)[0])
	one, _ := os.ReadFile(whole)
	many, _ := os.ReadFile(out)
	for _, part := range []string{"refuted by", "confirmed by 2"} {
		if bytes.Count(one, []byte(part)) != bytes.Count(many, []byte(part)) {
			t.Errorf("%q: the comments differ", part)
		}
	}
}

func writePackets(t *testing.T, path string, list []packet) {
	t.Helper()
	var b bytes.Buffer
	w, err := pcapng.NewWriter(&b, "test")
	if err != nil {
		t.Fatal(err)
	}
	known := map[uint32]int{}
	for _, p := range list {
		for n := uint32(len(known)); n <= p.Interface; n++ {
			if known[n], err = w.AddInterface(pcapng.Interface{LinkType: uint16(p.Link), Name: fmt.Sprintf("eth%d", n), SnapLen: 65535}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(&pcapng.Packet{Interface: known[p.Interface], Time: p.Time, WireLen: p.Length, Data: []byte(p.Data)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Interfaces keep their numbers, names and link types, and cut packets their lengths.
func TestAnnotateKeepsInterfaces(t *testing.T) {
	dir := t.TempDir()
	list := packets(t, someCaptures(t)[0])
	for i := range list {
		list[i].Interface = uint32(i%3) * 2
		list[i].Data = list[i].Data[:60-i%4]
	}
	in, out := filepath.Join(dir, "in.pcapng"), filepath.Join(dir, "out.pcapng")
	writePackets(t, in, list)
	mustRun(t, "annotate", in, "-o", out)
	if d := cmp.Diff(packets(t, in), packets(t, out)); d != "" {
		t.Error(d)
	}
	names := func(path string) (names []string) {
		r, err := capture.Open([]string{path}, capture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer closeQuietly(r)
		var f capture.Frame
		for r.Next(&f) == nil {
		}
		for _, i := range r.Files()[0].Interfaces {
			names = append(names, fmt.Sprint(i.Name, i.Index, i.LinkType, i.SnapLen))
		}
		return names
	}
	if d := cmp.Diff(names(in), names(out)); d != "" {
		t.Error(d)
	}
}

// The fragments of a segment are extracted with it.
func TestExtractFragments(t *testing.T) {
	dir := t.TempDir()
	list := packets(t, someCaptures(t)[0])
	var cut []packet
	for _, p := range list {
		cut = append(cut, fragments(p)...)
	}
	if len(cut) <= len(list) {
		t.Fatal("nothing was cut into fragments")
	}
	in, out := filepath.Join(dir, "in.pcapng"), filepath.Join(dir, "out.pcapng")
	writePackets(t, in, cut)
	mustRun(t, "extract", in, "--conn", "1", "-o", out, "-q")
	if d := cmp.Diff(cut, packets(t, out)); d != "" {
		t.Error(d)
	}
}

// fragments cuts an IPv4 packet with a payload behind Ethernet in two.
func fragments(p packet) []packet {
	const link, header = 14, 20
	b := []byte(p.Data)
	if len(b) < link+header+80 || b[12] != 8 || b[13] != 0 || b[link] != 0x45 {
		return []packet{p}
	}
	part := func(from, to int, flags byte) packet {
		f := bytes.Clone(b[:link+header])
		f = append(f, b[link+header+from:link+header+to]...)
		ip := f[link:]
		ip[2], ip[3] = byte((len(ip))>>8), byte(len(ip))
		ip[6], ip[7] = flags, byte(from/8)
		ip[10], ip[11] = 0, 0
		sum := uint32(0)
		for i := 0; i < header; i += 2 {
			sum += uint32(ip[i])<<8 | uint32(ip[i+1])
		}
		for sum > 0xffff {
			sum = sum&0xffff + sum>>16
		}
		ip[10], ip[11] = byte(^sum>>8), byte(^sum)
		return packet{p.Time, p.Link, p.Interface, uint32(len(f)), string(f)}
	}
	return []packet{part(0, 40, 0x20), part(40, len(b)-link-header, 0)}
}

// TestTsharkReadsCopies holds our files against Wireshark's own reader.
func TestTsharkReadsCopies(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	if testing.Short() {
		t.Skip("tshark is slow")
	}
	out := filepath.Join(t.TempDir(), "out.pcapng")
	fields := func(path string, names ...string) string {
		args := []string{"-n", "-r", path, "-T", "fields"}
		for _, name := range names {
			args = append(args, "-e", name)
		}
		text, err := exec.Command(tshark, args...).Output()
		if err != nil {
			t.Fatalf("tshark %s: %v", path, err)
		}
		return string(text)
	}
	same := []string{"frame.number", "frame.time_epoch", "frame.len", "frame.cap_len", "frame.encap_type", "tcp.stream", "tcp.seq_raw", "tcp.ack_raw", "tcp.flags", "tcp.checksum"}
	list := someCaptures(t)
	for _, path := range []string{list[0], list[len(list)-1]} {
		mustRun(t, "annotate", path, "-o", out)
		if d := cmp.Diff(fields(path, same...), fields(out, same...)); d != "" {
			t.Errorf("%s: %s", filepath.Base(path), d)
		}
		if text := fields(out, "frame.comment"); !strings.Contains(text, "SYN-SENT") {
			t.Errorf("%s: no comments: %s", filepath.Base(path), text)
		}
		mustRun(t, "extract", path, "--conn", "1", "-o", out, "-q")
		if fields(out, "frame.number") == "" {
			t.Errorf("%s: tshark reads nothing of what was extracted", filepath.Base(path))
		}
	}
}
