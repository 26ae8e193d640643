package capture

import (
	"errors"
	"io"
)

// A window is the piece of a stream that is in memory. The file readers hand out
// slices of it, so that a packet is not copied between read(2) and the decoder.

const (
	windowSize      = 256 << 10 // within the second-level cache; mapping the file measured slower than read(2)
	smallWindowSize = 64 << 10  // for the many files of a merged timeline
)

type window struct {
	r      io.Reader
	buf    []byte
	lo, hi int   // the unread bytes are buf[lo:hi]
	base   int64 // offset in the stream of buf[0]
	err    error // what ended the reading, io.EOF at the clean end
}

func newWindow(r io.Reader, size int) *window {
	return &window{r: r, buf: make([]byte, size)}
}

// offset is the position in the stream of the next unread byte.
func (w *window) offset() int64 { return w.base + int64(w.lo) }

// peek gives the next n bytes without taking them, or fewer at the stream's end.
// The buffer grows only as bytes arrive: a length field cannot make it claim
// more than twice what the stream really holds.
func (w *window) peek(n int) []byte {
	if b := w.buf[w.lo:w.hi]; n <= len(b) {
		return b[:n:n]
	}
	return w.peekMore(n)
}

// peekMore is peek of bytes that must be read first.
func (w *window) peekMore(n int) []byte {
	w.fill(n)
	n = min(n, w.hi-w.lo)
	return w.buf[w.lo : w.lo+n : w.lo+n]
}

func (w *window) fill(n int) {
	if w.lo > 0 {
		copy(w.buf, w.buf[w.lo:w.hi])
		w.base += int64(w.lo)
		w.hi -= w.lo
		w.lo = 0
	}
	empty := 0
	for w.hi < n && w.err == nil {
		if w.hi == len(w.buf) {
			bigger := make([]byte, min(2*len(w.buf), max(n, len(w.buf)+1)))
			copy(bigger, w.buf)
			w.buf = bigger
		}
		m, err := w.r.Read(w.buf[w.hi:])
		w.hi += m
		w.err = err
		if m > 0 || err != nil {
			empty = 0
		} else if empty++; empty >= 100 {
			w.err = io.ErrNoProgress
		}
	}
}

// take moves past n bytes, which must have been peeked.
func (w *window) take(n int) { w.lo += n }

// skip moves past n bytes of any number and reports whether they were there. It
// holds none of them.
func (w *window) skip(n int64) bool {
	for n > 0 {
		if w.hi == w.lo {
			w.base += int64(w.lo)
			w.lo, w.hi = 0, 0
			w.fill(1)
			if w.hi == 0 {
				return false
			}
		}
		step := min(n, int64(w.hi-w.lo))
		w.lo += int(step)
		n -= step
	}
	return true
}

// Read makes the rest of the stream available as a reader, for a decompressor.
func (w *window) Read(p []byte) (int, error) {
	if w.hi > w.lo {
		n := copy(p, w.buf[w.lo:w.hi])
		w.lo += n
		return n, nil
	}
	if w.err != nil {
		return 0, w.err
	}
	return w.r.Read(p)
}

// ended tells how the stream ended short: as truncation when it simply stopped,
// else as the system's or the decompressor's error.
func (w *window) ended() error {
	switch {
	case w.err == nil || errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF):
		return ErrTruncated
	default:
		return w.err
	}
}
