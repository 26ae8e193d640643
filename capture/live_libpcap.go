//go:build cgo && !nolibpcap

package capture

import (
	"errors"
	"io"
	"strings"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcap"
)

// libpcapLive captures through libpcap.
type libpcapLive struct {
	handle            *pcap.Handle
	link              uint32
	received, dropped wrapping
}

func openLiveLibpcap(o *LiveOptions) (liveBackend, error) {
	h, err := activate(o, o.Promiscuous)
	if err != nil && o.Promiscuous && strings.Contains(strings.ToLower(err.Error()), "promisc") {
		// A mode that the interface does not have is a warning to libpcap and an
		// error to gopacket.
		h, err = activate(o, false)
	}
	if err != nil {
		return nil, liveError(o.Interface, err)
	}
	l := &libpcapLive{handle: h, link: trueLinkType(o.Interface, uint8(h.LinkType()))}
	if err := l.setUp(o); err != nil {
		h.Close()
		return nil, err
	}
	return l, nil
}

func activate(o *LiveOptions, promiscuous bool) (*pcap.Handle, error) {
	in, err := pcap.NewInactiveHandle(o.Interface)
	if err != nil {
		return nil, err
	}
	defer in.CleanUp()
	for _, set := range []error{
		in.SetSnapLen(o.SnapLen), in.SetPromisc(promiscuous), in.SetTimeout(IdleAfter),
		in.SetBufferSize(o.Ring), in.SetImmediateMode(o.Immediate),
	} {
		if set != nil {
			return nil, set
		}
	}
	return in.Activate()
}

// trueLinkType puts back what gopacket cuts to 8 bits. Of the types above 255
// only the tagged Ethernet of switch ports shows on live interfaces.
func trueLinkType(name string, low uint8) uint32 {
	if tagged := switchTagLinkType(name); tagged != LinkNone && uint8(tagged) == low {
		return tagged
	}
	if low == uint8(layers.LinkTypeRaw) || low == LinkRawOpenBSD {
		return LinkRaw
	}
	return uint32(low)
}

func (l *libpcapLive) setUp(o *LiveOptions) error {
	if o.Direction != BothDirections {
		direction := pcap.DirectionIn
		if o.Direction == Outgoing {
			direction = pcap.DirectionOut
		}
		if err := l.handle.SetDirection(direction); err != nil {
			return liveError(o.Interface, err)
		}
	}
	switch {
	case o.Bytecode != "":
		f, err := ParseBytecode(o.Bytecode)
		if err != nil {
			return err
		}
		p, err := f.program(l.link)
		if err != nil {
			return err
		}
		code := make([]pcap.BPFInstruction, len(p))
		for i, in := range p {
			code[i] = pcap.BPFInstruction{Code: in.op, Jt: in.jt, Jf: in.jf, K: in.k}
		}
		if err := l.handle.SetBPFInstructionFilter(code); err != nil {
			return &Error{Op: "filter", Err: ErrFilter, Detail: err.Error()}
		}
	case o.Filter != "":
		if err := l.handle.SetBPFFilter(o.Filter); err != nil {
			return &Error{Op: "filter", Err: ErrFilter, Detail: err.Error(), Hint: "see pcap-filter(7)"}
		}
	}
	return nil
}

func liveError(name string, err error) *Error {
	text := err.Error()
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "permi"):
		return privilegeError(name, err)
	case strings.Contains(lower, "no such device"):
		return &Error{Op: "open", File: name, Err: ErrNoInterface, Hint: knownInterfaces()}
	case strings.Contains(lower, "not up"):
		return &Error{Op: "open", File: name, Err: ErrInterfaceDown, Hint: "bring it up with 'ip link set " + name + " up'"}
	}
	return &Error{Op: "open", File: name, Err: errors.New("cannot capture on it"), Detail: text}
}

func (l *libpcapLive) next(f *Frame) error {
	data, info, err := l.handle.ZeroCopyReadPacketData()
	switch {
	case err == nil:
		*f = Frame{Time: info.Timestamp.UnixNano(), LinkType: l.link, WireLen: uint32(info.Length), Data: data}
		return nil
	case errors.Is(err, pcap.NextErrorTimeoutExpired), errors.Is(err, io.EOF):
		return ErrIdle
	}
	if text := l.handle.Error(); text != nil && text.Error() != "" {
		err = text
	}
	return err
}

func (l *libpcapLive) linkType() uint32 { return l.link }

func (l *libpcapLive) counters() (received, dropped uint64) {
	s, err := l.handle.Stats()
	if err != nil {
		return l.received.sum, l.dropped.sum
	}
	return l.received.add(uint32(s.PacketsReceived)), l.dropped.add(uint32(s.PacketsDropped))
}

// wake has nothing to do: the handle waits no longer than IdleAfter.
func (l *libpcapLive) wake() {}

func (l *libpcapLive) close() { l.handle.Close() }
