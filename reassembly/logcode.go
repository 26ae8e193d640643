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
//	bit 12      seq in 4 bytes; else it is the sender's highest end
//	bit 13      ack in 4 bytes; else it is the other's highest end
//	bits 14-15  timestamps, where there are any: the sender's last; TSval in 1 byte, as much as above the
//	            sender's last, and TSecr the sender's last or the other's last TSval; or a byte that says how
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
	logSeq    = 1 << 12
	logAck    = 1 << 13
	logTS     = 14 // shift

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
	tsStated        // a byte: how many bytes of TSval follow, and where TSecr is from
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
	w := logWriter{head: uint64(x), k: 2}

	more := uint64(0)
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
	f := flagCode[r.flags]
	if more != 0 || r.bits&recMoreBits != 0 || r.bits&recTS != d.hadTS() || r.ttl != d.ttl || r.tag != d.tag {
		f = hasMore
	}
	w.head |= uint64(f) << logFlags
	if f == hasMore {
		w.number(uint64(r.flags)|more<<8|uint64(r.bits)<<16|uint64(r.ttl)<<24|uint64(r.tag)<<32, moreBytes)
	}

	few, n := uint64(0), 0 // in one go
	if r.win != h.win {
		w.head |= logWindow
		few, n = uint64(r.win), 2
	}
	if r.ipid != h.ipid+1 {
		w.head |= logIPID
		few |= uint64(r.ipid) << (8 * n)
		n += 2
	}
	switch {
	case r.len == 0 || more&moreLength != 0:
	case r.len == h.len:
		w.head |= lastLength << logLength
	default:
		k := bytesOf(uint64(r.len))
		w.head |= uint64(k) << logLength
		few |= uint64(r.len) << (8 * n)
		n += k
	}
	w.number(few, n)

	w.place(r, c.last, c.lastPkt)
	if r.seq != d.end {
		w.head |= logSeq
		w.number(uint64(r.seq), 4)
	}
	if r.ack != p.end {
		w.head |= logAck
		w.number(uint64(r.ack), 4)
	}
	if r.bits&recTS != 0 {
		w.head |= w.timestamps(r, d.ts, h.tsecr, p.ts) << logTS
	}
	if more&(moreLength|moreSACK|moreOptions) != 0 {
		w.rare(r, more, opts)
	}
	if own {
		d.note(r)
		h.note(r)
	}
	l.write(c, &w)
}

// place puts when and where a segment was captured.
func (w *logWriter) place(r *rec, last int64, lastPkt Packet) {
	after, packet := uint64(r.at-last), uint64(r.pkt-lastPkt)
	k, n := codeOfNS[bytesOf(after)], packetCode[bytesOf(packet)]
	if us := after / 1000; us*1000 == after && codeOfUS[bytesOf(us)] != timeAsItIs {
		k, after = codeOfUS[bytesOf(us)], us
	}
	w.head |= k<<logTime | n<<logPacket
	if k < timeAsItIs && n < packetAsItIs { // in one go: 7 bytes at most
		w.number(after|packet<<(8*timeBytes[k]), timeBytes[k]+packetBytes[n])
		return
	}
	if k == timeAsItIs { // also where time went back
		after = uint64(r.at)
	}
	if n == packetAsItIs {
		packet = uint64(r.pkt)
	}
	w.number(after, timeBytes[k])
	w.number(packet, packetBytes[n])
}

