package capture

import (
	"encoding/binary"
	"maps"

	"github.com/google/gopacket/layers"

	"github.com/finwait/finwait/reassembly"
)

// Read this after source.go. Most packets of most captures are TCP over IPv4 or
// IPv6 without extras over Ethernet: plain takes those apart in one pass. All
// others, and whatever is odd about a packet, go to walk.go, which goes layer by
// layer. Both end in tcp.go.

// DecoderOptions sets what a Decoder does beside taking frames apart. The zero
// value is the ordinary way.
type DecoderOptions struct {
	VerifyChecksums bool       // check TCP checksums of completely captured segments; else ChecksumUnknown
	Filter          *Filter    // nil: all frames
	FilterInner     bool       // apply Filter to the innermost IP packet and not to the frame
	Select          *Selection // nil: all segments
}

// Decoder takes frames apart. It is not safe for use by several goroutines.
type Decoder struct {
	opts    DecoderOptions
	selects bool // something can only be selected by its segment
	quality Quality
	time    int64 // of the frame before
	started bool
	recent  recent
	frags   fragments
	walk    walk

	innermost     []byte // the innermost IP packet of the frame, for FilterInner
	innermostWire uint32

	several []packet // of a frame that has several (A-MSDU): all of them
	given   int      // how many of them were handed out

	packet reassembly.Packet // of the segment before, in a file of segments
	kept   bool              // it was selected
}

// packet is one of several in a frame.
type packet struct {
	seg           reassembly.Segment
	innermost     []byte
	innermostWire uint32
}

// NewDecoder makes a Decoder.
func NewDecoder(o DecoderOptions) *Decoder {
	return &Decoder{opts: o, selects: o.Select != nil || o.Filter != nil && o.FilterInner, quality: Quality{LinkType: map[uint32]uint64{}}}
}

// Decode fills seg from f and returns 0, or says why the frame gives no segment;
// seg is then undefined. It never fails and does not keep f. A frame may hold
// more than one segment: More gives the others.
func (d *Decoder) Decode(f *Frame, seg *reassembly.Segment) Skip {
	q := &d.quality
	if len(d.several) > 0 {
		d.several, d.given = d.several[:0], 0
	}
	if f.Recorded {
		return d.recorded(f, seg)
	}
	q.Frames++
	if f.Time < d.time && d.started {
		q.TimeBackwards++
		q.LargestSetback = max(q.LargestSetback, d.time-f.Time)
	}
	d.time, d.started = f.Time, true
	if int(f.WireLen) > len(f.Data) {
		q.Cut++
	}
	if d.opts.Filter != nil && !d.opts.FilterInner && !d.opts.Filter.match(f.LinkType, f.Data, f.WireLen) {
		q.Skipped[SkipFiltered]++
		return SkipFiltered
	}
	if !d.plain(f, seg) {
		if skip := d.layered(f, seg); skip != NotSkipped {
			q.Skipped[skip]++
			return skip
		}
	}
	if len(d.several) > 0 && !d.choose(seg) || len(d.several) == 0 && d.selects && !d.selected(seg) {
		q.Skipped[SkipFiltered]++
		return SkipFiltered
	}
	q.Segments++
	if d.recent.seen(seg) {
		q.Duplicates++
	}
	return NotSkipped
}

// skipTold is what Decode gives for a frame whose skip a file of segments has
// counted already.
const skipTold = numSkips

// recorded takes a segment out of a file of segments. A filter on packets
// selects none: there are no packets.
func (d *Decoder) recorded(f *Frame, seg *reassembly.Segment) Skip {
	q := &d.quality
	if f.Segment == nil {
		return skipTold
	}
	*seg = *f.Segment
	again := q.Frames > 0 && seg.Packet == d.packet // a packet of the same frame
	if !again {
		q.Frames++
		d.packet, d.kept = seg.Packet, false
	}
	if d.opts.Filter != nil || d.opts.Select != nil && !d.opts.Select.Match(seg) {
		if !again {
			q.Skipped[SkipFiltered]++
		}
		return SkipFiltered
	}
	switch {
	case d.kept:
		q.Further++
	case again:
		q.Skipped[SkipFiltered]--
		q.Segments++
	default:
		q.Segments++
	}
	d.kept = true
	if d.recent.seen(seg) {
		q.Duplicates++
	}
	return NotSkipped
}

