package capture

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/finwait/finwait/reassembly"
)

// The classic format, draft-ietf-opsawg-pcap. Every dialect that libpcap or
// Wireshark reads is read here; which one it is, is told by the magic number
// and, for the old ones, by the version.

const (
	pcapHeaderLen = 24

	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34 // Kuznetzov's patch: 8 more bytes in each record header
	magicIXIAHard = 0x1c0001ac // IXIA lcap: 4 more bytes in the file header
	magicIXIASoft = 0x1c0001ab // the same, other time source

	// A record may be longer than the snaplen says, but a length beyond this is
	// taken for damage: the largest frame that a kernel builds is below 600 KiB.
	maxRecord = 1 << 20
	// A file that declares a larger snaplen (USB, D-Bus) is believed up to here.
	maxDeclaredRecord = 128 << 20
)

// lengthOrder says which of the two lengths of a record comes first.
type lengthOrder uint8

const (
	capturedFirst lengthOrder = iota
	originalFirst             // before version 2.3, and DG/UX's 543.0
	smallerFirst              // 2.3 was written both ways
)

type pcapFile struct {
	w         *window
	order     binary.ByteOrder
	big       bool
	nano      bool
	lengths   lengthOrder
	headerLen int // of a record
	limit     uint32
	link      uint32
	fcs       uint8
	file      int
	number    uint64
	info      *FileInfo
}

func pcapMagic(b []byte) (magic uint32, order binary.ByteOrder) {
	if len(b) < 4 {
		return 0, nil
	}
	for _, o := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch m := o.Uint32(b); m {
		case magicMicro, magicNano, magicModified, magicIXIAHard, magicIXIASoft:
			return m, o
		}
	}
	return 0, nil
}

func openPcap(w *window, file int, info *FileInfo) (*pcapFile, *Error) {
	h := w.peek(pcapHeaderLen)
	info.Container = "pcap"
	if len(h) < pcapHeaderLen {
		return nil, &Error{Op: "open", File: info.Path, Offset: int64(len(h)), Err: ErrTruncated,
			Detail: "the pcap file header is incomplete", Hint: "capture again"}
	}
	magic, order := pcapMagic(h)
	p := &pcapFile{w: w, order: order, file: file, info: info, headerLen: 16}
	p.big = order == binary.BigEndian
	p.nano = magic == magicNano
	extra := 0
	switch magic {
	case magicModified:
		p.headerLen = 24
	case magicIXIAHard, magicIXIASoft:
		extra = 4
	}
	major, minor := order.Uint16(h[4:]), order.Uint16(h[6:])
	if major != 2 && major != 543 {
		return nil, &Error{Op: "open", File: info.Path, Offset: 4, Err: ErrUnsupported,
			Detail: fmt.Sprintf("pcap version %d.%d", major, minor), Hint: "convert it with 'editcap -F pcap IN OUT'"}
	}
	switch {
	case major == 543 || minor < 3:
		p.lengths = originalFirst
	case minor == 3:
		p.lengths = smallerFirst
	}
	network := order.Uint32(h[20:])
	p.link, p.fcs = splitNetwork(network)
	if major == 2 && minor == 2 {
		p.aix()
	}
	snap := order.Uint32(h[16:])
	p.limit = min(max(maxRecord, snap), maxDeclaredRecord)
	w.take(pcapHeaderLen)
	if !w.skip(int64(extra)) {
		return nil, &Error{Op: "open", File: info.Path, Offset: w.offset(), Err: ErrTruncated, Detail: "the pcap file header is incomplete"}
	}
	p.describe(major, minor, snap)
	p.guessDialect(magic)
	return p, nil
}

// guessDialect finds out the length of the record headers. Two patched libpcaps
// wrote longer headers under an older magic number (Kuznetzov's first patch under
// the standard one, SuSE's 28 bytes under the modified one), and Nokia adds four
// bytes. As Wireshark does, another layout is believed only when the ordinary one
// cannot be true and the other fits.
func (p *pcapFile) guessDialect(magic uint32) {
	var others []int
	switch magic {
	case magicMicro:
		others = []int{24, 20}
	case magicModified:
		others = []int{28}
	}
	b := p.w.buf[p.w.lo:p.w.hi] // what was read anyway: a pipe must not be waited for
	if _, ok := p.chain(b, p.headerLen); ok || len(others) == 0 {
		return
	}
	for _, n := range others {
		if seen, ok := p.chain(b, n); ok && seen > 1 {
			p.headerLen = n
			p.info.warn("the record headers are %d bytes long (a patched libpcap wrote this file)", n)
			return
		}
	}
}

