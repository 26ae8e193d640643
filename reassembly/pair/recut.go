package pair

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/seqnum"
)

// This file: hosts that offload segmentation show super-segments in their own
// captures, which the wire and the receiver cut otherwise. Then no packet has its
// like, but the bytes have.

// since gives the packets under way that were first seen at a time or later. They
// stand in the order of first sight.
func (f *flow) since(at int64) []*packet {
	n, _ := slices.BinarySearchFunc(f.lone, at, func(p *packet, at int64) int { return cmp.Compare(p.first, at) })
	return f.lone[n:]
}

// maxPieces bounds how many packets of a flow one is held against.
const maxPieces = 8192

// recut looks for the bytes of packet p, which capture `to` lacks, among the
// packets that only capture `to` has. Where they are all there, p arrived with
// the last of them, and the pieces are no packets of their own.
func (m *merger) recut(p *packet, from, to int) {
	var pieces []*packet
	for n, q := range p.flow.since(p.first - m.slack(from, to)) {
		if n > maxPieces {
			break
		}
		if q.sender == p.sender && q.seen[to].pos != 0 && q.seen[from].pos == 0 && q.seg.Length > 0 && (q.absorbed || !q.emitted) &&
			seqnum.Overlap(p.seg.Seq, p.seg.Seq+p.seg.Length, q.seg.Seq, q.seg.Seq+q.seg.Length) && p.seg.TSVal == q.seg.TSVal &&
			q.seen[to].at >= p.seen[from].at-m.slack(from, to) {
			pieces = append(pieces, q)
		}
	}
	slices.SortFunc(pieces, func(a, b *packet) int {
		return cmp.Or(cmp.Compare(a.seg.Seq-p.seg.Seq+1<<31, b.seg.Seq-p.seg.Seq+1<<31), cmp.Compare(a.seen[to].pos, b.seen[to].pos))
	})
	next := p.seg.Seq
	for _, q := range pieces {
		if seqnum.Less(next, q.seg.Seq) {
			break
		}
		next = seqnum.Max(next, q.seg.Seq+q.seg.Length)
	}
	if seqnum.Less(next, p.seg.Seq+p.seg.Length) {
		return
	}
	for _, q := range pieces {
		if s := &q.seen[to]; p.seen[to].pos < s.pos {
			p.seen[to] = *s
		}
		// The FIN belongs to the packet that carries it.
		q.absorbed = q.absorbed || (p.seg.Flags|^q.seg.Flags)&reassembly.FlagFIN != 0
	}
}
