package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"unicode/utf8"
)

// What a file is, is told by its first bytes.

type format uint8

const (
	formatUnknown format = iota
	formatPcap
	formatPcapng
	formatSnoop
	formatSegments
	formatGzip
	formatZstd
	formatLZ4
	formatXZ
)

func detect(b []byte) format {
	if _, order := pcapMagic(b); order != nil {
		return formatPcap
	}
	for _, m := range []struct {
		magic string
		kind  format
	}{
		{"\x0a\x0d\x0d\x0a", formatPcapng},
		{snoopMagic, formatSnoop},
		{segmentsMagic, formatSegments},
		{"\x1f\x8b", formatGzip},
		{"\x28\xb5\x2f\xfd", formatZstd},
		{"\x04\x22\x4d\x18", formatLZ4},
		{"\xfd7zXZ\x00", formatXZ},
	} {
		if bytes.HasPrefix(b, []byte(m.magic)) {
			return m.kind
		}
	}
	// A zstd stream may begin with skippable frames, RFC 8878 section 3.1.2.
	if len(b) >= 4 && binary.LittleEndian.Uint32(b)&0xfffffff0 == 0x184d2a50 {
		return formatZstd
	}
	return formatUnknown
}

// looksLikeCapture looks at a file found in a directory.
func looksLikeCapture(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true // it was asked for: opening it says what is wrong
	}
	defer f.Close()
	var b [16]byte
	n, _ := io.ReadFull(f, b[:])
	switch detect(b[:n]) {
	case formatUnknown:
		return false
	case formatGzip, formatZstd, formatLZ4, formatXZ:
		return packsCapture(path)
	}
	return true
}

// packsCapture looks into a compressed file. One that is damaged was asked for
// all the same: opening it says what is wrong.
func packsCapture(path string) bool {
	in, err := openInput(0, &FileInfo{Path: path}, Options{}, smallWindowSize, new(atomic.Int64))
	if err == nil {
		in.close()
	}
	return !errors.Is(err, ErrNotCapture) && !errors.Is(err, ErrEmpty)
}

// foreign lists formats that are recognised only to say what to do.
var foreign = []struct{ magic, name string }{
	{"RTSS", "a Microsoft Network Monitor 1 capture"},
	{"GMBU", "a Microsoft Network Monitor 2 capture"},
	{"XCP\x00", "a NetXray or Windows Sniffer capture"},
	{"TRSNIFF data", "a Network General Sniffer capture"},
	{"btsnoop\x00", "a Bluetooth snoop log"},
	{"\x7fver", "an OmniPeek capture"},
	{"iptrace ", "an AIX iptrace capture"},
	{"\x05VNF", "a Visual Networks capture"},
}

var packed = []struct{ magic, name, tool string }{
	{"BZh", "bzip2", "bunzip2"},
	{"PK\x03\x04", "zip", "unzip"},
	{"7z\xbc\xaf\x27\x1c", "7-zip", "7z x"},
}

// notCapture says what a file is that is no capture.
func notCapture(w *window, info *FileInfo) *Error {
	b := w.peek(4096)
	e := &Error{Op: "open", File: info.Path, Err: ErrNotCapture, Detail: "its first bytes are of no known format",
		Hint: "finwait reads pcap, pcapng and snoop files"}
	if len(b) == 0 {
		e.Err, e.Detail, e.Hint = ErrEmpty, "", "capture again, or check what wrote it"
		if w.err != nil && !errors.Is(w.err, io.EOF) {
			e.Err, e.Hint = w.err, ""
			if errors.Is(w.err, io.ErrUnexpectedEOF) {
				e.Err, e.Hint = ErrTruncated, "the compressed file is incomplete; copy it again"
			}
		}
		return e
	}
	for _, f := range foreign {
		if bytes.HasPrefix(b, []byte(f.magic)) {
			return unsupported(e, f.name)
		}
	}
	for _, p := range packed {
		if bytes.HasPrefix(b, []byte(p.magic)) {
			e.Err, e.Detail, e.Hint = ErrUnsupported, p.name+" compression", fmt.Sprintf("unpack it with '%s' first", p.tool)
			return e
		}
	}
	switch {
	case len(b) < 4:
		e.Detail = fmt.Sprintf("it has only %d bytes", len(b))
	case looksLikeERF(b):
		return unsupported(e, "an Endace ERF capture")
	case isText(b):
		e.Detail = "it is a text file"
	}
	return e
}

func unsupported(e *Error, what string) *Error {
	e.Err, e.Detail, e.Hint = ErrUnsupported, "this is "+what, "convert it with 'editcap -F pcapng IN OUT'"
	return e
}

// looksLikeERF follows Endace's records, which have no magic number: a time in
// 2^-32 s (little-endian), type, flags, record length, loss counter, wire length.
func looksLikeERF(b []byte) bool {
	const records = 3
	var last uint32
	n := 0
	for len(b) >= 16 && n < records {
		sec := binary.LittleEndian.Uint32(b[4:])
		length := int(binary.BigEndian.Uint16(b[10:]))
		if kind := b[8] & 0x7f; kind == 0 || kind > 48 || length < 16 || sec < last || sec < 600e6 {
			return false
		}
		last = sec
		n++
		if length > len(b) {
			break
		}
		b = b[length:]
	}
	return n > 0
}

func isText(b []byte) bool {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax || r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != 0x1b {
			return false
		}
		b = b[n:]
	}
	return true
}