// timestamps puts those of a segment, and gives their code. last and lastEcho
// are the sender's, other is the other's last TSval.
func (w *logWriter) timestamps(r *rec, last, lastEcho, other uint32) uint64 {
	step := uint64(r.tsval - last)
	same, echo := r.tsecr == lastEcho, r.tsecr == other
	switch {
	case step == 0 && same:
		return tsLast
	case step < 1<<8 && same:
		w.number(step, 1)
		return tsSame
	case step < 1<<8 && echo:
		w.number(step, 1)
		return tsEcho
	}
	from, ecr, k := uint64(fromWhole), uint64(r.tsecr), 4
	switch below := other - r.tsecr; {
	case same:
		from, k = fromSame, 0
	case echo:
		from, k = fromEcho, 0
	case below < 1<<16:
		from, ecr, k = fromBelow, uint64(below), 2
	}
	n := bytesOf(step)
	w.number(uint64(n)|from<<tsFrom|step<<8, 1+n)
	if k > 0 {
		w.number(ecr, k)
	}
	return tsStated
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
	w := logWriter{head: hasMore << logFlags, k: 2}
	w.number(moreContext<<8, moreBytes)
	w.number(uint64(c.last), 8)
	w.number(uint64(c.lastPkt), 8)
	for x := range c.side {
		d := &c.side[x]
		w.number(uint64(d.end), 4)
		w.number(uint64(d.bits&(csEnd|csTS)), 1)
		w.number(uint64(d.ts), 4)
	}
	l.write(c, &w)
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

// unpack appends the recs of c's log to recs, and sets the options that it has.
// b is memory for it to use, and what it gives back may serve again.
func (v *logView) unpack(c *conn, recs []rec, opts *[2]synOptions, b []byte) ([]rec, []byte) {
	if !c.lone() {
		return v.decode(c, recs, opts, b)
	}
	r, o := c.loneSYN()
	opts[0] = o
	return append(recs, r), b
}

// decode is unpack of a log that is one.
func (v *logView) decode(c *conn, recs []rec, opts *[2]synOptions, b []byte) ([]rec, []byte) {
	b = v.bytes(c, b[:0])
	n := len(b)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	r := logReader{b: b}
	now, v6 := c.bare(), c.v6() // now is the context
	begun := false
	for r.at < n {
		head := r.number(2)
		x := int(head & logSide)
		d, p, h := &now.side[x], &now.side[1-x], &now.hints[x]
		if v6 {
			h = &hints{ipid: noIPID}
		}
		f, more, bits, ttl, tag := uint8(0), uint64(0), uint8(x)|d.hadTS(), d.ttl, d.tag
		if k := head >> logFlags & 3; k == hasMore {
			m := r.number(moreBytes)
			f, more, bits, ttl, tag = uint8(m), m>>8&0xff, uint8(m>>16), uint8(m>>24), uint8(m>>32)
			if more == moreContext {
				r.context(&now)
				begun = true
				continue
			}
		} else {
			f = commonFlags[k]
		}
		recs = append(recs, rec{})
		one := &recs[len(recs)-1]
		one.flags, one.bits, one.ttl, one.tag = f, bits, ttl, tag
		if v6 {
			one.bits |= recV6
		}
		one.win, one.ipid, one.seq, one.ack = h.win, h.ipid+1, d.end, p.end
		if head&logWindow != 0 {
			one.win = uint16(r.number(2))
		}
		if head&logIPID != 0 {
			one.ipid = uint16(r.number(2))
		}
		k := head >> logLength & 3
		if one.len = uint32(r.number(lengthBytes[k])); k == lastLength {
			one.len = h.len
		}
		k = head >> logTime & 7
		one.at = int64(r.number(timeBytes[k])) * timeUnit[k]
		if k != timeAsItIs {
			one.at += now.last
		}
		k = head >> logPacket & 3
		one.pkt = Packet(r.number(packetBytes[k]))
		if k != packetAsItIs {
			one.pkt += now.lastPkt
		}
		if head&logSeq != 0 {
			one.seq = uint32(r.number(4))
		}
		if head&logAck != 0 {
			one.ack = uint32(r.number(4))
		}
		if one.bits&recTS != 0 {
			r.timestamps(one, head>>logTS&3, d.ts, h.tsecr, p.ts)
		}
		if more&(moreLength|moreSACK|moreOptions) != 0 {
			r.rare(one, more, &opts[x])
		}
		if more&moreCited != 0 {
			continue
		}
		d.note(one)
		h.note(one)
		if !begun || one.at > now.last {
			now.last, begun = one.at, true
		}
		now.lastPkt = one.pkt
		d.reach(one)
	}
	return recs, b
}

// context takes what setContext wrote.
func (r *logReader) context(now *conn) {
	now.last, now.lastPkt = int64(r.number(8)), Packet(r.number(8))
	for x := range now.side {
		d := &now.side[x]
		d.end, d.bits, d.ts = uint32(r.number(4)), uint8(r.number(1)), uint32(r.number(4))
	}
}

// timestamps takes those of a segment with this code; see logWriter.timestamps.
func (r *logReader) timestamps(one *rec, code uint64, last, lastEcho, other uint32) {
	one.tsval, one.tsecr = last, lastEcho
	switch code {
	case tsLast:
		return
	case tsSame:
		one.tsval += uint32(r.number(1))
		return
	case tsEcho:
		one.tsval += uint32(r.number(1))
		one.tsecr = other
		return
	}
	how := r.number(1)
	one.tsval += uint32(r.number(int(how & (1<<tsFrom - 1))))
	switch how >> tsFrom {
	case fromEcho:
		one.tsecr = other
	case fromBelow:
		one.tsecr = other - uint32(r.number(2))
	case fromWhole:
		one.tsecr = uint32(r.number(4))
	}
}

// rare takes what more says.
func (r *logReader) rare(one *rec, more uint64, opts *synOptions) {
	if more&moreLength != 0 {
		one.len = uint32(r.number(4))
	}
	for i := range one.sack {
		if more&(moreSACK<<i) != 0 {
			k := r.number(8)
			one.sack[i] = SACKBlock{uint32(k), uint32(k >> 32)}
		}
	}
	if more&moreOptions != 0 {
		*opts = optionsOf(uint32(r.number(4)))
	}
}
