package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// This file captures on Linux without libpcap: an AF_PACKET socket with a ring
// of TPACKET_V3 blocks that the kernel fills and we read in place. See packet(7)
// and Documentation/networking/packet_mmap.rst of the kernel.

const (
	// The kernel hands over a block that is full, or not full after a while. So
	// while the reader is kept from its work, a ring of few large blocks runs out
	// even if hardly a packet comes; these last for seconds.
	smallBlock = 128 << 10 // bytes
	largeBlock = 256 << 10 // holds all of a packet but for jumbograms
	ringRoom   = 32        // bytes before each packet for a VLAN tag or a cooked header
	retireFast = 1         // ms after which the kernel hands over a block that is not full
	retireSlow = 60

	cookedBytes   = 20  // header of LINKTYPE_LINUX_SLL2
	arphrdLoop    = 772 // ARPHRD_LOOPBACK
	etherTypeVLAN = 0x8100
)

// afPacket is a ring of blocks.
type afPacket struct {
	fd      int
	event   int // eventfd that wakes poll
	ring    []byte
	blocks  int
	size    int    // of a block, bytes
	current int    // block that is read or comes next
	block   []byte // the block that is read, nil if none
	left    uint32 // packets left in it
	at      uint32 // offset of the next one
	link    uint32
	cooked  bool
	loop    bool // outgoing copies are skipped
	dir     Direction

	received, dropped uint64
}

// openAFPacket opens the ring. The Filter that it returns, if any, is one that
// the kernel cannot run and that is left to the caller.
func openAFPacket(o *LiveOptions) (liveBackend, *Filter, error) {
	a := &afPacket{fd: -1, event: -1, dir: o.Direction, link: interfaceLinkType(o.Interface)}
	a.cooked = a.link == LinkSLL2
	filter, program, err := kernelFilter(o, a.link, a.cooked)
	if err != nil {
		return nil, nil, err
	}
	if err := a.open(o, program); err != nil {
		a.close()
		if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
			return nil, nil, privilegeError(o.Interface, err)
		}
		return nil, nil, &Error{Op: "open", File: o.Interface, Err: errors.New("cannot capture on it"), Detail: err.Error()}
	}
	return a, filter, nil
}

