package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/finwait/finwait/reassembly"
)

// The snoop format of Solaris, RFC 1761.

const snoopMagic = "snoop\x00\x00\x00"

type snoopFile struct {
	w      *window
	link   uint32
	file   int
	number uint64
	info   *FileInfo
}

// snoopLinks maps the datalink types of RFC 1761 to LINKTYPE_ numbers.
var snoopLinks = map[uint32]uint32{
	2:  LinkTokenRing,
	4:  LinkEthernet,
	8:  LinkFDDI,
	26: LinkIPOIB,
}

func openSnoop(w *window, file int, info *FileInfo) (*snoopFile, *Error) {
	info.Container = "snoop"
	h := w.peek(16)
	if len(h) < 16 {
		return nil, &Error{Op: "open", File: info.Path, Offset: int64(len(h)), Err: ErrTruncated,
			Detail: "the snoop file header is incomplete", Hint: "capture again"}
	}
	version, datalink := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	if version != 2 {
		return nil, &Error{Op: "open", File: info.Path, Offset: 8, Err: ErrUnsupported,
			Detail: fmt.Sprintf("snoop version %d", version), Hint: "convert it with 'editcap -F pcapng IN OUT'"}
	}
	link, ok := snoopLinks[datalink]
	if !ok {
		return nil, &Error{Op: "open", File: info.Path, Offset: 12, Err: ErrUnsupported,
			Detail: fmt.Sprintf("snoop datalink type %d", datalink), Hint: "convert it with 'editcap -F pcapng IN OUT'"}
	}
	w.take(16)
	info.Version, info.ByteOrder, info.Sections = "2", "big-endian", 1
	info.LinkTypes = []uint32{link}
	info.Interfaces = []InterfaceInfo{{LinkType: link, Resolution: 1e6}}
	return &snoopFile{w: w, link: link, file: file, info: info}, nil
}

func (s *snoopFile) next(f *Frame) error {
	h := s.w.peek(24)
	if len(h) < 24 {
		if len(h) == 0 && errors.Is(s.w.err, io.EOF) {
			return io.EOF
		}
		return cutShort(s.w, s.info.Path, s.number, "a record header")
	}
	wire, captured := binary.BigEndian.Uint32(h), binary.BigEndian.Uint32(h[4:])
	record, drops := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
	sec, usec := binary.BigEndian.Uint32(h[16:]), binary.BigEndian.Uint32(h[20:])
	if captured > maxRecord || record < 24 || record-24 < captured || record-24 > captured+1024 {
		return &Error{Op: "read", File: s.info.Path, Packet: s.number, Offset: s.w.offset(), Err: ErrCorrupt,
			Detail: fmt.Sprintf("a record of %d bytes claims a packet of %d", record, captured), Hint: "everything before it was read"}
	}
	b := s.w.peek(int(record))
	if len(b) < int(record) {
		return cutShort(s.w, s.info.Path, s.number, "a packet")
	}
	s.w.take(int(record))
	s.number++
	f.Time = int64(sec)*1e9 + int64(usec)*1000
	f.Packet = reassembly.MakePacket(s.file, s.number)
	f.LinkType, f.Interface, f.FCS = s.link, 0, 0
	f.WireLen = wire
	f.Data = b[24 : 24+captured]
	in := &s.info.Interfaces[0]
	in.statistics = uint64(drops) // cumulative, RFC 1761
	in.HasDropped = true
	return nil
}
