package main

import (
	"errors"
	"io"
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
	f.StringArrayVar(&t.clientSide, "client-side", nil, "with --server-side: the capture taken on the clients' host, a `FILE` or directory (repeatable: rotated files)")
	f.StringArrayVar(&t.serverSide, "server-side", nil, "the capture taken on the servers' host, a `FILE` or directory: both are told as one story")
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
	for _, p := range list {
		if countStdin(p.paths) > 0 {
			return nil, usagef("captures of several points are read twice, and standard input can be read only once: write it to a file first")
		}
	}
	return list, nil
}

// tapSource gives the segments of one point to package pair.
type tapSource struct {
	in      *capture.Reader
	decoder *capture.Decoder
	first   int
	stop    *interrupts
	frame   capture.Frame
}

func (p *point) open(stop *interrupts) (pair.Source, error) {
	in, err := capture.Open(p.paths, capture.Options{})
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
