package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/finwait/finwait/reassembly"
)

// The pcapng format, draft-ietf-opsawg-pcapng. pcapngmeta.go reads the blocks
// that describe; here are the block loop and the packets.

const (
	blockUnknown    = 0          // reserved
	blockSection    = 0x0a0d0d0a // the same in both byte orders
	blockInterface  = 1
	blockOldPacket  = 2
	blockSimple     = 3
	blockNames      = 4
	blockStatistics = 5
	blockPacket     = 6
	blockJournal    = 9
	blockSysdigLow  = 0x201 // Sysdig's process list, interfaces and events
	blockSysdigHigh = 0x216

	byteOrderMagic = 0x1a2b3c4d

	minBlock = 12
	// A block that describes is held in memory up to this length. Wireshark has the same bound.
	maxMetaBlock = 16 << 20
	// Options may follow a packet; comments are the long ones.
	maxPacketBlock = maxDeclaredRecord + 1<<20
	// An interface costs a few hundred bytes here and 20 in the file.
	maxInterfaces = 1 << 16
)

// pcapngInterface is what is needed of an interface for each packet.
type pcapngInterface struct {
	link  uint32
	snap  uint32
	limit uint32
	fcs   uint8
	scale timeScale
	info  int // index into FileInfo.Interfaces
}

type pcapngFile struct {
	w          *window
	order      binary.ByteOrder
	big        bool
	file       int
	number     uint64
	section    int // index of the current section, -1 before the first
	interfaces []pcapngInterface
	lastTime   int64
	foreign    bool   // the present section is of an unknown version
	unread     *Error // the first such section
	comment    []byte // of the present packet
	named      map[Name]bool
	info       *FileInfo
}

func openPcapng(w *window, file int, info *FileInfo) (*pcapngFile, *Error) {
	info.Container = "pcapng"
	p := &pcapngFile{w: w, file: file, info: info, section: -1, order: binary.LittleEndian}
	if err := p.sectionHeader(); err != nil {
		err.Op = "open"
		return nil, err
	}
	return p, nil
}

// u32 reads in the section's byte order; unlike a call through binary.ByteOrder it
// costs nothing.
func (p *pcapngFile) u32(b []byte) uint32 {
	if p.big {
		return binary.BigEndian.Uint32(b)
	}
	return binary.LittleEndian.Uint32(b)
}

// next reads blocks up to and including the next packet.
func (p *pcapngFile) next(f *Frame) error {
	for {
		h := p.w.peek(8)
		if len(h) < 8 {
			if len(h) != 0 || !errors.Is(p.w.err, io.EOF) {
				return p.cut("a block header")
			}
			if p.unread != nil {
				return p.unread
			}
			return io.EOF
		}
		kind, length := p.u32(h), p.u32(h[4:])
		if kind == blockSection {
			if err := p.sectionHeader(); err != nil {
				return err
			}
			continue
		}
		if length < minBlock {
			return p.corrupt("a block of type %#x claims %d bytes", kind, length)
		}
		if p.foreign {
			kind = blockUnknown
		}
		var done bool
		var err *Error
		switch kind {
		case blockPacket, blockOldPacket, blockSimple, blockJournal:
			done, err = p.packetBlock(kind, length, f)
		case blockInterface, blockStatistics, blockNames:
			err = p.metaBlock(kind, length)
		default:
			if kind >= blockSysdigLow && kind <= blockSysdigHigh {
				done, err = p.packetBlock(kind, length, f)
				break
			}
			if !p.w.skip(int64(length)) {
				err = p.cut("a block")
			}
		}
		if err != nil {
			return err
		}
		if done {
			return nil
		}
	}
}

