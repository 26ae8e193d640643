// Package pcapng writes captures with comments: pcapng, the one format in which
// a packet carries text that Wireshark shows beside it. It writes one section,
// little-endian, with time stamps in nanoseconds; what is written is exactly what
// is given, nothing is kept in memory.
//
//	w, err := pcapng.NewWriter(out, "finwait")
//	i, err := w.AddInterface(pcapng.Interface{LinkType: 1})
//	err = w.Write(&pcapng.Packet{Interface: i, Time: ns, WireLen: 60, Data: data, Comment: "SYN-SENT"})
//
// Section numbers in the comments are those of draft-ietf-opsawg-pcapng.
package pcapng

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Block types, section 11.1, and option codes, sections 3.5, 4.2 and 4.3.
const (
	blockSection   = 0x0a0d0d0a
	blockInterface = 1
	blockPacket    = 6

	optComment     = 1
	shbApplication = 4
	ifName         = 2
	ifDescription  = 3
	ifResolution   = 9
	ifFCS          = 13

	byteOrder    = 0x1a2b3c4d
	nanoseconds  = 9
	mostInOption = 65535
)

// Interface is where packets were captured.
type Interface struct {
	LinkType          uint16 // LINKTYPE_ number
	SnapLen           uint32 // 0: no limit
	Name, Description string // "": not known
	FCS               uint8  // bytes of frame check sequence at a frame's end; 0: none or not known
}

// Packet is one frame.
type Packet struct {
	Interface int    // as AddInterface gave it
	Time      int64  // ns since the Unix epoch
	WireLen   uint32 // bytes on the wire
	Data      []byte // captured bytes
	Comment   string // lines that Wireshark shows at the packet; "": none
}

// ErrTime says that a time cannot be written: the format begins in 1970.
var ErrTime = errors.New("pcapng holds no times before 1970")

// Writer writes one capture.
type Writer struct {
	w          io.Writer
	interfaces int
	b          []byte
}

// NewWriter begins a capture. w is written in one piece a block: buffer it.
func NewWriter(w io.Writer, application string) (*Writer, error) {
	p := &Writer{w: w}
	p.begin(blockSection)
	p.u32(byteOrder)
	p.u16(1) // version 1.0
	p.u16(0)
	p.u64(^uint64(0)) // the section's length is not known beforehand
	p.option(shbApplication, application)
	p.endOptions()
	return p, p.end()
}

// AddInterface describes an interface and gives its number.
func (p *Writer) AddInterface(i Interface) (int, error) {
	p.begin(blockInterface)
	p.u16(i.LinkType)
	p.u16(0)
	p.u32(i.SnapLen)
	p.option(ifName, i.Name)
	p.option(ifDescription, i.Description)
	p.option(ifResolution, string([]byte{nanoseconds}))
	if i.FCS > 0 {
		p.option(ifFCS, string([]byte{i.FCS}))
	}
	p.endOptions()
	n := p.interfaces
	p.interfaces++
	return n, p.end()
}

// Write writes one packet.
func (p *Writer) Write(k *Packet) error {
	if k.Interface < 0 || k.Interface >= p.interfaces {
		return fmt.Errorf("pcapng: there is no interface %d", k.Interface)
	}
	if k.Time < 0 {
		return ErrTime
	}
	p.begin(blockPacket)
	p.u32(uint32(k.Interface))
	p.u32(uint32(uint64(k.Time) >> 32))
	p.u32(uint32(k.Time))
	p.u32(uint32(len(k.Data)))
	p.u32(k.WireLen)
	p.b = append(p.b, k.Data...)
	p.pad()
	if k.Comment != "" {
		p.option(optComment, cut(k.Comment))
		p.endOptions()
	}
	return p.end()
}

// cut shortens a comment to what an option holds, between two characters.
func cut(s string) string {
	const more = " ..."
	if len(s) <= mostInOption {
		return s
	}
	n := mostInOption - len(more)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + more
}

func (p *Writer) begin(kind uint32) {
	p.b = p.b[:0]
	p.u32(kind)
	p.u32(0) // the length, see end
}

// end writes the block with its length at both ends, section 3.1.
func (p *Writer) end() error {
	n := uint32(len(p.b) + 4)
	p.u32(n)
	binary.LittleEndian.PutUint32(p.b[4:], n)
	_, err := p.w.Write(p.b)
	return err
}

// option writes one option, section 3.5; an empty one is left out.
func (p *Writer) option(code uint16, value string) {
	if value == "" {
		return
	}
	value = cut(value)
	p.u16(code)
	p.u16(uint16(len(value)))
	p.b = append(p.b, value...)
	p.pad()
}

func (p *Writer) endOptions() { p.u32(0) }

func (p *Writer) pad() {
	for len(p.b)%4 != 0 {
		p.b = append(p.b, 0)
	}
}

func (p *Writer) u16(v uint16) { p.b = binary.LittleEndian.AppendUint16(p.b, v) }
func (p *Writer) u32(v uint32) { p.b = binary.LittleEndian.AppendUint32(p.b, v) }
func (p *Writer) u64(v uint64) { p.b = binary.LittleEndian.AppendUint64(p.b, v) }
