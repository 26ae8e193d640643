package capture

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file is the live counterpart of open.go: an interface instead of files.
// live_libpcap.go and afpacket_linux.go are the two ways to get at its packets.

// What an Error of a live capture can wrap beside those in source.go.
var (
	ErrNoInterface   = errors.New("there is no such interface")
	ErrInterfaceDown = errors.New("the interface is down")
	ErrInterfaceGone = errors.New("the interface disappeared")
	ErrPrivilege     = errors.New("capturing is not permitted")
	ErrNoOutgoing    = errors.New("no packet would be captured in this direction")
	ErrBackend       = errors.New("this build cannot capture in that way")

	// ErrIdle is what Live.Next gives when no packet came for IdleAfter. It is no
	// fault: the caller lets its clock run on and calls again.
	ErrIdle = errors.New("no packet came")
)

// Defaults of LiveOptions.
const (
	DefaultLiveSnapLen = 192      // every header and option that is of use
	MaxSnapLen         = 262144   // whole packets, as tcpdump has it
	DefaultRing        = 16 << 20 // bytes
	IdleAfter          = 100 * time.Millisecond
)

// AnyInterface captures on all interfaces (Linux).
const AnyInterface = "any"

// Direction chooses packets by who sent them. On the loopback interface, where
// Linux shows each packet twice, the outgoing copy is always left out, and
// Outgoing alone is refused.
type Direction uint8

// Directions.
const (
	BothDirections Direction = iota
	Incoming
	Outgoing
)

// Backends of a live capture.
const (
	BackendLibpcap  = "libpcap"
	BackendAFPacket = "afpacket"
)

// LiveOptions sets up a live capture. Only Interface has to be given.
type LiveOptions struct {
	Interface   string
	SnapLen     int  // bytes of each packet that are kept, 0: DefaultLiveSnapLen
	Promiscuous bool // also packets for other hosts
	Immediate   bool // hand over each packet at once, at the price of a wake-up for each
	Ring        int  // bytes of the kernel's buffer, 0: DefaultRing
	Direction   Direction
	Filter      string // expression of pcap-filter(7); needs libpcap
	Bytecode    string // what 'tcpdump -ddd' prints, instead of Filter
	Backend     string // BackendLibpcap or BackendAFPacket; "": what suits the interface and the build
}

// LiveStats counts since the capture began.
type LiveStats struct {
	Received         uint64 // packets that the kernel put into the buffer
	Dropped          uint64 // packets that the kernel lost because the buffer was full
	InterfaceDropped uint64 // packets that the interface or its driver lost
	Down             bool   // the interface is down at the moment
}

// liveBackend gets packets from the kernel. next and stats are called by one
// goroutine at a time, wake by any.
type liveBackend interface {
	// next fills f but for Packet; ErrIdle after IdleAfter without a packet.
	next(f *Frame) error
	linkType() uint32
	counters() (received, dropped uint64)
	// wake makes a blocked next return ErrIdle.
	wake()
	close()
}

// Live is an interface that is captured. It implements Source; Close may be
// called from any goroutine and ends a Next that waits.
type Live struct {
	o       LiveOptions
	backend liveBackend
	name    string // of the backend
	filter  *Filter
	watch   interfaceWatch
	mu      sync.Mutex
	stop    atomic.Bool
	closed  bool
	packets uint64
	lost    uint64 // the interface's own losses when the capture began
	last    LiveStats
	err     error
}