// More fills seg with the next segment of the frame that Decode was given last,
// and reports whether there was one more. Only 802.11 frames that carry several
// packets (A-MSDU) have any. They have the number and the time of their frame.
func (d *Decoder) More(seg *reassembly.Segment) bool {
	if d.given >= len(d.several) {
		return false
	}
	*seg = d.several[d.given].seg
	d.given++
	return true
}

// choose leaves those of several packets that are selected, and gives the first.
func (d *Decoder) choose(seg *reassembly.Segment) bool {
	kept := d.several[:0]
	for i := range d.several {
		p := d.several[i]
		d.innermost, d.innermostWire = p.innermost, p.innermostWire
		if !d.selected(&p.seg) {
			continue
		}
		if kept = append(kept, p); len(kept) > 1 { // the first is counted as those of other frames are
			d.quality.Further++
			if d.recent.seen(&p.seg) {
				d.quality.Duplicates++
			}
		}
	}
	d.several = kept
	return d.More(seg)
}

// selected applies what can only be applied to a segment.
func (d *Decoder) selected(seg *reassembly.Segment) bool {
	if d.opts.Select != nil && !d.opts.Select.Match(seg) {
		return false
	}
	if d.opts.Filter == nil || !d.opts.FilterInner {
		return true
	}
	return d.opts.Filter.match(LinkRaw, d.innermost, d.innermostWire)
}

// plain is the short way: Ethernet with at most one VLAN tag, cooked or raw, IPv4
// without options or IPv6 without extension headers, not fragmented, TCP, with lengths that agree.
// It reports whether it filled seg; if not, the long way tells what is odd.
func (d *Decoder) plain(f *Frame, seg *reassembly.Segment) bool {
	b := f.Data
	if len(b) < 20+minTCP {
		return false
	}
	wire := max(int(f.WireLen), len(b))
	*seg = reassembly.Segment{} // a literal with fields would be built elsewhere and copied
	seg.Time, seg.Packet, seg.Wire, seg.Tag = f.Time, f.Packet, f.WireLen, startTag(f)
	kind, n := binary.BigEndian.Uint16(b[12:]), 14
	if f.LinkType != LinkEthernet {
		if kind, n = plainLink(f, seg); n < 0 {
			return false
		}
	} else if kind == uint16(layers.EthernetTypeDot1Q) {
		seg.VLAN = binary.BigEndian.Uint16(b[14:]) & 0xfff
		seg.Tag = mixTag(seg.Tag, tagVLAN, uint32(seg.VLAN))
		kind, n = binary.BigEndian.Uint16(b[16:]), 18
	}
	b = b[n:]
	wire -= n
	d.innermost, d.innermostWire = b, uint32(wire)
	switch {
	case kind == uint16(layers.EthernetTypeIPv4) && len(b) >= 20+minTCP && b[0] == 0x45:
		total := int(binary.BigEndian.Uint16(b[2:]))
		if b[9] != byte(layers.IPProtocolTCP) || binary.BigEndian.Uint16(b[6:])&0x3fff != 0 || total < 40 || total > wire {
			return false
		}
		seg.IPID = binary.BigEndian.Uint16(b[4:])
		seg.TTL = b[8]
		putMapped(&seg.Src, b[12:16])
		putMapped(&seg.Dst, b[16:20])
		return d.tcp(b[20:min(total, len(b))], total-20, seg) == NotSkipped
	case kind == uint16(layers.EthernetTypeIPv6) && len(b) >= 40+minTCP && b[0]>>4 == 6:
		total := int(binary.BigEndian.Uint16(b[4:])) + 40
		if b[6] != byte(layers.IPProtocolTCP) || total < 60 || total > wire {
			return false
		}
		seg.V6 = true
		seg.TTL = b[7]
		seg.Src = reassembly.IP(b[8:24])
		seg.Dst = reassembly.IP(b[24:40])
		return d.tcp(b[40:min(total, len(b))], total-40, seg) == NotSkipped
	}
	return false
}

