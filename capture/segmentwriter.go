package capture

import (
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"io"
	"math"

	"github.com/finwait/finwait/reassembly"
	segments "github.com/finwait/finwait/reassembly/record"
)

// blockSize is what a block of segments may take before it is written. Larger
// ones are smaller by little: each tells its tuples anew.
const blockSize = 256 << 10

// SegmentWriter writes a file of segments (segments.go), which Open reads like a
// capture. Every frame goes to Add or Skip, in the Reader's order. Memory is
// bounded by one block. It is not safe for use by several goroutines.
type SegmentWriter struct {
	w       io.Writer
	enc     segments.Encoder
	clock   int64 // greatest time of a frame
	least   int64 // least time written
	most    int64 // greatest time written
	written int64
	head    []byte
	err     error
}

// NewSegmentWriter begins a file of segments; files are the captures' paths by
// Packet.File, as Reader.Files tells them.
func NewSegmentWriter(w io.Writer, files []FileInfo) (*SegmentWriter, error) {
	s := &SegmentWriter{w: w, clock: math.MinInt64, least: math.MaxInt64, most: math.MinInt64}
	h := segmentsHeader{Files: make([]string, len(files))}
	for i := range files {
		h.Files[i] = files[i].Path
	}
	s.write([]byte(segmentsMagic))
	s.json(chunkHeader, h)
	return s, s.err
}

// Add takes a frame's segment, or one of its segments. After an error it does nothing, and gives that
// error again.
func (s *SegmentWriter) Add(seg *reassembly.Segment) error {
	s.clock = max(s.clock, seg.Time)
	s.enc.Segment(seg, s.clock)
	s.least, s.most = min(s.least, seg.Time), max(s.most, s.clock)
	if s.enc.Len() >= blockSize {
		s.flush()
	}
	return s.err
}

// Skip takes the time of a frame that gave no segment, ns since the epoch. It is
// kept where the segments do not tell it: trace time moves on with every frame.
func (s *SegmentWriter) Skip(at int64) error {
	s.clock = max(s.clock, at)
	if at < s.least {
		s.tick(at)
	}
	return s.err
}

func (s *SegmentWriter) tick(at int64) {
	s.enc.Tick(at)
	s.least, s.most = min(s.least, at), max(s.most, at)
}

// Close ends the file with what is known of the captures after they were read.
// It does not close the Writer below.
func (s *SegmentWriter) Close(files []FileInfo, q Quality) error {
	if s.clock > s.most {
		s.tick(s.clock)
	}
	s.flush()
	t := segmentsTrailer{Files: make([]toldFile, len(files)), Quality: tellQuality(q)}
	for i := range files {
		t.Files[i] = tellFile(&files[i])
	}
	s.json(chunkTrailer, t)
	return s.err
}

// Written is how many bytes were written so far.
func (s *SegmentWriter) Written() int64 { return s.written }

func (s *SegmentWriter) flush() {
	if s.enc.Records() > 0 {
		s.chunk(chunkBlock, s.enc.Bytes())
		s.enc.Reset()
	}
}

func (s *SegmentWriter) json(kind byte, v any) {
	text, err := json.Marshal(v)
	if err != nil && s.err == nil {
		s.err = err
	}
	s.chunk(kind, text)
}

func (s *SegmentWriter) chunk(kind byte, content []byte) {
	s.head = binary.BigEndian.AppendUint32(append(s.head[:0], kind), uint32(len(content)))
	sum := crc32.Update(crc32.Checksum(s.head, castagnoli), castagnoli, content)
	s.write(s.head)
	s.write(content)
	s.write(binary.BigEndian.AppendUint32(s.head[:0], sum))
}

func (s *SegmentWriter) write(b []byte) {
	if s.err != nil {
		return
	}
	n, err := s.w.Write(b)
	s.written += int64(n)
	s.err = err
}