// body gives a whole block of at most limit bytes and takes it.
func (p *pcapngFile) body(kind, length uint32, limit int) ([]byte, *Error) {
	if int64(length) > int64(limit) {
		return nil, p.corrupt("a block of type %#x claims %d bytes", kind, length)
	}
	b := p.w.peek(int(length))
	if len(b) < int(length) {
		return nil, p.cut("a block")
	}
	if again := p.u32(b[length-4:]); again != length {
		return nil, p.corrupt("the two lengths of a block differ, %d and %d", length, again)
	}
	p.w.take(int(length))
	return b[8 : length-4], nil
}

func (p *pcapngFile) packetBlock(kind, length uint32, f *Frame) (bool, *Error) {
	b, err := p.body(kind, length, maxPacketBlock)
	if err != nil {
		return false, err
	}
	var ok bool
	switch kind {
	case blockPacket:
		ok, err = p.enhanced(b, f)
	case blockOldPacket:
		ok, err = p.old(b, f)
	case blockSimple:
		ok, err = p.simple(b, f)
	default:
		// Wireshark numbers these records though no interface carried them.
		f.LinkType, f.Interface, f.FCS = LinkNone, 0, 0
		f.Time, f.WireLen, f.Data, f.Comment = p.lastTime, uint32(len(b)), b, nil
		ok = true
	}
	if err != nil || !ok {
		return false, err
	}
	p.number++
	p.lastTime = f.Time
	f.Packet = reassembly.MakePacket(p.file, p.number)
	return true, nil
}

// enhanced reads an Enhanced Packet Block, section 4.3.
func (p *pcapngFile) enhanced(b []byte, f *Frame) (bool, *Error) {
	if len(b) < 20 {
		return false, p.corrupt("a packet block is too short")
	}
	index, high, low := p.u32(b), p.u32(b[4:]), p.u32(b[8:])
	captured, wire := p.u32(b[12:]), p.u32(b[16:])
	return p.packet(f, index, uint64(high)<<32|uint64(low), captured, wire, b[20:])
}

// old reads the obsolete Packet Block, appendix A of the draft.
func (p *pcapngFile) old(b []byte, f *Frame) (bool, *Error) {
	if len(b) < 20 {
		return false, p.corrupt("a packet block is too short")
	}
	index, drops := uint32(p.order.Uint16(b)), p.order.Uint16(b[2:])
	ts := uint64(p.u32(b[4:]))<<32 | uint64(p.u32(b[8:]))
	ok, err := p.packet(f, index, ts, p.u32(b[12:]), p.u32(b[16:]), b[20:])
	if ok && drops != 0xffff { // 0xffff: not known
		p.dropped(index, uint64(drops))
	}
	return ok, err
}

// simple reads a Simple Packet Block, section 4.4: no time, the first interface,
// and a captured length that follows from the others.
func (p *pcapngFile) simple(b []byte, f *Frame) (bool, *Error) {
	if len(b) < 4 {
		return false, p.corrupt("a packet block is too short")
	}
	wire := p.u32(b)
	captured := min(wire, uint32(len(b)-4))
	if len(p.interfaces) > 0 && p.interfaces[0].snap > 0 {
		captured = min(captured, p.interfaces[0].snap)
	}
	ok, err := p.packet(f, 0, 0, captured, wire, b[4:])
	if ok {
		f.Time = p.lastTime
		p.info.warnOnce("packets in simple packet blocks carry no time; each has the time of the packet before it")
	}
	return ok, err
}

// packet fills f; data holds the captured bytes, padding and options.
func (p *pcapngFile) packet(f *Frame, index uint32, ts uint64, captured, wire uint32, data []byte) (bool, *Error) {
	if uint64(index) >= uint64(len(p.interfaces)) {
		return false, p.corrupt("a packet of interface %d, which the file does not describe", index)
	}
	in := &p.interfaces[index]
	if uint64(captured) > uint64(len(data)) || captured > in.limit {
		return false, p.corrupt("a packet claims %d bytes in a block of %d", captured, len(data))
	}
	f.Time = in.scale.ns(ts)
	f.LinkType = in.link
	f.Interface = index
	f.WireLen = wire
	f.FCS = in.fcs
	f.Data = data[:captured:captured]
	f.Comment = nil
	p.info.Interfaces[in.info].Packets++
	if rest := (int(captured) + 3) &^ 3; rest+4 <= len(data) {
		p.packetOptions(data[rest:], index, f)
	}
	return true, nil
}

