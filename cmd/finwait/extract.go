package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is the command extract: the packets of the connections that are
// wanted, and no others.

const extractAbout = `Copy the packets of some connections to one pcapng file: every packet of the tuple
from the connection's first to its last, the ICMP errors that quote it, and the
fragments of its packets. Bytes, times, lengths, interfaces and comments on packets
stay as they are.`

const extractExamples = `  finwait extract trace.pcap --conn 7 -o seven.pcapng
  finwait extract captures/ --only finding=2msl -o time-wait.pcapng
  finwait extract trace.pcap --only close=reset,timeout -o broken.pcapng`

// flow is a tuple without direction, inside its tunnel.
type flow struct {
	a, b         reassembly.IP
	aPort, bPort uint16
	scope        uint64
}

// stretch is a connection as the packets from its first to its last.
type stretch struct{ first, last uint64 }

type extracting struct {
	twice
	core        reassembly.Options
	choice      *filter
	connections uint64
	wanted      map[flow][]stretch
	joined      []datagram
	parts       map[uint64]bool // fragments to copy
	decoder     *capture.Decoder
	after       map[flow]bool // a wanted connection was the last to be seen
}

func newExtract(s streams) *cobra.Command {
	x := &extracting{twice: twice{reading: reading{flags: new(flags), streams: s}}}
	c := &cobra.Command{Use: "extract [flags] FILE|DIR... -o OUT.pcapng", Short: "Copy the packets of some connections to a pcapng file",
		Long: extractAbout, Example: extractExamples, Args: cobra.ArbitraryArgs}
	x.borrow(c, slices.Concat([]string{"output", "conn", "only", "min-severity"}, selectionFlags, coreFlags)...)
	describeCopy(c, "copy only")
	c.RunE = x.run
	return c
}

func (x *extracting) run(cmd *cobra.Command, args []string) error {
	if err := x.start(cmd, args); err != nil {
		return err
	}
	core, form, err := x.selected()
	if err != nil {
		return err
	}
	if x.choice, err = x.flags.choice(x.paths, x.in); err != nil {
		return err
	}
	if form.Selection.Empty() && x.choice.empty() {
		return usagef("which connections? --conn names one, --only chooses by finding, state, open or close")
	}
	x.stop = listen()
	defer x.stop.close()
	x.core = core
	if err := x.learn(form.Selection); err != nil {
		return err
	}
	if x.connections == 0 {
		return usagef("no connection of the capture is meant: nothing was written")
	}
	x.decoder, x.after = capture.NewDecoder(capture.DecoderOptions{}), map[flow]bool{}
	if err := x.copy(x.keep); err != nil {
		return err
	}
	if !x.quiet {
		fmt.Fprintf(x.err, "finwait: %s of %s\n", some(x.copied, "packet"), some(x.connections, "connection"))
	}
	return nil
}