func (a *afPacket) open(o *LiveOptions, program bpfProgram) (err error) {
	kind := unix.SOCK_RAW
	if a.cooked {
		kind = unix.SOCK_DGRAM
	}
	// Protocol 0: no packet comes before the filter and the ring are in place.
	if a.fd, err = unix.Socket(unix.AF_PACKET, kind|unix.SOCK_CLOEXEC, 0); err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	if a.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("eventfd: %w", err)
	}
	if err := a.makeRing(o); err != nil {
		return err
	}
	if err := attach(a.fd, program); err != nil {
		return fmt.Errorf("filter: %w", err)
	}
	index := 0
	if o.Interface != AnyInterface {
		w := interfaceWatch{name: o.Interface}
		if err := w.begin(); err != nil {
			return err
		}
		index = w.index
		a.loop = isLoopback(o.Interface)
	}
	if o.Direction == Incoming {
		// Kernels before 4.20 lack it; accept looks at each packet anyway.
		_ = unix.SetsockoptInt(a.fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	}
	if o.Promiscuous && index != 0 {
		m := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(a.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	all := binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, unix.ETH_P_ALL))
	if err := unix.Bind(a.fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func (a *afPacket) makeRing(o *LiveOptions) (err error) {
	if err := unix.SetsockoptInt(a.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("TPACKET_V3: %w", err)
	}
	if err := unix.SetsockoptInt(a.fd, unix.SOL_PACKET, unix.PACKET_RESERVE, ringRoom); err != nil {
		return fmt.Errorf("PACKET_RESERVE: %w", err)
	}
	if a.size = smallBlock; o.SnapLen > smallBlock/2 {
		a.size = largeBlock
	}
	a.blocks = max(2, o.Ring/a.size)
	retire := uint32(retireSlow)
	if o.Immediate {
		retire = retireFast
	}
	r := unix.TpacketReq3{Block_size: uint32(a.size), Block_nr: uint32(a.blocks), Frame_size: 2048,
		Frame_nr: uint32(a.blocks) * uint32(a.size/2048), Retire_blk_tov: retire}
	if err := unix.SetsockoptTpacketReq3(a.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &r); err != nil {
		return fmt.Errorf("a ring of %d MiB: %w", a.blocks*a.size>>20, err)
	}
	a.ring, err = unix.Mmap(a.fd, 0, a.blocks*a.size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	return nil
}

// kernelFilter makes the program for the socket, which also cuts packets to the
// snaplen, and the filter to run here where the kernel cannot: its packets of a
// cooked capture have no header.
func kernelFilter(o *LiveOptions, link uint32, cooked bool) (*Filter, bpfProgram, error) {
	whole := bpfProgram{{op: bpfRET, k: uint32(o.SnapLen)}}
	var f *Filter
	var err error
	switch {
	case o.Bytecode != "":
		f, err = ParseBytecode(o.Bytecode)
	case o.Filter != "":
		if f, err = CompileFilter(o.Filter); err == nil {
			_, err = f.program(link)
		}
	default:
		return nil, whole, nil
	}
	if err != nil {
		return nil, nil, err
	}
	p, err := f.program(link)
	if err != nil {
		return nil, nil, err
	}
	if cooked || len(p) > 4096 || beyondPacket.MatchString(o.Filter) {
		return f, whole, nil
	}
	cut := make(bpfProgram, len(p))
	for i, in := range p {
		if in.op == bpfRET && in.k != 0 {
			in.k = uint32(o.SnapLen)
		}
		cut[i] = in
	}
	return nil, cut, nil
}

func attach(fd int, p bpfProgram) error {
	code := make([]unix.SockFilter, len(p))
	for i, in := range p {
		code[i] = unix.SockFilter{Code: in.op, Jt: in.jt, Jf: in.jf, K: in.k}
	}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
		&unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]})
}

// header of block i, shared with the kernel.
func (a *afPacket) header(i int) *unix.TpacketHdrV1 {
	d := (*unix.TpacketBlockDesc)(unsafe.Pointer(&a.ring[i*a.size]))
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&d.Hdr))
}

func (a *afPacket) next(f *Frame) error {
	for {
		for a.left > 0 {
			p := a.block[a.at:]
			h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&p[0]))
			a.left--
			a.at += h.Next_offset
			if a.fill(f, h, p) {
				return nil
			}
		}
		if err := a.turn(); err != nil {
			return err
		}
	}
}

// turn gives the block that was read back to the kernel and waits for the next.
func (a *afPacket) turn() error {
	if a.block != nil {
		atomic.StoreUint32(&a.header(a.current).Block_status, unix.TP_STATUS_KERNEL)
		a.block = nil
		a.current = (a.current + 1) % a.blocks
	}
	h := a.header(a.current)
	if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
		if err := a.wait(); err != nil {
			return err
		}
		if atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER == 0 {
			return ErrIdle
		}
	}
	a.block = a.ring[a.current*a.size : (a.current+1)*a.size]
	a.left, a.at = h.Num_pkts, h.Offset_to_first_pkt
	return nil
}

func (a *afPacket) wait() error {
	fds := []unix.PollFd{{Fd: int32(a.fd), Events: unix.POLLIN | unix.POLLERR}, {Fd: int32(a.event), Events: unix.POLLIN}}
	_, err := unix.Poll(fds, int(IdleAfter.Milliseconds()))
	if err != nil && err != unix.EINTR {
		return err
	}
	if fds[0].Revents&unix.POLLERR != 0 {
		code, err := unix.GetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		return err
	}
	return nil
}