// packetOptions reads the options of a packet that matter here, section 4.3.1.
func (p *pcapngFile) packetOptions(b []byte, index uint32, f *Frame) {
	const (
		epbFlags     = 2
		epbDropCount = 4
	)
	for b != nil {
		code, value, rest := p.option(b)
		switch {
		case code == optComment:
			p.info.Commented++
			p.remark(f, value)
		case code == epbFlags && len(value) >= 4:
			if n := p.order.Uint32(value) >> 5 & 0xf; n > 0 {
				f.FCS = uint8(n)
			}
		case code == epbDropCount && len(value) >= 8:
			p.dropped(index, p.order.Uint64(value))
		}
		b = rest
	}
}

// dropped notes packets that were lost before the present one.
func (p *pcapngFile) dropped(index uint32, n uint64) {
	i := &p.info.Interfaces[p.interfaces[index].info]
	i.betweenPackets += n
	i.HasDropped = true
}

// optComment is the option that any block may have, section 3.5.1.
const optComment = 1

// option splits the first option off b. The rest is nil at the list's end.
func (p *pcapngFile) option(b []byte) (code uint16, value, rest []byte) {
	if len(b) < 4 {
		return 0, nil, nil
	}
	code = p.order.Uint16(b)
	n := int(p.order.Uint16(b[2:]))
	if code == 0 || 4+n > len(b) {
		return 0, nil, nil
	}
	if end := 4 + (n+3)&^3; end < len(b) {
		rest = b[end:]
	}
	return code, b[4 : 4+n], rest
}

func (p *pcapngFile) corrupt(format string, a ...any) *Error {
	return &Error{Op: "read", File: p.info.Path, Packet: p.number, Offset: p.w.offset(), Err: ErrCorrupt,
		Detail: fmt.Sprintf(format, a...), Hint: "everything before it was read"}
}

func (p *pcapngFile) cut(what string) *Error { return cutShort(p.w, p.info.Path, p.number, what) }

// timeScale turns an interface's time stamps into ns since the Unix epoch.
type timeScale struct {
	mul    uint64 // ns a unit, when a unit is a whole number of ns; else 0
	div    uint64 // units a second
	offset int64  // ns
}

// newTimeScale reads if_tsresol: the exponent of 10, or of 2 when the top bit is set.
func newTimeScale(resol uint8, offset int64) (timeScale, uint64) {
	s := timeScale{}
	exp := uint(resol & 0x7f)
	switch {
	case resol&0x80 != 0:
		s.div = 1 << min(exp, 63)
	case exp > 19:
		s.div = 1e19
	default:
		s.div = 1
		for range exp {
			s.div *= 10
		}
	}
	if s.div <= 1e9 && 1e9%s.div == 0 {
		s.mul = 1e9 / s.div
	}
	if offset > math.MaxInt64/int64(1e9) || offset < math.MinInt64/int64(1e9) {
		offset = 0
	}
	s.offset = offset * 1e9
	return s, s.div
}

// ns converts, and stops at the largest time there is (in the year 2262)
// instead of going round.
func (s timeScale) ns(ts uint64) int64 {
	var hi, lo uint64
	if s.mul != 0 {
		hi, lo = bits.Mul64(ts, s.mul)
	} else {
		sec, frac := ts/s.div, ts%s.div
		hi, lo = bits.Mul64(sec, 1e9)
		fh, fl := bits.Mul64(frac, 1e9)
		part, _ := bits.Div64(fh, fl, s.div)
		var carry uint64
		lo, carry = bits.Add64(lo, part, 0)
		hi += carry
	}
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	t := int64(lo)
	if s.offset > 0 && t > math.MaxInt64-s.offset {
		return math.MaxInt64
	}
	return t + s.offset
}
