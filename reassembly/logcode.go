package reassembly

// This file: a log as bytes. Most segments follow from those before them on
// their connection, and an entry holds what does not: some ten bytes.
//
// An entry begins with two bytes; each field that they announce follows in this
// order, little-endian:
//
//	bit 0       the side
//	bits 1-2    flags: an index of commonFlags; else more: a byte each of flags, of bits below, recBits, TTL, tag
//	bit 3       window in 2 bytes; else it is the sender's last
//	bit 4       IP-ID in 2 bytes; else it is the one after the sender's last
//	bits 5-6    length in 0, 1 or 2 bytes; it is 0 without; or the sender's last that was not 0
//	bits 7-9    time: 1, 2, 3 or 4 bytes, µs since the connection's last packet; 2, 3 or 4 bytes, ns; 8 bytes, as it is
//	bits 10-11  packet: 1, 2 or 3 bytes, as many as after the last; 8 bytes, as it is
//	bits 12-13  timestamps, where there are any: the sender's last; TSval in 1 byte, as much as above the
//	            sender's last, and TSecr the sender's last or the other's last TSval; or a byte that says how
//	bit 14      seq in 4 bytes; else it is the sender's highest end
//	bit 15      ack in 4 bytes; else it is the other's highest end
//
// and where more says so, a length of 4 bytes, SACK blocks and the options of a
// SYN. There are timestamps if the sender's last segment had them; else there is
// more, and its recBits tell. What the fields are told from is the context: the
// writer has it in the conn, the reader builds it up again. Of IPv6 it lacks what
// hints has, and there is no IP-ID.

// Entries, the first two bytes.
const (
	logSide   = 1 << 0
	logFlags  = 1 // shift
	logWindow = 1 << 3
	logIPID   = 1 << 4
	logLength = 5 // shift
	logTime   = 7
	logPacket = 10
	logTS     = 12 // shift
	logSeq    = 1 << 14
	logAck    = 1 << 15

	hasMore      = 3 // of flags
	lastLength   = 3
	timeAsItIs   = 7
	packetAsItIs = 3

	moreBytes  = 5
	mostEntry  = 2 + moreBytes + 2 + 2 + 8 + 8 + 4 + 4 + 9 + 4 + 16 + 4 // bytes
	leastEntry = 2 + 1 + 1
	mostLogged = 1<<16 - 1 - 2*mostEntry

	mostAdopted = mostLogged * leastEntry / mostEntry // each entry may grow
)

// What timestamps gives.
const (
	tsLast   = iota // both are the sender's last
	tsSame          // TSecr is the sender's last
	tsEcho          // TSecr is the other's last TSval
	tsStated        // a byte says how many bytes of TSval follow, and where TSecr is from
)

// Where TSecr is from, where that is stated.
const (
	fromSame  = iota // as tsSame
	fromEcho         // as tsEcho
	fromBelow        // 2 bytes, as much as below the other's last TSval
	fromWhole        // 4 bytes, as it is

	tsFrom = 3 // shift
)

// More bits.
const (
	moreSACK    = 1 << iota // 8 bytes each for the first and the second block
	moreSACK2               //
	moreOptions             // 4 bytes: the options of the SYN that opened its side
	moreCited               // no packet of the connection's own: it leaves the context alone
	moreLength              // the length in 4 bytes
	moreContext             // no segment but what setContext writes
)

var (
	timeBytes   = [8]int{1, 2, 3, 4, 2, 3, 4, 8}
	timeUnit    = [8]int64{1000, 1000, 1000, 1000, 1, 1, 1, 1} // ns
	codeOfUS    = [9]uint64{0, 0, 1, 2, 3, timeAsItIs, timeAsItIs, timeAsItIs, timeAsItIs}
	codeOfNS    = [9]uint64{4, 4, 4, 5, 6, timeAsItIs, timeAsItIs, timeAsItIs, timeAsItIs}
	packetBytes = [4]int{1, 2, 3, 8}
	packetCode  = [9]uint64{0, 0, 1, 2, packetAsItIs, packetAsItIs, packetAsItIs, packetAsItIs, packetAsItIs}
	lengthBytes = [4]int{0, 1, 2, 0}
	commonFlags = [...]uint8{FlagACK, FlagACK | FlagPSH, FlagACK | FlagFIN}
	flagCode    = func() (code [256]uint8) {
		for i := range code {
			code[i] = hasMore
		}
		for i, f := range commonFlags {
			code[f] = uint8(i)
		}
		return
	}()
)

