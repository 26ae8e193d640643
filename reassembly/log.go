package reassembly

import (
	"encoding/binary"
	"math/bits"
)

// This file: where the logs of all connections stand. A log is a chain of blocks
// of a cache line each, filled with bytes; logcode.go says what they mean.

// logBlock is a piece of a log.
type logBlock struct {
	next uint32 // the block that follows
	data [blockLen]byte
}

const blockLen = 60

// logs holds the blocks of all connections; index 0 is none.
type logs struct {
	blocks chunks[logBlock]
	used   uint32   // blocks ever handed out
	free   []uint32 // blocks given back
}

// write appends an entry of n bytes to c's log.
func (l *logs) write(c *conn, words *[entryWords]uint64, n int) {
	at := int(c.logged) % blockLen
	if at == 0 {
		l.extend(c)
	}
	if at+(n+7)/8*8 <= blockLen {
		putWords(l.blocks.at(c.tail).data[at:], words, n)
		c.logged += uint16(n)
		return
	}
	var all [8 * entryWords]byte
	putWords(all[:], words, n)
	for b := all[:n]; ; l.extend(c) {
		n := copy(l.blocks.at(c.tail).data[at:], b)
		c.logged += uint16(n)
		if b = b[n:]; len(b) == 0 {
			return
		}
		at = 0
	}
}

// writeShort appends an entry of n bytes, at most 16, the first eight in lo.
func (l *logs) writeShort(c *conn, lo, hi uint64, n int) {
	at := int(c.logged) % blockLen
	if at == 0 || at+16 > blockLen {
		l.write(c, &[entryWords]uint64{lo, hi}, n)
		return
	}
	b := l.blocks.at(c.tail).data[at : at+16]
	binary.LittleEndian.PutUint64(b, lo)
	binary.LittleEndian.PutUint64(b[8:], hi)
	c.logged += uint16(n)
}

// extend adds a block to c's log.
func (l *logs) extend(c *conn) {
	b := l.block()
	if c.logged == 0 {
		c.head = b
	} else {
		l.blocks.at(c.tail).next = b
	}
	c.tail = b
}

func (l *logs) block() uint32 {
	if n := len(l.free); n > 0 {
		b := l.free[n-1]
		l.free = l.free[:n-1]
		return b
	}
	l.used++ // index 0 stays unused
	l.blocks.reach(l.used)
	return l.used
}

// fetch reads one word of each of the blocks that come next from those given
// back: as many as n segments are likely to need.
func (l *logs) fetch(n int) (sum uint64) {
	for _, b := range l.free[max(0, len(l.free)-n/4):] {
		sum += uint64(l.blocks.at(b).next)
	}
	return sum
}

// release gives back the log of c.
func (l *logs) release(c *conn) {
	v := l.view()
	l.free = v.list(c, l.free)
}

// restart begins a new log for c, whose old one somebody else has now.
func (l *logs) restart(c *conn) {
	if c.lone() {
		c.forgetLone()
	}
	c.head, c.tail, c.logged = 0, 0, 0
	for x := range c.side { // as decoding begins
		c.side[x].ttl, c.side[x].tag = 0, 0
		if !c.v6() {
			c.hints[x] = hints{}
		}
	}
	l.setContext(c)
}

// logView is the logs as they stood when it was made: what is added later is not
// in it, and does not disturb it.
type logView struct{ blocks [][]logBlock }

func (l *logs) view() logView { return logView{l.blocks.list} }

func (v *logView) at(b uint32) *logBlock { return &v.blocks[b>>chunkBits][b&(chunkLen-1)] }

// list appends the blocks of c's log.
func (v *logView) list(c *conn, list []uint32) []uint32 {
	b := c.head
	for n := int(c.logged); n > 0; n -= blockLen {
		list = append(list, b)
		b = v.at(b).next
	}
	return list
}

// bytes appends c's log to b.
func (v *logView) bytes(c *conn, b []byte) []byte {
	at := c.head
	for n := int(c.logged); n > 0; n -= blockLen {
		k := v.at(at)
		b = append(b, k.data[:min(n, blockLen)]...)
		at = k.next
	}
	return b
}

// fetch reads one word of each block of the logs of these connections, a block
// of each after the other: the reads do not depend on each other.
func (v *logView) fetch(list []retired) (sum uint64) {
	var at [jobLen]uint32
	most := 0
	for i := range list {
		sum += list[i].c.scope // the connection has two lines
		at[i] = list[i].c.head
		most = max(most, int(list[i].c.logged))
	}
	for n := 0; n < most; n += blockLen {
		for i := range list {
			if n < int(list[i].c.logged) {
				at[i] = v.at(at[i]).next
				sum += uint64(at[i])
			}
		}
	}
	return sum
}

// logWriter puts the bytes of one entry together, eight at a time: what was
// stored in small pieces a processor is slow to load as a large one.
type logWriter struct {
	words [entryWords]uint64
	n     int    // words that are full
	last  uint64 // the bytes behind them
	k     int    // how many these are
}

const entryWords = (mostEntry + 7) / 8

// number puts x, which has n bytes, at most 8.
func (w *logWriter) number(x uint64, n int) {
	w.last |= x << (8 * w.k)
	if w.k += n; w.k >= 8 {
		w.words[w.n] = w.last
		w.n++
		w.k -= 8
		w.last = x >> (8 * (n - w.k))
	}
}

// end puts the last bytes to the others and gives the number of all.
func (w *logWriter) end() int {
	if w.k > 0 {
		w.words[w.n] = w.last
	}
	return 8*w.n + w.k
}

// putWords writes n bytes to b, which has room for whole words.
func putWords(b []byte, words *[entryWords]uint64, n int) {
	for i := range (n + 7) / 8 {
		binary.LittleEndian.PutUint64(b[8*i:], words[i])
	}
}

// bytesOf is how many bytes a number takes.
func bytesOf(x uint64) int { return (bits.Len64(x) + 7) / 8 }