// OpenLive begins to capture. Errors are *Error.
func OpenLive(o LiveOptions) (*Live, error) {
	o.SnapLen = cmp.Or(o.SnapLen, DefaultLiveSnapLen)
	o.Ring = cmp.Or(o.Ring, DefaultRing)
	if o.SnapLen < 0 || o.SnapLen > MaxSnapLen {
		o.SnapLen = MaxSnapLen
	}
	l := &Live{o: o, watch: interfaceWatch{name: o.Interface}}
	if err := l.watch.begin(); err != nil {
		return nil, err
	}
	if hasAFPacket && o.Direction == Outgoing && isLoopback(o.Interface) {
		return nil, &Error{Op: "open", File: o.Interface, Err: ErrNoOutgoing, Detail: "each packet of a loopback interface is captured once, when it arrives",
			Hint: "leave the direction out"}
	}
	l.name = o.Backend
	if l.name == "" {
		l.name = defaultBackend(&o)
	}
	var err error
	switch l.name {
	case BackendLibpcap:
		l.backend, err = openLiveLibpcap(&o)
	case BackendAFPacket:
		l.backend, l.filter, err = openAFPacket(&o)
	default:
		err = &Error{Op: "open", File: o.Interface, Err: ErrBackend, Detail: l.name,
			Hint: "--backend is " + BackendLibpcap + " or " + BackendAFPacket}
	}
	if err != nil {
		return nil, err
	}
	l.lost = interfaceDrops(o.Interface)
	return l, nil
}

// defaultBackend is AF_PACKET on Linux: it takes less of the processor for a
// packet, and tells the interface where libpcap tells of any only by a header
// without its number, so that a packet seen on two of them would look like a
// retransmission. But a filter of what only the kernel knows is libpcap's.
func defaultBackend(o *LiveOptions) string {
	if HasLibpcap && (!hasAFPacket || o.Interface != AnyInterface && beyondPacket.MatchString(o.Filter)) {
		return BackendLibpcap
	}
	return BackendAFPacket
}

// beyondPacket are words of an expression that libpcap compiles to what only the
// kernel knows, or that must see the tag which the kernel takes off.
var beyondPacket = regexp.MustCompile(`\b(vlan|inbound|outbound|ifindex|on|pppoes|mpls)\b`)

// Next gives the next packet; ErrIdle if none came for IdleAfter, io.EOF after
// Close, an *Error when the interface is no more.
func (l *Live) Next(f *Frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if l.stop.Load() {
			return io.EOF
		}
		if l.err != nil {
			return l.err
		}
		if err := l.backend.next(f); err != nil {
			return l.pause(err)
		}
		if l.filter != nil && !l.filter.match(f.LinkType, f.Data, f.WireLen) {
			continue
		}
		if len(f.Data) > l.o.SnapLen {
			f.Data = f.Data[:l.o.SnapLen]
		}
		l.packets++
		f.Packet = reassembly.MakePacket(0, l.packets)
		return nil
	}
}

// pause: no packet came. Time to look whether the interface is still there.
func (l *Live) pause(err error) error {
	if l.stop.Load() {
		return io.EOF
	}
	gone := l.watch.look(err != ErrIdle)
	switch {
	case gone != nil:
		l.err = gone
	case err == ErrIdle, l.watch.down:
		if err != ErrIdle {
			time.Sleep(IdleAfter) // a socket of an interface that is down fails at once
		}
		return ErrIdle
	default:
		l.err = &Error{Op: "capture", File: l.o.Interface, Err: err}
	}
	return l.err
}

// interrupt makes a Next that waits, and every later one, return io.EOF.
func (l *Live) interrupt() {
	if !l.stop.Swap(true) {
		l.backend.wake()
	}
}

// Close ends the capture. The Data of the last frame is no longer valid.
func (l *Live) Close() error {
	l.interrupt()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.last = l.stats()
		l.closed = true
		l.backend.close()
	}
	return nil
}

// Stats counts packets and losses so far; after Close, up to then.
func (l *Live) Stats() LiveStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.last
	}
	return l.stats()
}

func (l *Live) stats() LiveStats {
	s := LiveStats{Down: l.watch.down}
	s.Received, s.Dropped = l.backend.counters()
	if now := interfaceDrops(l.o.Interface); now > l.lost {
		s.InterfaceDropped = now - l.lost
	}
	return s
}

// LinkType is the LINKTYPE_ number of the frames.
func (l *Live) LinkType() uint32 { return l.backend.linkType() }

// Backend names the way in which packets are captured.
func (l *Live) Backend() string { return l.name }

// SnapLen is how many bytes of a packet are kept at most.
func (l *Live) SnapLen() int { return l.o.SnapLen }