// recMoreBits are those that an entry without more never has.
const recMoreBits = recUnknown | recMoreSACK | recNext | recOld | recICMP

// add writes the next rec of c's log; c is as it was before that segment. own
// says that it is a packet of the connection's own; opts are those of a SYN.
func (l *logs) add(c *conn, r *rec, own bool, opts synOptions) {
	switch {
	case c.packets == 0 && own && c.logged == 0 && r.isLone():
		c.keepLone(r, opts)
		return
	case c.lone():
		l.unfold(c)
	}
	l.append(c, r, own, opts)
}

// append is add to a log that is one.
func (l *logs) append(c *conn, r *rec, own bool, opts synOptions) {
	x := r.side()
	d, p, h := &c.side[x], &c.side[1-x], &c.hints[x]
	if c.v6() {
		h = &hints{ipid: noIPID}
	}
	more := moreOf(r, d, h, own)
	f := flagCode[r.flags]
	usual := f != hasMore && more == 0 && r.bits&recMoreBits == 0 && r.bits&recTS == d.hadTS() && r.ttl == d.ttl && r.tag == d.tag
	if !usual {
		f = hasMore
	}
	head := uint64(x) | uint64(f)<<logFlags

	few, n := uint64(0), 0 // window, IP-ID, length
	if r.win != h.win {
		head |= logWindow
		few, n = uint64(r.win), 2
	}
	if r.ipid != h.ipid+1 {
		head |= logIPID
		few |= uint64(r.ipid) << (8 * n)
		n += 2
	}
	switch {
	case r.len == 0 || more&moreLength != 0:
	case r.len == h.len:
		head |= lastLength << logLength
	default:
		k := bytesOf(uint64(r.len))
		head |= uint64(k) << logLength
		few |= uint64(r.len) << (8 * n)
		n += k
	}

	after, packet := uint64(r.at-c.last), uint64(r.pkt-c.lastPkt)
	us := after / 1000
	k, since := codeOfUS[bytesOf(us)], us
	if us*1000 != after || k == timeAsItIs {
		k, since = codeOfNS[bytesOf(after)], after
	}
	j := packetCode[bytesOf(packet)]
	head |= k<<logTime | j<<logPacket

	ts, step := uint64(tsLast), r.tsval-d.ts
	if r.bits&recTS != 0 {
		ts = timestampCode(step, r.tsecr, h.tsecr, p.ts)
		head |= ts << logTS
	}

	if usual && k != timeAsItIs && j != packetAsItIs && ts != tsStated && r.seq == d.end && r.ack == p.end {
		m := timeBytes[k]
		since |= packet << (8 * m)
		m += packetBytes[j]
		if ts != tsLast {
			since |= uint64(step) << (8 * m)
			m++
		}
		n += 2
		first := head | few<<16
		l.writeShort(c, first|since<<(8*n), since>>(64-8*n), n+m)
	} else {
		w := logWriter{k: 2}
		if !usual {
			w.number(uint64(r.flags)|more<<8|uint64(r.bits)<<16|uint64(r.ttl)<<24|uint64(r.tag)<<32, moreBytes)
		}
		w.number(few, n)
		head |= w.behind(c, r, h, head, since)
		w.rare(r, more, opts)
		n := w.end()
		w.words[0] |= head
		l.write(c, &w.words, n)
	}
	if own {
		d.note(r)
		h.note(r)
	}
}

