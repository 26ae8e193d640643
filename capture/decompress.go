package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// Compressed captures are read as streams: what is in memory at one time is the
// decompressor's window, whose size is bounded whatever the file claims, and
// ours. A file that expands a million times is slow to read but not large.

// maxDictionary bounds what zstd and xz reserve because a header says so; it is
// touched only as far as the data goes. 'xz -9' and 'zstd --ultra -22' stay within.
const maxDictionary = 128 << 20

// decompress gives a window onto the capture itself and what that capture is.
func decompress(w *window, info *FileInfo, size int, in *input) (*window, format, *Error) {
	kind := detect(w.peek(16))
	r, name, err := decompressor(w, kind)
	if name == "" {
		return w, kind, nil
	}
	info.Compression = name
	if err != nil {
		return nil, kind, compressedError(info.Path, name, err)
	}
	if c, ok := r.(io.Closer); ok {
		in.closers = append(in.closers, c)
	}
	inner := newWindow(&plainReader{r: r, name: name}, max(size, windowSize))
	kind = detect(inner.peek(16))
	if inner.err != nil && !errors.Is(inner.err, io.EOF) && kind == formatUnknown {
		return nil, kind, compressedError(info.Path, name, inner.err)
	}
	return inner, kind, nil
}

// decompressor gives a reader of what is compressed in w, and the method's name,
// "" when w is not compressed.
func decompressor(w *window, kind format) (io.Reader, string, error) {
	switch kind {
	case formatGzip:
		r, err := gzip.NewReader(w)
		return r, "gzip", err
	case formatZstd:
		r, err := zstd.NewReader(w, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary))
		if err != nil {
			return nil, "zstd", err
		}
		return r.IOReadCloser(), "zstd", nil
	case formatLZ4:
		return lz4.NewReader(w), "lz4", nil
	case formatXZ:
		if n := xzDictionary(w.peek(64)); n > maxDictionary {
			return nil, "xz", fmt.Errorf("its dictionary of %d MiB is larger than %d MiB", n>>20, maxDictionary>>20)
		}
		r, err := xz.ReaderConfig{DictCap: 1 << 16}.NewReader(w)
		return r, "xz", err
	}
	return nil, "", nil
}

// plainReader makes a decompressor's errors recognisable: a short stream is a
// truncation, whatever the library calls it.
type plainReader struct {
	r    io.Reader
	name string
}

func (p *plainReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if err == nil || errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return n, err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return n, io.ErrUnexpectedEOF
	}
	return n, fmt.Errorf("%w: %s: %w", ErrCorrupt, p.name, err)
}

func compressedError(path, name string, err error) *Error {
	e := &Error{Op: "open", File: path, Err: ErrCorrupt, Detail: fmt.Sprintf("%s: %v", name, err),
		Hint: "copy it again, or unpack it with the method's own tool"}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		e.Err, e.Detail, e.Hint = ErrTruncated, "the "+name+" stream is incomplete", "copy it again"
	}
	return e
}

// xzDictionary reads the dictionary size from the first block header of an xz
// stream (the .xz file format, sections 3.1 and 5.3.1), 0 if it is not to be found.
func xzDictionary(b []byte) int64 {
	const streamHeader = 12
	if len(b) < streamHeader+2 || !bytes.HasPrefix(b, []byte("\xfd7zXZ\x00")) {
		return 0
	}
	h := b[streamHeader:]
	size := (int(h[0]) + 1) * 4
	if h[0] == 0 || size > len(h) { // 0: an index, the stream is empty
		return 0
	}
	flags, rest := h[1], h[2:size-4]
	for _, bit := range []byte{0x40, 0x80} { // compressed size, uncompressed size
		if flags&bit != 0 {
			_, n := binary.Uvarint(rest)
			if n <= 0 {
				return 0
			}
			rest = rest[n:]
		}
	}
	for range int(flags&3) + 1 {
		id, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0
		}
		length, m := binary.Uvarint(rest[n:])
		if m <= 0 || length > uint64(len(rest)-n-m) {
			return 0
		}
		props := rest[n+m:][:length]
		if id == 0x21 && length == 1 {
			bits := props[0] & 0x3f
			if bits >= 40 {
				return 1 << 32
			}
			return int64(2|bits&1) << (bits/2 + 11)
		}
		rest = rest[n+m+int(length):]
	}
	return 0
}
