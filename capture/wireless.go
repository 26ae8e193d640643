package capture

import (
	"encoding/binary"
)

// Frames of IEEE 802.11 and the headers that drivers put before them.

// radiotap reads a radiotap header (radiotap.org) for its length, and for
// whether the frame has padding and a check sequence.
func (w *walk) radiotap() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotIP)
	}
	n := int(binary.LittleEndian.Uint16(w.b[2:]))
	if n < 8 || n > len(w.b) {
		return w.short(SkipNotIP)
	}
	flags := radiotapFlags(w.b[:n])
	if flags&0x10 != 0 { // the frame has its check sequence
		w.fcs = 4
	}
	w.move(n)
	return w.dot11Frame(flags&0x20 != 0)
}

// radiotapFlags gives the flags field, 0 if there is none. gopacket's layer would
// do, but panics on short headers.
func radiotapFlags(b []byte) byte {
	const (
		hasTime  = 1 << 0
		hasFlags = 1 << 1
		more     = 1 << 31
	)
	present := binary.LittleEndian.Uint32(b[4:])
	at := 8
	for word := present; word&more != 0; at += 4 { // further words of the bitmap
		if at+4 > len(b) {
			return 0
		}
		word = binary.LittleEndian.Uint32(b[at:])
	}
	if present&hasTime != 0 {
		at = (at+7)&^7 + 8 // aligned to its size
	}
	if present&hasFlags == 0 || at >= len(b) {
		return 0
	}
	return b[at]
}

// dot11 reads an 802.11 frame without any header before it.
func (w *walk) dot11() Skip { return w.dot11Frame(false) }

func (w *walk) dot11Frame(pad bool) Skip {
	if len(w.b) < 2 {
		return w.short(SkipNotIP)
	}
	return w.dot11Data(w.b[0], w.b[1], pad)
}

// dot11Control is dot11 with the frame control given.
func (w *walk) dot11Control(kind, flags byte) Skip { return w.dot11Data(kind, flags, false) }

// dot11Data reads the header of a data frame, IEEE 802.11-2020 section 9.3.2.1.
func (w *walk) dot11Data(kind, flags byte, pad bool) Skip {
	const (
		toAndFrom = 0x03
		moreFrags = 0x04
		protected = 0x40
		order     = 0x80
	)
	if !w.deeper() {
		return SkipNesting
	}
	if kind>>2&3 != 2 || kind&0x40 != 0 { // not data, or data without a body
		return SkipNotIP
	}
	if flags&protected != 0 {
		return SkipEncrypted
	}
	n := 24
	if flags&toAndFrom == toAndFrom {
		n += 6
	}
	if len(w.b) < n+2 {
		return w.short(SkipNotIP)
	}
	if flags&moreFrags != 0 || w.b[22]&0xf != 0 {
		return SkipNotIP // an 802.11 fragment
	}
	aggregate := false
	if kind&0x80 != 0 { // QoS
		aggregate = w.b[n]&0x80 != 0
		n += 2
		if flags&order != 0 { // HT control
			n += 4
		}
	}
	if pad {
		n = (n + 3) &^ 3
	}
	if aggregate {
		return w.inner(n, (*walk).subframes)
	}
	return w.inner(n, (*walk).llc)
}

// subframes reads the packets of an A-MSDU, IEEE 802.11-2020 section 9.3.2.2. The
// segments in them go to Decoder.several; the reason, where there is none, is
// that of the first subframe.
func (w *walk) subframes() Skip {
	const header = 14 // two addresses and a length
	if len(w.b) < header {
		return w.short(SkipNotIP)
	}
	at, blank, several := *w, *w.seg, &w.d.several
	begin := len(*several)
	var why Skip
	for count := 1; ; count++ {
		*w, *w.seg = at, blank
		n := int(w.be16(12))
		w.move(header)
		if count > 1 || n < w.wire {
			w.limit(min(n, w.wire))
			w.fcs = 0
		}
		found := len(*several)
		skip := w.llc()
		if skip == NotSkipped && len(*several) == found { // and not those of an A-MSDU within
			w.finish()
			*several = append(*several, packet{*w.seg, w.d.innermost, w.d.innermostWire})
		}
		if count == 1 {
			why = skip
		}
		if count == 2 {
			w.d.quality.Aggregates++
		}
		more := at.move((header+n+3)&^3) && len(at.b) >= header && at.wire-at.fcs >= header
		if !more {
			break
		}
	}
	if len(*several) > begin {
		return NotSkipped
	}
	return why
}

// prism reads the headers of Prism and of AVS drivers, which share a link type.
func (w *walk) prism() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotIP)
	}
	if w.be32(0)&0xfffff000 == 0x80211000 {
		return w.avs()
	}
	n := binary.LittleEndian.Uint32(w.b[4:]) // in the byte order of the machine that captured
	if n > 0xffff {
		n = w.be32(4)
	}
	if n < 8 || uint64(n) > uint64(len(w.b)) {
		return w.short(SkipNotIP)
	}
	return w.inner(int(n), (*walk).dot11)
}

// avs reads an AVS header: version, length.
func (w *walk) avs() Skip {
	if len(w.b) < 8 {
		return w.short(SkipNotIP)
	}
	n := w.be32(4)
	if n < 8 || uint64(n) > uint64(len(w.b)) {
		return w.short(SkipNotIP)
	}
	return w.inner(int(n), (*walk).dot11)
}

// ppi reads a per-packet information header, which names another link type and,
// for 802.11, says whether the frame has padding and a check sequence.
func (w *walk) ppi() Skip {
	const (
		fieldCommon = 2
		flagFCS     = 1
	)
	if !w.deeper() {
		return SkipNesting
	}
	if len(w.b) < 8 {
		return w.short(SkipNotIP)
	}
	aligned, n, link := w.b[1]&1 != 0, int(binary.LittleEndian.Uint16(w.b[2:])), binary.LittleEndian.Uint32(w.b[4:])
	if n < 8 || n > len(w.b) {
		return w.short(SkipNotIP)
	}
	for o := w.b[8:n]; len(o) >= 4; {
		kind, length := binary.LittleEndian.Uint16(o), int(binary.LittleEndian.Uint16(o[2:]))
		if len(o) < 4+length {
			break
		}
		if kind == fieldCommon && length >= 10 && o[4+8]&flagFCS != 0 {
			w.fcs = 4
		}
		length += 4
		if aligned {
			length = (length + 3) &^ 3
		}
		o = o[min(length, len(o)):]
	}
	w.move(n)
	return w.link(link)
}
