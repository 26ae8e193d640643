package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// The pcapng blocks that describe: section headers, interfaces, statistics, names.

// maxLinkTypes bounds a list that is searched for each interface.
const maxLinkTypes = 1024

// sectionHeader reads a Section Header Block, section 4.1. It sets the byte order
// and forgets the interfaces of the section before.
func (p *pcapngFile) sectionHeader() *Error {
	h := p.w.peek(28)
	if len(h) < 12 {
		return p.cut("the section header")
	}
	switch uint32(byteOrderMagic) {
	case binary.LittleEndian.Uint32(h[8:]):
		p.order, p.big = binary.LittleEndian, false
	case binary.BigEndian.Uint32(h[8:]):
		p.order, p.big = binary.BigEndian, true
	default:
		return p.corrupt("a section header has no byte-order magic")
	}
	length := p.order.Uint32(h[4:])
	if length < 28 {
		return p.corrupt("a section header claims %d bytes", length)
	}
	b, err := p.body(blockSection, length, maxMetaBlock)
	if err != nil {
		return err
	}
	major, minor := p.order.Uint16(b[4:]), p.order.Uint16(b[6:])
	if major != 1 {
		err := p.corrupt("a section of pcapng version %d.%d", major, minor)
		err.Err, err.Hint = ErrUnsupported, "only version 1 is known"
		if p.section < 0 {
			return err
		}
		// Other sections may still be of a known version; this is told at the end.
		p.foreign = true
		if p.unread == nil {
			p.unread = err
		}
		return nil
	}
	p.foreign = false
	for o := b[16:]; o != nil; {
		code, value, rest := p.option(o)
		if code == optComment {
			p.info.comment(text(value))
		}
		o = rest
	}
	p.section++
	p.interfaces = p.interfaces[:0]
	p.info.Sections = p.section + 1
	if p.section == 0 {
		p.info.Version = fmt.Sprintf("%d.%d", major, minor)
		p.info.ByteOrder = orderName(p.big)
	}
	return nil
}

func (p *pcapngFile) metaBlock(kind, length uint32) *Error {
	b, err := p.body(kind, length, maxMetaBlock)
	if err != nil {
		return err
	}
	switch kind {
	case blockInterface:
		return p.interfaceBlock(b)
	case blockNames:
		p.names(b)
	default:
		p.statistics(b)
	}
	return nil
}

// names reads a Name Resolution Block, section 4.5: records of an address and the
// names that whoever captured knew it by. A record that contradicts itself is
// passed over, and what follows it: it bears on no packet.
func (p *pcapngFile) names(b []byte) {
	const (
		end  = 0
		ipv4 = 1
		ipv6 = 2
	)
	for {
		kind, value, rest := p.option(b) // of the same form
		if kind == end {
			return
		}
		n := map[uint16]int{ipv4: 4, ipv6: 16}[kind]
		if n > 0 && len(value) > n {
			ip, _ := netip.AddrFromSlice(value[:n])
			for name := range bytes.SplitSeq(value[n:], []byte{0}) {
				p.name(Name{ip, text(name[:min(len(name), maxName)])})
			}
		}
		if b = rest; b == nil {
			return
		}
	}
}

// name keeps a name that was not given yet.
func (p *pcapngFile) name(n Name) {
	if n.Name == "" || p.named[n] {
		return
	}
	if len(p.info.Names) == maxNames {
		p.info.warnOnce(fmt.Sprintf("the file names more than %d addresses; the others are left out", maxNames))
		return
	}
	if p.named == nil {
		p.named = map[Name]bool{}
	}
	p.named[n] = true
	p.info.Names = append(p.info.Names, n)
}

// interfaceBlock reads an Interface Description Block, section 4.2.
func (p *pcapngFile) interfaceBlock(b []byte) *Error {
	if len(b) < 8 {
		return p.corrupt("an interface description is too short")
	}
	if len(p.info.Interfaces) >= maxInterfaces {
		return p.corrupt("more than %d interfaces", maxInterfaces)
	}
	in := pcapngInterface{link: uint32(p.order.Uint16(b)), snap: p.order.Uint32(b[4:])}
	in.limit = min(max(maxRecord, in.snap), maxDeclaredRecord)
	info := InterfaceInfo{Section: p.section, Index: len(p.interfaces), LinkType: in.link, SnapLen: in.snap}
	resol := uint8(6)
	for o := b[8:]; o != nil; {
		code, value, rest := p.option(o)
		switch {
		case code == optComment:
			p.info.comment(text(value))
		case code == 2:
			info.Name = text(value)
		case code == 3:
			info.Description = text(value)
		case code == 9 && len(value) >= 1:
			resol = value[0]
		case code == 13 && len(value) >= 1:
			in.fcs = value[0]
		case code == 14 && len(value) >= 8:
			info.Offset = int64(p.order.Uint64(value))
		}
		o = rest
	}
	in.scale, info.Resolution = newTimeScale(resol, info.Offset)
	in.info = len(p.info.Interfaces)
	p.interfaces = append(p.interfaces, in)
	p.info.Interfaces = append(p.info.Interfaces, info)
	if len(p.info.LinkTypes) < maxLinkTypes && !slices.Contains(p.info.LinkTypes, in.link) {
		p.info.LinkTypes = append(p.info.LinkTypes, in.link)
	}
	p.info.addSnapLen(in.snap)
	return nil
}

// addSnapLen keeps the largest snaplen, where 0 means that there is no limit.
func (i *FileInfo) addSnapLen(snap uint32) {
	switch {
	case len(i.Interfaces) == 1:
		i.SnapLen = snap
	case i.SnapLen == 0 || snap == 0:
		i.SnapLen = 0
	default:
		i.SnapLen = max(i.SnapLen, snap)
	}
}

// statistics reads an Interface Statistics Block, section 4.6. Counters run
// from the start of the capture, so the last block of an interface counts.
func (p *pcapngFile) statistics(b []byte) {
	if len(b) < 12 {
		return
	}
	index := p.order.Uint32(b)
	if uint64(index) >= uint64(len(p.interfaces)) {
		return
	}
	info := &p.info.Interfaces[p.interfaces[index].info]
	var dropped uint64
	var has bool
	for o := b[12:]; o != nil; {
		code, value, rest := p.option(o)
		if len(value) >= 8 {
			n := p.order.Uint64(value)
			switch code {
			case 4: // isb_ifrecv
				info.Received, info.HasReceived = n, true
			case 5, 7: // isb_ifdrop, isb_osdrop
				dropped += n
				has = true
			}
		}
		o = rest
	}
	if has {
		info.statistics = dropped
		info.HasDropped = true
	}
}

// remark adds a comment to those of a packet. Each line of it is one of theirs.
func (p *pcapngFile) remark(f *Frame, value []byte) {
	if f.Comment == nil {
		p.comment = p.comment[:0]
	} else {
		p.comment = append(p.comment, '\n')
	}
	for i, line := range strings.Split(strings.TrimRight(string(value), "\x00\r\n"), "\n") {
		if i > 0 {
			p.comment = append(p.comment, '\n')
		}
		p.comment = append(p.comment, printable(line)...)
	}
	f.Comment = p.comment
}

// text makes an option's string printable, and cuts one that is no name.
func text(b []byte) string {
	return printable(strings.TrimRight(string(b[:min(len(b), 1024)]), "\x00"))
}

// printable is for a terminal, on which what a file says ends up.
func printable(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
