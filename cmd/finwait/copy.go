package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report/pcapng"
)

// This file is the second pass of annotate and extract: frames are copied to a
// pcapng file, each to an interface like the one it came from.

// copier writes frames and remembers which interface is which.
type copier struct {
	w     *pcapng.Writer
	files func() []capture.FileInfo
	known map[source]int
}

// source is an interface of the input. Those of several files that say the same
// of themselves are one: a rotated capture goes on.
type source struct {
	section, index    int
	link, snap        uint32
	name, description string
	fcs               uint8
}

// copy writes the frames that keep wants, with the comments that it gives.
func (t *twice) copy(keep func(n uint64, f *capture.Frame) (comment string, ok bool)) error {
	out, err := openOutput(t.output, t.out)
	if err != nil {
		return err
	}
	defer out.abort()
	if _, terminal := isTerminal(out.target()); terminal {
		return usagef("-o -: packets are not for a terminal")
	}
	w, err := pcapng.NewWriter(out, "finwait")
	if err != nil {
		return fmt.Errorf("writing the packets: %w", err)
	}
	c := &copier{w: w, files: func() []capture.FileInfo { return t.files }, known: map[source]int{}}
	t.copied = 0
	err = t.pass(new(filter), func(n uint64, f *capture.Frame, _ []reassembly.Segment) error {
		if f.Recorded {
			return usagef("a file of segments holds no packets: %s copies from captures", t.cmd.Name())
		}
		comment, ok := keep(n, f)
		if !ok {
			return nil
		}
		t.copied++
		if before := string(f.Comment); before != "" {
			comment = strings.TrimSuffix(before+"\n"+comment, "\n")
		}
		return c.write(f, comment)
	})
	if err != nil {
		return err
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing the packets: %w", err)
	}
	return t.told()
}

func (c *copier) write(f *capture.Frame, comment string) error {
	i, err := c.interfaceOf(f)
	if err == nil {
		err = c.w.Write(&pcapng.Packet{Interface: i, Time: f.Time, WireLen: f.WireLen, Data: f.Data, Comment: comment})
	}
	if errors.Is(err, pcapng.ErrTime) {
		return &statusError{statusInput, fmt.Sprintf("packet %d: %v", f.Packet.Number(), err)}
	}
	if err != nil {
		return fmt.Errorf("writing the packets: %w", err)
	}
	return nil
}

// interfaceOf finds the interface of a frame, or describes it anew. Those that
// the file describes before it come first, so that numbers stay as they were.
func (c *copier) interfaceOf(f *capture.Frame) (int, error) {
	info := &c.files()[f.Packet.File()]
	section := max(info.Sections-1, 0)
	if info.Container == "pcapng" {
		for k := range info.Interfaces {
			in := &info.Interfaces[k]
			if in.Section != section || in.Index > int(f.Interface) {
				continue
			}
			s := source{section: section, index: in.Index, link: in.LinkType, snap: in.SnapLen, name: in.Name, description: in.Description}
			if in.Index == int(f.Interface) {
				s.fcs = f.FCS
				s.link = f.LinkType
				return c.describe(s)
			}
			if _, err := c.describe(s); err != nil {
				return 0, err
			}
		}
	}
	return c.describe(source{section: section, index: int(f.Interface), link: f.LinkType, snap: info.SnapLen, fcs: f.FCS})
}

func (c *copier) describe(s source) (int, error) {
	if i, ok := c.known[s]; ok {
		return i, nil
	}
	i, err := c.w.AddInterface(pcapng.Interface{LinkType: uint16(s.link), SnapLen: s.snap, Name: s.name, Description: s.description, FCS: s.fcs})
	if err == nil {
		c.known[s] = i
	}
	return i, err
}
