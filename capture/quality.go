package capture

import (
	"maps"
	"slices"
)

// Skip says why a frame gave no segment. The zero value says that it gave one.
type Skip uint8

// Reasons, in the order in which a frame is taken apart.
const (
	NotSkipped       Skip = iota
	SkipFiltered          // not selected by the filter or the selection
	SkipLinkType          // the link type is not supported; Quality.LinkTypes has the numbers
	SkipNotIP             // the frame carries no IP packet (ARP, LLDP, spanning tree, ...)
	SkipNotTCP            // IP with another protocol
	SkipEncrypted         // the protocol above cannot be read: ESP, protected 802.11 data
	SkipFragment          // part of a datagram whose segment is told by the frame that completed it
	SkipFragmentHead      // part of a datagram whose first fragment was never seen
	SkipFragmentRest      // part of a datagram that was never completed though its first fragment was seen
	SkipTruncated         // the captured bytes end before the TCP flags
	SkipIPHeader          // the IP header contradicts itself
	SkipTCPHeader         // the TCP header is shorter than 20 bytes or longer than the packet
	SkipNesting           // more layers than MaxLayers
	SkipUndecodable       // taking the frame apart went wrong inside the program; please report it
	numSkips
)

var skipNames = [numSkips]string{
	"", "filtered", "unknown-link-type", "not-ip", "not-tcp", "encrypted", "fragment", "fragment-without-head",
	"fragment-incomplete", "truncated-header", "bad-ip-header", "bad-header-length", "nested-too-deep", "undecodable",
}

// String is the reason's stable name, "" for a frame that was not skipped.
func (s Skip) String() string {
	if s >= numSkips {
		return "unknown"
	}
	return skipNames[s]
}

// Skips lists every reason, in order.
func Skips() []Skip {
	all := make([]Skip, 0, numSkips-1)
	for s := NotSkipped + 1; s < numSkips; s++ {
		all = append(all, s)
	}
	return all
}

// Quality counts what a Decoder met. Frames is always Segments plus the sum of
// Skipped; the further segments of a frame that gave several are in Further.
type Quality struct {
	Frames   uint64            // frames given to Decode
	Segments uint64            // frames that gave a segment
	Skipped  [numSkips]uint64  // by reason
	LinkType map[uint32]uint64 // frames whose link type is not supported, by LINKTYPE_ number

	Quoted         uint64 // segments quoted by an ICMP error
	Tunnelled      uint64 // segments found inside a tunnel
	Reassembled    uint64 // segments put together from IP fragments
	Cut            uint64 // frames captured in part (snaplen)
	HeadersCut     uint64 // segments whose TCP header or options were captured in part
	LengthUnknown  uint64 // segments whose lengths contradict each other
	Aggregates     uint64 // 802.11 frames of several packets (A-MSDU)
	Further        uint64 // segments of such frames beside the first
	BadOptions     uint64 // segments with a malformed option list
	ChecksumGood   uint64 // only counted when checksums are verified
	ChecksumBad    uint64
	Duplicates     uint64 // segments that look like copies of one of the last few (same header, same IP id, within 1 ms)
	TimeBackwards  uint64 // frames older than the one before
	LargestSetback int64  // ns, the largest such step
	Recovered      uint64 // panics caught while decoding; the frames are under SkipUndecodable
}

// Skips gives the number of frames skipped for a reason.
func (q *Quality) Skips(s Skip) uint64 {
	if s >= numSkips {
		return 0
	}
	return q.Skipped[s]
}

// TotalSkipped is the number of frames that gave no segment.
func (q *Quality) TotalSkipped() uint64 {
	var n uint64
	for _, c := range q.Skipped {
		n += c
	}
	return n
}

// UnknownLinkTypes lists the unsupported link types that were met, in ascending order.
func (q *Quality) UnknownLinkTypes() []uint32 {
	return slices.Sorted(maps.Keys(q.LinkType))
}

// Add adds the counts of other frames.
func (q *Quality) Add(o *Quality) {
	q.Frames += o.Frames
	q.Segments += o.Segments
	for i, n := range o.Skipped {
		q.Skipped[i] += n
	}
	for link, n := range o.LinkType {
		if q.LinkType == nil {
			q.LinkType = map[uint32]uint64{}
		}
		q.LinkType[link] += n
	}
	q.Quoted += o.Quoted
	q.Tunnelled += o.Tunnelled
	q.Reassembled += o.Reassembled
	q.Cut += o.Cut
	q.HeadersCut += o.HeadersCut
	q.LengthUnknown += o.LengthUnknown
	q.Aggregates += o.Aggregates
	q.Further += o.Further
	q.BadOptions += o.BadOptions
	q.ChecksumGood += o.ChecksumGood
	q.ChecksumBad += o.ChecksumBad
	q.Duplicates += o.Duplicates
	q.TimeBackwards += o.TimeBackwards
	q.LargestSetback = max(q.LargestSetback, o.LargestSetback)
	q.Recovered += o.Recovered
}