// plainLink reads the other link layers of the short way: the EtherType and the
// header's length, negative if the long way must look.
func plainLink(f *Frame, seg *reassembly.Segment) (kind uint16, n int) {
	b := f.Data // at least 34 bytes
	switch f.LinkType {
	case LinkRaw:
		switch b[0] >> 4 {
		case 4:
			return uint16(layers.EthernetTypeIPv4), 0
		case 6:
			return uint16(layers.EthernetTypeIPv6), 0
		}
	case LinkSLL:
		if binary.BigEndian.Uint16(b[2:]) < arphrdFirstOdd {
			seg.Tag = mixTag(seg.Tag, tagCooked, uint32(binary.BigEndian.Uint16(b)))
			return binary.BigEndian.Uint16(b[14:]), 16
		}
	case LinkSLL2:
		if binary.BigEndian.Uint16(b[8:]) < arphrdFirstOdd {
			seg.Tag = mixTag(seg.Tag, tagCooked, binary.BigEndian.Uint32(b[4:])<<3^uint32(b[10]))
			return binary.BigEndian.Uint16(b), 20
		}
	}
	return 0, -1
}

// layered is the long way. A panic in it, or in a library that it uses, costs
// one frame and is counted.
func (d *Decoder) layered(f *Frame, seg *reassembly.Segment) (skip Skip) {
	defer func() {
		if r := recover(); r != nil {
			d.quality.Recovered++
			d.several = d.several[:0]
			skip = SkipUndecodable
		}
	}()
	return d.walk.frame(d, f, seg)
}

// Quality gives the counts so far.
func (d *Decoder) Quality() Quality {
	q := d.quality
	q.LinkType = maps.Clone(q.LinkType)
	d.frags.pending(&q)
	return q
}

// putMapped writes an IPv4 address, IPv4-mapped, into an address that is zero. It
// is one store: bytes that are put together and then read at once make the
// processor wait.
func putMapped(ip *reassembly.IP, b []byte) {
	binary.LittleEndian.PutUint64(ip[8:], uint64(binary.LittleEndian.Uint32(b))<<32|0xffff<<16)
}

func mapped(a [4]byte) (ip reassembly.IP) {
	putMapped(&ip, a[:])
	return ip
}

// What goes into Segment.Tag beside the interface.
const (
	tagVLAN = iota + 1
	tagMPLS
	tagCooked // interface number and direction of a cooked capture
	tagTunnel // a tunnel's kind
	tagTEID
	tagSession
)

func startTag(f *Frame) uint32 { return f.Interface * 0x9e3779b1 }

func mixTag(tag uint32, kind, value uint32) uint32 {
	return (tag ^ kind<<28 ^ value ^ 0x811c9dc5) * 0x01000193
}

// recent remembers the last segments, to recognise copies: a mirror port or a
// capture on several interfaces shows a packet more than once, within
// microseconds. A real retransmission by IPv4 has another IP id.
type recent struct {
	slot [256]struct {
		key  uint64
		time int64
	}
}

const duplicateWindow = 1e6 // ns

func (r *recent) seen(seg *reassembly.Segment) bool {
	if seg.IPID == 0 && seg.Span() == 0 {
		return false // without an IP id, equal pure ACKs are ordinary
	}
	a := uint64(seg.Seq)<<32 | uint64(seg.Ack)
	b := uint64(seg.SrcPort)<<48 | uint64(seg.DstPort)<<32 | uint64(seg.IPID)<<16 | uint64(seg.Flags)
	c := uint64(seg.Length)<<32 | uint64(binary.LittleEndian.Uint32(seg.Src[12:])^seg.TSVal)
	key := (a*0x9e3779b97f4a7c15 ^ b) * 0xbf58476d1ce4e5b9
	key = (key ^ key>>29 ^ c) * 0x94d049bb133111eb
	s := &r.slot[key>>56]
	dup := s.key == key && seg.Time-s.time >= 0 && seg.Time-s.time < duplicateWindow
	s.key, s.time = key, seg.Time
	return dup
}
