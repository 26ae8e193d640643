package reassembly

// This file: where the logs of all connections stand. A log is a chain of
// blocks of recs in a row: the first has room for one rec, which is all that
// most SYNs of a flood ever need, the next ones for more, so that going through
// a log is going through memory in order.

// logs holds the blocks of all connections, named by the index of their first
// rec; index 0 is none.
type logs struct {
	recs chunks[rec]
	used uint32                 // recs ever handed out
	free [blockClasses][]uint32 // blocks given back
}

const (
	blockClasses = 4
	blockMost    = 8
)

// blockOf is the class and the length of the block that begins after n recs of
// a log; 0 if none begins there.
func blockOf(n uint32) (class int, length uint32) {
	switch {
	case n == 0:
		return 0, 1
	case n == 1:
		return 1, 3
	case n == 4:
		return 2, 4
	case n >= blockMost && n%blockMost == 0:
		return 3, blockMost
	}
	return 0, 0
}

// add gives room for the next rec of c's log.
func (l *logs) add(c *conn) *rec {
	class, length := blockOf(c.recs)
	if length == 0 {
		c.tail++
	} else {
		b := l.block(class, length)
		if c.tail == 0 {
			c.head = b
		} else {
			l.recs.at(c.tail).next = b
		}
		c.tail = b
	}
	c.recs++
	return l.recs.at(c.tail)
}

func (l *logs) block(class int, length uint32) uint32 {
	if f := l.free[class]; len(f) > 0 {
		l.free[class] = f[:len(f)-1]
		return f[len(f)-1]
	}
	l.used = max(l.used, 1)                                // index 0 stays unused
	if rest := chunkLen - l.used%chunkLen; rest < length { // a block stands in one chunk
		l.used += rest
	}
	b := l.used
	l.used += length
	l.recs.reach(l.used - 1)
	return b
}

// each calls f with the blocks of a log of n recs that begins at head: their
// recs, as far as they are used. recs are the chunks as they stood when the
// log was last written.
func (l *logs) each(head, n uint32, f func(class int, block uint32, recs []rec)) {
	eachBlock(l.recs.list, head, n, f)
}

func eachBlock(list [][]rec, head, n uint32, f func(class int, block uint32, recs []rec)) {
	for done, b := uint32(0), head; done < n; {
		class, length := blockOf(done)
		at := b & (chunkLen - 1)
		recs := list[b>>chunkBits][at : at+min(length, n-done)]
		f(class, b, recs)
		done += length
		b = recs[len(recs)-1].next
	}
}

// release gives back a log of n recs that begins at head.
func (l *logs) release(head, n uint32) {
	l.each(head, n, func(class int, block uint32, _ []rec) {
		l.free[class] = append(l.free[class], block)
	})
}