// fill makes the frame of a packet in the ring; false: it is not to be shown.
func (a *afPacket) fill(f *Frame, h *unix.Tpacket3Hdr, p []byte) bool {
	from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&p[unix.SizeofTpacket3Hdr]))
	if !a.accept(from) {
		return false
	}
	begin, end := int(h.Mac), int(h.Mac)+int(h.Snaplen)
	if a.cooked {
		// The packet begins at the network header; the tag and the addresses are told beside it.
		begin, end = int(h.Net), int(h.Net)+int(h.Snaplen)
	}
	wire := h.Len
	if begin < unix.SizeofTpacket3Hdr || end > len(p) || begin < cookedBytes {
		return false
	}
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		if grown := insertTag(p, begin, end, h, a.cooked, from); grown > 0 {
			begin -= grown
			wire += uint32(grown)
		}
	}
	if a.cooked {
		begin -= cookedBytes
		wire += cookedBytes
		cook(p[begin:], from)
	}
	*f = Frame{Time: int64(h.Sec)*1e9 + int64(h.Nsec), LinkType: a.link, WireLen: wire, Data: p[begin:end:end]}
	return true
}

// accept: the loopback interface shows each packet when it is sent and when it
// arrives, which would look like a retransmission.
func (a *afPacket) accept(from *unix.RawSockaddrLinklayer) bool {
	out := from.Pkttype == unix.PACKET_OUTGOING
	switch {
	case out && (a.loop || from.Hatype == arphrdLoop):
		return false
	case a.dir == Incoming:
		return !out
	case a.dir == Outgoing:
		return out
	}
	return true
}

// insertTag puts back the VLAN tag that the kernel took off, into the room
// before the packet. It tells by how much the packet grew.
func insertTag(p []byte, begin, end int, h *unix.Tpacket3Hdr, cooked bool, from *unix.RawSockaddrLinklayer) int {
	const tag, addresses = 4, 12
	kind := uint16(etherTypeVLAN)
	if h.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		kind = h.Hv1.Vlan_tpid
	}
	switch {
	case cooked:
		binary.BigEndian.PutUint16(p[begin-tag:], uint16(h.Hv1.Vlan_tci))
		binary.BigEndian.PutUint16(p[begin-tag+2:], networkOrder(from.Protocol))
		from.Protocol = networkOrder(kind)
	case end-begin < addresses+2:
		return 0
	default:
		copy(p[begin-tag:], p[begin:begin+addresses])
		binary.BigEndian.PutUint16(p[begin-tag+addresses:], kind)
		binary.BigEndian.PutUint16(p[begin-tag+addresses+2:], uint16(h.Hv1.Vlan_tci))
	}
	return tag
}

// networkOrder reads what the kernel holds in network order.
func networkOrder(v uint16) uint16 {
	return binary.BigEndian.Uint16(binary.NativeEndian.AppendUint16(nil, v))
}

// cook writes the header of LINKTYPE_LINUX_SLL2.
func cook(b []byte, from *unix.RawSockaddrLinklayer) {
	binary.BigEndian.PutUint16(b, networkOrder(from.Protocol))
	binary.BigEndian.PutUint16(b[2:], 0)
	binary.BigEndian.PutUint32(b[4:], uint32(from.Ifindex))
	binary.BigEndian.PutUint16(b[8:], from.Hatype)
	b[10], b[11] = from.Pkttype, from.Halen
	copy(b[12:cookedBytes], from.Addr[:])
}

func (a *afPacket) linkType() uint32 { return a.link }

// counters: the kernel counts from the last time it was asked. Its first number
// includes the packets that it dropped.
func (a *afPacket) counters() (received, dropped uint64) {
	if s, err := unix.GetsockoptTpacketStatsV3(a.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
		a.received += uint64(s.Packets) - uint64(s.Drops)
		a.dropped += uint64(s.Drops)
	}
	return a.received, a.dropped
}

func (a *afPacket) wake() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(a.event, one) // it fails only when it was woken already
}

func (a *afPacket) close() {
	if a.ring != nil {
		_ = unix.Munmap(a.ring)
		a.ring, a.block, a.left = nil, nil, 0
	}
	for _, fd := range []*int{&a.fd, &a.event} {
		if *fd >= 0 {
			_ = unix.Close(*fd)
			*fd = -1
		}
	}
}