// learn reads the captures for the packets between which each wanted connection
// lies, and for the fragments that make up segments.
func (x *extracting) learn(selection report.Selection) error {
	x.wanted, x.parts = map[flow][]stretch{}, map[uint64]bool{}
	o := x.core
	o.Emit = func(l *reassembly.Lifecycle) {
		if selection.Match(l) {
			x.connections++
			k := x.flowOf(l.Client.Addr().As16(), l.Server.Addr().As16(), l.Client.Port(), l.Server.Port(), l.Tunnel)
			x.wanted[k] = append(x.wanted[k], stretch{l.First.Number(), l.Last.Number()})
		}
	}
	tracker := reassembly.NewTracker(o)
	var open pending
	err := x.pass(x.choice, func(n uint64, f *capture.Frame, segments []reassembly.Segment) error {
		if len(segments) == 0 {
			open.keep(n, f.Data)
			tracker.Advance(f.Time)
		}
		for i := range segments {
			s := &segments[i]
			if parts := open.join(f.Data, s); parts != nil {
				x.joined = append(x.joined, datagram{x.flow(s), n, parts})
			}
			renumber(n, f, s)
			tracker.Add(s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	tracker.Close()
	for _, d := range x.joined {
		if x.within(d.flow, d.last) {
			for _, n := range d.parts {
				x.parts[n] = true
			}
		}
	}
	return nil
}

func (x *extracting) flow(s *reassembly.Segment) flow {
	scope := s.Tunnel
	if x.core.NoKeyTunnel {
		scope = 0
	}
	if x.core.KeyVLAN {
		scope ^= uint64(s.VLAN) << 48 // as the tracker's own key has it
	}
	return x.flowOf(s.Src, s.Dst, s.SrcPort, s.DstPort, scope)
}

func (x *extracting) flowOf(a, b reassembly.IP, aPort, bPort uint16, scope uint64) flow {
	if c := bytes.Compare(a[:], b[:]); c > 0 || c == 0 && aPort > bPort {
		a, b, aPort, bPort = b, a, bPort, aPort
	}
	return flow{a, b, aPort, bPort, scope}
}

func (x *extracting) within(k flow, n uint64) bool {
	for _, s := range x.wanted[k] {
		if s.first <= n && n <= s.last {
			return true
		}
	}
	return false
}

// keep decides on one frame of the second pass.
func (x *extracting) keep(n uint64, f *capture.Frame) (string, bool) {
	var s reassembly.Segment
	if x.decoder.Decode(f, &s) != capture.NotSkipped {
		return "", x.parts[n]
	}
	ok := x.wants(n, &s)
	for x.decoder.More(&s) {
		ok = x.wants(n, &s) || ok
	}
	return "", ok
}

// wants decides on one segment.
func (x *extracting) wants(n uint64, s *reassembly.Segment) bool {
	k := x.flow(s)
	if len(x.wanted[k]) == 0 {
		return false
	}
	in := x.within(k, n)
	switch {
	case s.Quoted():
		// An error may come when the connection it quotes has said its last.
		return in || x.after[k]
	case in:
		x.after[k] = true
	case s.Has(reassembly.FlagSYN):
		x.after[k] = false // another connection of the tuple
	}
	return in
}

// datagram is a segment that came in fragments.
type datagram struct {
	flow  flow
	last  uint64 // the packet that completed it
	parts []uint64
}

// pending holds the last frames that gave no segment, among them the fragments
// of segments that are not complete yet.
type pending struct {
	frames [512]struct {
		n    uint64
		head []byte
	}
	next int
}

// mostHead is how far into a frame its IP header is looked for.
const mostHead = 192

func (p *pending) keep(n uint64, data []byte) {
	slot := &p.frames[p.next%len(p.frames)]
	p.next++
	slot.n, slot.head = n, append(slot.head[:0], data[:min(len(data), mostHead)]...)
}

// join gives the earlier fragments of a segment that came in fragments, nil if
// it did not.
func (p *pending) join(data []byte, s *reassembly.Segment) []uint64 {
	id, ok := fragmentID(data, s)
	if !ok || s.Quoted() {
		return nil
	}
	var parts []uint64
	for i := range p.frames {
		slot := &p.frames[i]
		if slot.n == 0 {
			continue
		}
		if other, ok := fragmentID(slot.head, s); ok && other == id {
			parts = append(parts, slot.n)
			slot.n = 0
		}
	}
	return parts
}

// fragmentID finds the identification of a fragment between the addresses of s:
// RFC 791 section 3.1, RFC 8200 section 4.5. The addresses tell where the IP
// header lies, whatever stands before it.
func fragmentID(data []byte, s *reassembly.Segment) (uint32, bool) {
	data = data[:min(len(data), mostHead)]
	if s.V6 {
		const header, next, fragment = 40, 6, 44
		at := bytes.Index(data, append(s.Src[:len(s.Src):len(s.Src)], s.Dst[:]...)) - 8
		if at < 0 || len(data) < at+header+8 || data[at+next] != fragment {
			return 0, false
		}
		return binary.BigEndian.Uint32(data[at+header+4:]), true
	}
	at := bytes.Index(data, append(s.Src[12:16:16], s.Dst[12:]...)) - 12
	if at < 0 || binary.BigEndian.Uint16(data[at+6:])&0x3fff == 0 {
		return 0, false
	}
	return uint32(binary.BigEndian.Uint16(data[at+4:])), true
}

func some(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
