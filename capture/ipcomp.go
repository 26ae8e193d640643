package capture

import (
	"bytes"
	"errors"
	"io"

	"github.com/google/gopacket/layers"
	"github.com/klauspost/compress/flate"
)

// Compressed IP payloads, RFC 3173. DEFLATE (RFC 2394) is the method that is in
// use; the CPI field seldom says so, since it may be a negotiated number.

// maxExpanded is what one packet may expand to: no IP packet is longer.
const maxExpanded = 1 << 16

// ipComp goes on with the expanded payload. Of one that a snaplen cut, only what
// can be expanded is known; its length then is not.
func (w *walk) ipComp() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotTCP)
	}
	next := layers.IPProtocol(w.b[0])
	if !w.deeper() {
		return SkipNesting
	}
	r := flate.NewReader(bytes.NewReader(w.b[4:]))
	b, err := io.ReadAll(io.LimitReader(r, maxExpanded))
	_ = r.Close() // its only error is the one that Read gave
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) || len(b) == 0 {
		return w.short(SkipEncrypted)
	}
	w.unsure = w.unsure || err != nil
	w.b, w.wire = b, len(b)
	return w.ipPayload(next)
}