// behind puts the fields of an unusual entry from the time on, and gives what
// head lacks of them: seq and ack. since is the time as head says it.
func (w *logWriter) behind(c *conn, r *rec, h *hints, head, since uint64) (too uint64) {
	x := r.side()
	d, p := &c.side[x], &c.side[1-x]
	k, j := head>>logTime&7, head>>logPacket&3
	if k == timeAsItIs { // also where time went back
		since = uint64(r.at)
	}
	packet := uint64(r.pkt)
	if j != packetAsItIs {
		packet -= uint64(c.lastPkt)
	}
	w.number(since, timeBytes[k])
	w.number(packet, packetBytes[j])
	step := r.tsval - d.ts
	switch head >> logTS & 3 {
	case tsStated:
		w.timestamps(step, r.tsecr, h.tsecr, p.ts)
	case tsSame, tsEcho:
		w.number(uint64(step), 1)
	}
	if r.seq != d.end {
		too |= logSeq
		w.number(uint64(r.seq), 4)
	}
	if r.ack != p.end {
		too |= logAck
		w.number(uint64(r.ack), 4)
	}
	return too
}

// moreOf gives the more bits of a segment of side d.
func moreOf(r *rec, d *connSide, h *hints, own bool) (more uint64) {
	if !r.noSACK() {
		more |= moreSACK
		if r.sack[1] != (SACKBlock{}) {
			more |= moreSACK2
		}
	}
	switch {
	case !own:
		more |= moreCited
	case d.opens(r):
		more |= moreOptions
	}
	if r.len >= 1<<16 && r.len != h.len {
		more |= moreLength
	}
	return more
}

// timestampCode says how timestamps are told: step is by how much TSval is above
// the sender's last, last the sender's last TSecr, other the other's last TSval.
func timestampCode(step, ecr, last, other uint32) uint64 {
	switch {
	case step >= 1<<8 || ecr != last && ecr != other:
		return tsStated
	case ecr != last:
		return tsEcho
	case step != 0:
		return tsSame
	}
	return tsLast
}

// timestamps states them; see timestampCode.
func (w *logWriter) timestamps(step, ecr, last, other uint32) {
	from, rest, k := uint64(fromWhole), ecr, 4
	switch below := other - ecr; {
	case ecr == last:
		from, k = fromSame, 0
	case ecr == other:
		from, k = fromEcho, 0
	case below < 1<<16:
		from, rest, k = fromBelow, below, 2
	}
	n := bytesOf(uint64(step))
	w.number(uint64(n)|from<<tsFrom|uint64(step)<<8, 1+n)
	if k > 0 {
		w.number(uint64(rest), k)
	}
}

// rare puts what more says.
func (w *logWriter) rare(r *rec, more uint64, opts synOptions) {
	if more&moreLength != 0 {
		w.number(uint64(r.len), 4)
	}
	for i := range r.sack {
		if more&(moreSACK<<i) != 0 {
			w.number(uint64(r.sack[i].Left)|uint64(r.sack[i].Right)<<32, 8)
		}
	}
	if more&moreOptions != 0 {
		w.number(uint64(opts.word()), 4)
	}
}

// setContext notes in c's log what does not follow from it.
func (l *logs) setContext(c *conn) {
	w := logWriter{last: hasMore << logFlags, k: 2}
	w.number(moreContext<<8, moreBytes)
	w.number(uint64(c.last), 8)
	w.number(uint64(c.lastPkt), 8)
	for x := range c.side {
		d := &c.side[x]
		w.number(uint64(d.end), 4)
		w.number(uint64(d.bits&(csEnd|csTS)), 1)
		w.number(uint64(d.ts), 4)
	}
	l.write(c, &w.words, w.end())
}

// adopt takes the recs cited of the next incarnation in c's log for c's own.
// setContext must follow, and c.logged not be above mostAdopted.
func (l *logs) adopt(c *conn) {
	if c.lone() {
		l.unfold(c)
	}
	v := l.view()
	var opts [2]synOptions
	recs, _ := v.unpack(c, nil, &opts, nil)
	l.release(c)
	own := c.bare()
	for i := range recs {
		r := &recs[i]
		r.bits &^= recNext
		is := r.bits&(recOld|recICMP) == 0
		l.add(&own, r, is, opts[r.side()])
		if is {
			own.pass(r)
			own.follow(r)
		}
	}
	if own.lone() {
		l.unfold(&own)
	}
	c.takeLog(&own)
}