// chain follows the first records of b as if their headers had n bytes, and gives
// how many it saw and whether all can be true.
func (p *pcapFile) chain(b []byte, n int) (seen int, ok bool) {
	const records = 3
	for ; seen < records && len(b) >= n; seen++ {
		captured, wire := p.order.Uint32(b[8:]), p.order.Uint32(b[12:])
		if p.order.Uint32(b[4:]) >= 1e9 || captured > maxRecord || wire > 64<<20 || captured > wire && p.lengths == capturedFirst {
			return seen, false
		}
		if p.lengths != capturedFirst {
			captured = min(captured, wire)
		}
		b = b[min(n+int(captured), len(b)):]
	}
	return seen, true
}

// splitNetwork takes the last word of the file header apart: link type, and the
// FCS length in 16-bit words where bit 26 says that it is given.
func splitNetwork(network uint32) (link uint32, fcs uint8) {
	const hasFCS = 1 << 26
	if network&hasFCS != 0 {
		fcs = uint8(network>>28) * 2
	}
	return network & 0x03ffffff, fcs
}

// aix undoes what AIX's tcpdump writes under version 2.2: interface types of
// RFC 1573 for link types, and nanoseconds.
func (p *pcapFile) aix() {
	switch p.link {
	case 6: // ethernetCsmacd
		p.link = LinkEthernet
	case 9: // iso88025TokenRing
		p.link = LinkTokenRing
	case 15: // fddi
		p.link = LinkFDDI
	case 24: // softwareLoopback
		p.link = LinkNull
	default:
		return
	}
	p.nano = true
}

func (p *pcapFile) describe(major, minor uint16, snap uint32) {
	i := p.info
	i.Version = fmt.Sprintf("%d.%d", major, minor)
	i.ByteOrder = orderName(p.big)
	i.Sections = 1
	i.SnapLen = snap
	i.LinkTypes = []uint32{p.link}
	resolution := uint64(1e6)
	if p.nano {
		resolution = 1e9
	}
	i.Interfaces = []InterfaceInfo{{LinkType: p.link, SnapLen: snap, Resolution: resolution}}
}

func orderName(big bool) string {
	if big {
		return "big-endian"
	}
	return "little-endian"
}

func (p *pcapFile) next(f *Frame) error {
	h := p.w.peek(p.headerLen)
	if len(h) < p.headerLen {
		return p.short(len(h), "a record header")
	}
	var sec, frac, captured, wire uint32
	if p.big {
		sec, frac = binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
		captured, wire = binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	} else {
		sec, frac = binary.LittleEndian.Uint32(h), binary.LittleEndian.Uint32(h[4:])
		captured, wire = binary.LittleEndian.Uint32(h[8:]), binary.LittleEndian.Uint32(h[12:])
	}
	if p.lengths != capturedFirst && (p.lengths == originalFirst || captured > wire) {
		captured, wire = wire, captured
	}
	if captured > p.limit {
		return &Error{Op: "read", File: p.info.Path, Packet: p.number, Offset: p.w.offset(), Err: ErrCorrupt,
			Detail: fmt.Sprintf("a record claims %d bytes", captured), Hint: "everything before it was read"}
	}
	all := p.headerLen + int(captured)
	b := p.w.peek(all)
	if len(b) < all {
		return p.short(len(b), "a packet")
	}
	p.w.take(all)
	p.number++
	ns := int64(frac)
	if !p.nano {
		ns *= 1000
	}
	f.Time = int64(sec)*1e9 + ns
	f.Packet = reassembly.MakePacket(p.file, p.number)
	f.LinkType = p.link
	f.Interface = 0
	f.WireLen = wire
	f.FCS = p.fcs
	f.Data = b[p.headerLen:]
	return nil
}

// short is the end of the file: clean when nothing is left, else a cut. A rest
// of zeros is what a crash leaves of a preallocated file; it is a cut too.
func (p *pcapFile) short(have int, what string) error {
	if have == 0 && p.w.err == io.EOF {
		return io.EOF
	}
	return cutShort(p.w, p.info.Path, p.number, what)
}

func cutShort(w *window, path string, packets uint64, what string) *Error {
	return &Error{Op: "read", File: path, Packet: packets, Offset: w.offset(), Err: w.ended(),
		Detail: "the end of " + what + " is missing", Hint: "everything before it was read"}
}
