package main

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
)

// This file is the choice of packets: by what was decoded, which needs no
// libpcap, and by BPF programs, of which those in words do. when.go reads times.

// selecting holds the flags that choose packets.
type selecting struct {
	host, port, net, vlan []string
	since, until          string
	filter, bytecode      string
	inner                 bool

	stdin   io.Reader // what --filter-bytecode - reads; nil: the process has one
	program string    // what it read
}

// selectionFlags are their names. live has BPF flags of its own: its programs run
// in the kernel.
var selectionFlags = []string{"host", "port", "net", "vlan", "since", "until", "filter", "filter-inner", "filter-bytecode"}

func (s *selecting) register(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&s.host, "host", nil, "look only at packets to or from this `ADDRESS` (repeatable)")
	f.StringArrayVar(&s.port, "port", nil, "look only at packets to or from this TCP `PORT`, or one of a range such as 8000-8099 (repeatable)")
	f.StringArrayVar(&s.net, "net", nil, "look only at packets to or from this `NETWORK`, such as 10.0.0.0/8 (repeatable)")
	f.StringArrayVar(&s.vlan, "vlan", nil, "look only at packets whose outermost VLAN is this `ID`; 0: without one (repeatable)")
	f.StringVar(&s.since, "since", "", "look only at packets of this `TIME` and later: 2026-11-22T16:00:00Z, a date, seconds since 1970, or +90s from the first packet")
	f.StringVar(&s.until, "until", "", "look only at packets before this `TIME`")
}

func (s *selecting) registerBPF(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.filter, "filter", "", "look only at packets that match this `EXPRESSION` (pcap-filter(7)); needs a build with libpcap")
	f.BoolVar(&s.inner, "filter-inner", false, "apply the filter to the innermost IP packet, in a tunnel if there is one, and not to the frame")
	f.StringVar(&s.bytecode, "filter-bytecode", "", bytecodeUsage)
}

const bytecodeUsage = "filter by this `PROGRAM`, what 'tcpdump -ddd EXPRESSION' prints: a file, - for standard input, or the text itself, with commas for line ends"

// filter is the choice in a form that can be applied. Values of one kind are
// alternatives, the kinds must all hold. The zero value chooses every packet.
type filter struct {
	selection    capture.Selection
	bpf          *capture.Filter
	inner        bool
	since, until moment
	begun        bool // the times that count from the first packet are known
	words        []string
}

// choice is the filter of a command that reads these captures; in is what - reads.
func (f *flags) choice(paths []string, in io.Reader) (*filter, error) {
	if f.bytecode == "-" && countStdin(paths) > 0 {
		return nil, usagef("standard input (-) can be read only once: as a capture or as the program of --filter-bytecode")
	}
	f.stdin = in
	return f.filter()
}

// filter is the same again, for the next capture: a filter belongs to one decoder.
func (f *flags) filter() (*filter, error) {
	x := new(filter)
	for _, parse := range []func(*selecting) error{x.addresses, x.numbers, x.times, x.program} {
		if err := parse(&f.selecting); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *filter) addresses(s *selecting) error {
	for _, h := range s.host {
		ip, err := netip.ParseAddr(h)
		if err != nil {
			return usagef("--host: %q is not an IP address", h)
		}
		x.selection.Hosts = append(x.selection.Hosts, ip)
		x.words = append(x.words, "host "+h)
	}
	for _, n := range s.net {
		prefix, err := netip.ParsePrefix(n)
		if err != nil {
			return usagef("--net: %q is not a network such as 10.0.0.0/8", n)
		}
		x.selection.Nets = append(x.selection.Nets, prefix.Masked())
		x.words = append(x.words, "net "+n)
	}
	return nil
}

func (x *filter) numbers(s *selecting) error {
	for _, p := range s.port {
		low, high, isRange := strings.Cut(p, "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 16)
		to, err2 := strconv.ParseUint(high, 10, 16)
		if err != nil || err2 != nil {
			return usagef("--port: %q is not a port number, nor a range such as 8000-8099", p)
		}
		if from > to {
			return usagef("--port: the range %s ends before it begins", p)
		}
		x.selection.Ports = append(x.selection.Ports, capture.PortRange{Low: uint16(from), High: uint16(to)})
		x.words = append(x.words, "port "+p)
	}
	const most = 4094 // IEEE 802.1Q keeps 4095 for itself
	for _, v := range s.vlan {
		id, err := strconv.ParseUint(v, 10, 16)
		if err != nil || id > most {
			return usagef("--vlan: %q is not a VLAN id from 1 to %d, or 0 for packets without one", v, most)
		}
		x.selection.VLANs = append(x.selection.VLANs, uint16(id))
		x.words = append(x.words, "vlan "+v)
	}
	return nil
}

func (x *filter) times(s *selecting) (err error) {
	if s.since != "" {
		if x.since, err = parseMoment(s.since); err != nil {
			return usagef("--since: %v", err)
		}
		x.words = append(x.words, "since "+s.since)
	}
	if s.until != "" {
		if x.until, err = parseMoment(s.until); err != nil {
			return usagef("--until: %v", err)
		}
		x.words = append(x.words, "until "+s.until)
	}
	if s.since != "" && s.until != "" && x.since.relative == x.until.relative && x.until.ns <= x.since.ns {
		return usagef("--until %s is not after --since %s: no packet is in between", s.until, s.since)
	}
	return nil
}

func (x *filter) program(s *selecting) (err error) {
	switch {
	case s.filter != "" && s.bytecode != "":
		return usagef("--filter and --filter-bytecode exclude each other")
	case s.filter != "":
		if x.bpf, err = capture.CompileFilter(s.filter); err != nil {
			return usagef("--filter: %v", err)
		}
		x.words = append(x.words, "filter "+s.filter)
	case s.bytecode != "":
		if s.program == "" {
			if s.program, err = readBytecode(s.bytecode, s.stdin); err != nil {
				return err
			}
		}
		if x.bpf, err = capture.ParseBytecode(s.program); err != nil {
			return usagef("--filter-bytecode: %v", err)
		}
		x.words = append(x.words, "filter bytecode")
	case s.inner:
		return usagef("--filter-inner is for --filter or --filter-bytecode, and there is neither")
	}
	if x.inner = s.inner; x.inner {
		x.words[len(x.words)-1] += " on the innermost packet"
	}
	return nil
}

func (x *filter) empty() bool { return len(x.words) == 0 }

// decoder makes a decoder that skips what is not chosen.
func (x *filter) decoder() *capture.Decoder {
	o := capture.DecoderOptions{Filter: x.bpf, FilterInner: x.inner}
	if !x.empty() {
		o.Select = &x.selection
	}
	return capture.NewDecoder(o)
}

// begin tells the time of the first packet, from which times may count.
func (x *filter) begin(first int64) {
	if x.begun {
		return
	}
	x.begun = true
	x.selection.Since, x.selection.Until = x.since.from(first), x.until.from(first)
}

// match is the choice for who decodes by himself: all of it but the program.
// The first segment then stands for the first packet.
func (x *filter) match(s *reassembly.Segment) bool {
	x.begin(s.Time)
	return x.selection.Match(s)
}

// problem tells for which frames the expression made no sense; "" if there were none.
func (x *filter) problem() string {
	if x.bpf == nil {
		return ""
	}
	if err := x.bpf.Err(); err != nil {
		return err.Error()
	}
	return ""
}
