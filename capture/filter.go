package capture

import (
	"errors"
	"fmt"
	"slices"
)

// Filter selects frames by a BPF program. A capture may have several link types
// and each needs a program of its own; they are compiled as they are met. A
// Filter belongs to one Decoder.
type Filter struct {
	text     string
	compile  func(link uint32) (bpfProgram, error)
	programs map[uint32]bpfProgram
	failed   []uint32
	err      *Error
}

// CompileFilter compiles a filter expression (pcap-filter(7)) with libpcap. In a
// build without libpcap the error wraps ErrNoLibpcap.
func CompileFilter(expr string) (*Filter, error) {
	f := &Filter{text: expr, programs: map[uint32]bpfProgram{}}
	f.compile = func(link uint32) (bpfProgram, error) { return compileExpression(expr, link) }
	_, err := f.program(LinkEthernet)
	if err != nil {
		if _, raw := f.program(LinkRaw); raw != nil { // some expressions make sense on other links only
			return nil, err
		}
	}
	return f, nil
}

// ParseBytecode makes a filter of what 'tcpdump -ddd EXPRESSION' prints. Such a
// program fits one link type, which is not written in it: it is applied to every
// frame.
func ParseBytecode(text string) (*Filter, error) {
	p, err := parseBytecode(text)
	if err != nil {
		return nil, &Error{Op: "filter", Err: ErrFilter, Detail: err.Error(), Hint: "give it what 'tcpdump -ddd EXPRESSION' prints"}
	}
	return &Filter{text: "bytecode", programs: map[uint32]bpfProgram{},
		compile: func(uint32) (bpfProgram, error) { return p, nil }}, nil
}

// program gives the program for a link type; the error is an *Error, but of the
// interface type: a nil *Error in an error would not be nil.
func (f *Filter) program(link uint32) (bpfProgram, error) {
	if p, ok := f.programs[link]; ok {
		return p, nil
	}
	p, err := f.compile(link)
	if err == nil {
		err = p.check()
	}
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			e = &Error{Op: "filter", Err: ErrFilter, Detail: fmt.Sprintf("%q: %v", f.text, err), Hint: "see pcap-filter(7)"}
		}
		return nil, e
	}
	f.programs[link] = p
	return p, nil
}

// match reports whether a packet of the given link type is selected. One for
// which the expression cannot be compiled is not; Err says so.
func (f *Filter) match(link uint32, b []byte, wire uint32) bool {
	p, ok := f.programs[link]
	if !ok {
		if slices.Contains(f.failed, link) {
			return false
		}
		var err error
		if p, err = f.program(link); err != nil {
			f.failed = append(f.failed, link)
			if f.err == nil && errors.As(err, &f.err) {
				f.err.Detail += " for frames of " + LinkTypeName(link)
			}
			return false
		}
	}
	return p.run(b, wire) != 0
}

// Err tells the first link type that was met and for which the expression makes
// no sense, such as "ether host" on raw IP; nil if there was none.
func (f *Filter) Err() error {
	if f.err == nil {
		return nil
	}
	return f.err
}
