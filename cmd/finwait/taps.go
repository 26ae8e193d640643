package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/pair"
)

// This file reads captures taken at several points of one path: --client-side,
// --server-side and --tap. Package pair makes one story of them.

// tapFlags name the points.
type tapFlags struct {
	clientSide, serverSide, tap []string
}

const (
	clientTap = "client"
	serverTap = "server"
)

func (t *tapFlags) register(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&t.clientSide, "client-side", nil, "with --server-side: the capture taken on the clients' host, a `FILE`, a directory, or - for standard input (repeatable: rotated files)")
	f.StringArrayVar(&t.serverSide, "server-side", nil, "the capture taken on the servers' host, a `FILE`, a directory, or -: both are told as one story")
	f.StringArrayVar(&t.tap, "tap", nil, "`NAME=FILE`: a capture taken between both ends; several in their order from the clients to the servers (repeatable)")
}

// given reports that several points are read.
func (t *tapFlags) given() bool { return len(t.clientSide)+len(t.serverSide)+len(t.tap) > 0 }

// point is one point of the path and its captures.
type point struct {
	name  string
	own   reassembly.Side
	paths []string
	first int // number of its first file, from 0
	last  *tapSource
	kept  *os.File // what a path of "-" reads, since captures are read twice
	size  int64    // of kept
	pipe  string   // the named pipe that kept was read from, in place of "-"
}

// points reads the flags.
func (t *tapFlags) points() ([]*point, error) {
	var list []*point
	if len(t.clientSide) > 0 {
		list = append(list, &point{name: clientTap, own: reassembly.Client, paths: t.clientSide})
	}
	for _, value := range t.tap {
		name, path, ok := strings.Cut(value, "=")
		if !ok || name == "" || path == "" {
			return nil, usagef("--tap: %q is not NAME=FILE", value)
		}
		if i := slices.IndexFunc(list, func(p *point) bool { return p.name == name }); i >= 0 {
			if list[i].own != reassembly.None {
				return nil, usagef("--tap: %s is the name of --%s-side", name, name)
			}
			list[i].paths = append(list[i].paths, path)
			continue
		}
		list = append(list, &point{name: name, own: reassembly.None, paths: []string{path}})
	}
	if len(t.serverSide) > 0 {
		if slices.ContainsFunc(list, func(p *point) bool { return p.name == serverTap }) {
			return nil, usagef("--tap: %s is the name of --server-side", serverTap)
		}
		list = append(list, &point{name: serverTap, own: reassembly.Server, paths: t.serverSide})
	}
	switch {
	case len(list) < 2:
		return nil, usagef("--client-side, --server-side and --tap want captures of two points at least; one capture is read without them")
	case len(list) > pair.MaxTaps:
		return nil, usagef("captures of %d points: %d is the most", len(list), pair.MaxTaps)
	}
	stdin := 0
	for _, p := range list {
		n := countStdin(p.paths)
		for i, path := range p.paths {
			if path != "-" && readOnce(path) {
				p.pipe, p.paths[i] = path, "-"
				n++
			}
		}
		if p.pipe == "" {
			stdin += n
		}
		if n > 1 || stdin > 1 {
			return nil, usagef("one capture of each point can be standard input or a pipe, and standard input (-) can be read only once")
		}
	}
	return list, nil
}

// reader opens the point's captures anew.
func (p *point) reader() (*capture.Reader, error) {
	var o capture.Options
	if p.kept != nil {
		o.Stdin = io.NewSectionReader(p.kept, 0, p.size)
	}
	return capture.Open(p.paths, o)
}

// keep copies what can be read only once to a temporary file. A signal ends it.
func (p *point) keep(stdin io.Reader, stop *interrupts) error {
	if p.kept != nil || countStdin(p.paths) == 0 {
		return nil
	}
	if p.pipe != "" {
		f, err := os.Open(p.pipe)
		if err != nil {
			return &statusError{statusInput, err.Error()}
		}
		stdin = f
	} else if stdin == nil {
		stdin = os.Stdin
	}
	file, err := os.CreateTemp("", "finwait-tap-*")
	if err != nil {
		return fmt.Errorf("a capture that can be read only once needs a temporary file: %w", err)
	}
	// Without a name it cannot be left behind; where the system does not allow
	// that, close removes it.
	_ = os.Remove(file.Name())
	type result struct {
		n   int64
		err error
	}
	done := make(chan result, 1)
	go func() {
		n, err := io.Copy(file, stdin)
		done <- result{n, err}
	}()
	select {
	case r := <-done:
		p.kept, p.size = file, r.n
		if r.err != nil {
			return fmt.Errorf("keeping a capture that can be read only once: %w", r.err)
		}
		return nil
	case <-stop.done:
		// The copy may hang in its read: the file goes with the process.
		return &statusError{128 + signalNumber(stop.signal()), fmt.Sprintf("%v: nothing had been read", stop.signal())}
	}
}

// files are the point's captures, by the names that were given.
func (p *point) files() []capture.FileInfo {
	list := slices.Clone(p.last.in.Files())
	for i := range list {
		if p.pipe != "" && list[i].Path == "-" {
			list[i].Path = p.pipe
		}
	}
	return list
}

// bytes is what one pass over the point's captures reads.
func (p *point) bytes(files []capture.FileInfo) (n int64) {
	n = p.size
	for i := range files {
		n += max(files[i].Size, 0)
	}
	return n
}

// close lets go what was kept.
func (p *point) close() {
	if p.kept != nil {
		closeQuietly(p.kept)
		_ = os.Remove(p.kept.Name()) // mostly gone already
		p.kept = nil
	}
}

func closePoints(list []*point) {
	for _, p := range list {
		p.close()
	}
}

// tapSource gives the segments of one point to package pair.
type tapSource struct {
	in      *capture.Reader
	decoder *capture.Decoder
	first   int
	stop    *interrupts
	frame   capture.Frame
}

func (p *point) open(stop *interrupts) (*tapSource, error) {
	in, err := p.reader()
	if err != nil {
		return nil, err
	}
	p.last = &tapSource{in: in, decoder: capture.NewDecoder(capture.DecoderOptions{}), first: p.first, stop: stop}
	return p.last, nil
}

// Next implements pair.Source. Damage ends the capture, and trace tells it.
func (t *tapSource) Next(s *reassembly.Segment) (sum uint32, ok bool, err error) {
	err = t.in.Next(&t.frame)
	var damage *capture.Error
	switch {
	case t.stop.stopped():
		return 0, false, io.EOF
	case errors.As(err, &damage):
		return 0, false, pair.ErrCut
	case err != nil:
		return 0, false, err
	}
	t.frame.Packet = reassembly.MakePacket(t.first+t.frame.Packet.File(), t.frame.Packet.Number())
	if t.decoder.Decode(&t.frame, s) != capture.NotSkipped {
		s.Time = t.frame.Time
		return 0, false, nil
	}
	return t.decoder.PayloadHash(), true, nil
}

func (t *tapSource) Close() error { return t.in.Close() }
