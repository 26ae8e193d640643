package capture

import (
	"errors"
	"fmt"
	"strings"

	"github.com/finwait/finwait/reassembly"
)

// Frame is one record of a capture, as captured.
type Frame struct {
	Time      int64             // ns since the Unix epoch; a record without a time has that of the one before
	Packet    reassembly.Packet // index of the file in Reader.Files, number that Wireshark shows
	LinkType  uint32            // LINKTYPE_ number (not DLT_), without the FCS bits
	Interface uint32            // interface number within its section (pcapng); 0 elsewhere
	WireLen   uint32            // bytes the frame had on the wire, as the file says; may be less than len(Data) in a bad file
	FCS       uint8             // bytes of frame check sequence at the frame's end on the wire, 0 if none or unknown
	Data      []byte            // captured bytes, valid until the next call of Next
	Comment   []byte            // what the file remarks on the packet (pcapng), printable, several with line ends between; valid as Data is

	// Of a file of segments, which has no packets: Data is nil, and Segment is
	// what the packet said, valid until the next call of Next; nil: a frame
	// without a segment had this time.
	Recorded bool
	Segment  *reassembly.Segment
}

// Source gives frames one after another.
type Source interface {
	// Next fills f with the next frame. The error is io.EOF at a clean end and an
	// *Error for damage, after every readable frame was given. After an error the
	// same error is given again.
	Next(f *Frame) error
	// Close releases what the source holds. The Data of the last frame is no longer valid.
	Close() error
}

// What an Error can wrap. Use errors.Is.
var (
	ErrTruncated   = errors.New("the file ends inside a record")
	ErrCorrupt     = errors.New("the file is damaged")
	ErrEmpty       = errors.New("the file is empty")
	ErrNotCapture  = errors.New("not a capture file")
	ErrUnsupported = errors.New("capture format not supported")
	ErrNoCaptures  = errors.New("no capture files found")
	ErrNoLibpcap   = errors.New("this build has no libpcap")
	ErrFilter      = errors.New("bad filter")
	ErrInterrupted = errors.New("interrupted")
)

// Error is what went wrong with a capture, and what to do about it.
type Error struct {
	Op     string // "open", "read", "filter"
	File   string // path as given, "-" for standard input; "" if no file is concerned
	Packet uint64 // last packet that was read whole, 0 if none
	Offset int64  // bytes from the start of the (decompressed) file where the damage was met
	Err    error  // one of the Err… values, or the system's error
	Detail string // what exactly was found, "" if Err says it all
	Hint   string // what to do, "" if there is nothing to say
}

// Error is one line: the file, what was found and where, what to do.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		name := e.File
		if name == "-" {
			name = "standard input"
		}
		b.WriteString(name)
		b.WriteString(": ")
	}
	b.WriteString(e.Err.Error())
	if e.Detail != "" {
		b.WriteString(": ")
		b.WriteString(e.Detail)
	}
	if e.Op == "read" {
		fmt.Fprintf(&b, " (byte %d, after packet %d)", e.Offset, e.Packet)
	}
	if e.Hint != "" {
		b.WriteString("; ")
		b.WriteString(e.Hint)
	}
	return b.String()
}

// Unwrap gives the wrapped error.
func (e *Error) Unwrap() error { return e.Err }