// interfaceWatch notices that an interface goes down or away. The kernel tells
// neither in a way that both backends pass on.
type interfaceWatch struct {
	name  string
	index int
	down  bool
	next  time.Time
}

const watchEvery = 500 * time.Millisecond

// begin finds the interface, which must be up.
func (w *interfaceWatch) begin() error {
	if w.name == "" {
		return &Error{Op: "open", Err: ErrNoInterface, Detail: "no name was given", Hint: knownInterfaces()}
	}
	if w.name == AnyInterface {
		return nil
	}
	i, err := net.InterfaceByName(w.name)
	if err != nil {
		return &Error{Op: "open", File: w.name, Err: ErrNoInterface, Hint: knownInterfaces()}
	}
	if i.Flags&net.FlagUp == 0 {
		return &Error{Op: "open", File: w.name, Err: ErrInterfaceDown, Hint: "bring it up with 'ip link set " + w.name + " up'"}
	}
	w.index = i.Index
	return nil
}

// look is cheap enough to be called whenever no packet came.
func (w *interfaceWatch) look(now bool) error {
	if w.name == AnyInterface || !now && time.Now().Before(w.next) {
		return nil
	}
	w.next = time.Now().Add(watchEvery)
	i, err := net.InterfaceByIndex(w.index)
	if err != nil {
		return &Error{Op: "capture", File: w.name, Err: ErrInterfaceGone, Detail: "it was removed while it was captured",
			Hint: "start again when it is back"}
	}
	w.down = i.Flags&net.FlagUp == 0
	return nil
}

func knownInterfaces() string {
	list, err := Interfaces()
	if err != nil || len(list) == 0 {
		return "see 'finwait interfaces'"
	}
	names := make([]string, 0, len(list))
	for _, i := range list {
		names = append(names, i.Name)
	}
	return "there are " + strings.Join(names, ", ")
}

// privilegeError says how to get the right to capture.
func privilegeError(name string, err error) *Error {
	path, e := os.Executable()
	if e != nil {
		path = "finwait"
	}
	return &Error{Op: "open", File: name, Err: ErrPrivilege, Detail: err.Error(),
		Hint: fmt.Sprintf("run it as root, or give it the right: sudo setcap cap_net_raw,cap_net_admin+ep %s", path)}
}

// Interface is one interface that may be captured.
type Interface struct {
	Name      string
	Index     int
	Addresses []string
	Up        bool
	Running   bool // it has a carrier
	Loopback  bool
	LinkType  uint32 // LINKTYPE_ number, LinkNone if not known
}

// Interfaces lists what can be captured, in the order of their numbers.
func Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, &Error{Op: "open", Err: err, Detail: "listing the interfaces"}
	}
	out := make([]Interface, 0, len(list)+1)
	for i := range list {
		in := &list[i]
		one := Interface{Name: in.Name, Index: in.Index, Up: in.Flags&net.FlagUp != 0, Running: in.Flags&net.FlagRunning != 0,
			Loopback: in.Flags&net.FlagLoopback != 0, LinkType: interfaceLinkType(in.Name)}
		addresses, err := in.Addrs()
		if err == nil { // one that just went away has none
			for _, a := range addresses {
				one.Addresses = append(one.Addresses, a.String())
			}
		}
		out = append(out, one)
	}
	slices.SortStableFunc(out, func(a, b Interface) int { return cmp.Compare(a.Index, b.Index) })
	if hasAFPacket {
		out = append(out, Interface{Name: AnyInterface, Up: true, Running: true, LinkType: LinkSLL2})
	}
	return out, nil
}

func isLoopback(name string) bool {
	list, err := Interfaces()
	return err == nil && slices.ContainsFunc(list, func(i Interface) bool { return i.Name == name && i.Loopback })
}

// wrapping adds up a counter of 32 bits that starts again at 0.
type wrapping struct {
	sum  uint64
	last uint32
}

func (w *wrapping) add(now uint32) uint64 {
	w.sum += uint64(now - w.last)
	w.last = now
	return w.sum
}
