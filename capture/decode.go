package capture

import "github.com/finwait/finwait/reassembly"

// DecoderOptions sets what a Decoder does beside taking frames apart. The zero
// value is the ordinary way.
type DecoderOptions struct {
	VerifyChecksums bool // check TCP checksums of completely captured segments; else ChecksumUnknown
}

// Decoder takes frames apart. It is not safe for use by several goroutines.
type Decoder struct {
	opts    DecoderOptions
	quality Quality
}

// NewDecoder makes a Decoder.
func NewDecoder(o DecoderOptions) *Decoder {
	return &Decoder{opts: o, quality: Quality{LinkType: map[uint32]uint64{}}}
}

// Decode fills seg from f and returns 0, or says why the frame gives no segment;
// seg is then undefined. It never fails and does not keep f.
func (d *Decoder) Decode(f *Frame, seg *reassembly.Segment) Skip {
	d.quality.Frames++
	d.quality.Skipped[SkipNotIP]++
	return SkipNotIP
}

// Quality gives the counts so far.
func (d *Decoder) Quality() Quality { return d.quality }
