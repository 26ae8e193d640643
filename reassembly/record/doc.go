// Package record is the compact form of Segments: some 20 bytes a packet, for
// files of segments and for shipping them between machines.
//
// Segments are held in blocks. A block stands by itself: it begins with
// Version and needs nothing that came before it. Within a block each record
// says only what its connection's direction does not lead to expect: the
// sequence number after the last one's payload, the acknowledgment number, the
// window, the time to live and so on of the one before.
//
//	block   = Version record*
//	record  = control time [flow] field*
//	control = the bits of control.go, as an unsigned varint
//	time    = ns since the record before (since the epoch in the first), zigzag varint
//	flow    = a new tuple, or the number of one met before in the block
//
// A record without a segment is a tick: a frame passed at that time that gave
// no segment, and moves the trace clock on. The clock at a record is the
// greatest time of the block up to it; an Encoder is told the clock by ticks.
//
// What a Segment holds is held, bit by bit; payloads and what the decoder made
// nothing of are not in a Segment.
package record
