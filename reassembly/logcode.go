package reassembly

// This file: a log as bytes. Most segments follow from those before them on
// their connection, and an entry holds what does not: a dozen bytes.
//
// An entry begins with two bytes, the window and the IP-ID (not of IPv6); each
// field that the two bytes announce follows in this order, little-endian:
//
//	byte 0  bit 0     the side
//	        bits 1-2  time: 3, 4 or 5 bytes, ns since the connection's last packet; 8 bytes, as it is
//	        bits 3-4  packet: 1, 2 or 3 bytes, as many as after the last; 8 bytes, as it is
//	        bit 5     seq in 4 bytes; else it is the sender's highest end
//	        bit 6     ack in 4 bytes; else it is the other's highest end
//	        bit 7     more: a byte of bits below, recBits, TTL, tag
//	byte 1  bits 0-1  length in 0, 1, 2 or 4 bytes; it is 0 without
//	        bits 2-3  timestamps: none; TSval in 1 or 2 bytes, as much as above the sender's
//	                  last, and TSecr is the other's last; or both in 4 bytes each
//	        bits 4-7  which TCP flags: an index of commonFlags; else a byte
//
// and where more says so, SACK blocks and the options of a SYN. What the fields
// are told from is the context: the writer has it in the conn, the reader builds
// it up again.

// Entries, byte 0.
const (
	logSide    = 1 << 0
	logTime    = 1 // shift
	logPacket  = 3 // shift
	logSeq     = 1 << 5
	logAck     = 1 << 6
	logMore    = 1 << 7
	logLength  = 0 // shift, byte 1
	logTS      = 2 // shift
	logFlags   = 4 // shift
	noFlags    = 15
	context    = 14 << logFlags // no entry but that of setContext
	asItIs     = 3              // of time and packet
	bothTS     = 3
	mostEntry  = 2 + 8 + 8 + 4 + 4 + 4 + 4 + 8 + 1 + 2 + 2 + 16 + 4 // bytes
	leastEntry = 2 + 3 + 1 + 2
	mostLogged = 1<<16 - 1 - 2*mostEntry

	mostAdopted = mostLogged * leastEntry / mostEntry // each entry may grow
)

// More bits.
const (
	moreSACK    = 1 << iota // 8 bytes each for the first and the second block
	moreSACK2               //
	moreOptions             // 4 bytes: the options of the SYN that opened its side
	moreCited               // no packet of the connection's own: it leaves the context alone
)

var (
	timeBytes   = [4]int{3, 4, 5, 8}
	packetBytes = [4]int{1, 2, 3, 8}
	lengthBytes = [4]int{0, 1, 2, 4}
	timeCode    = codes(&timeBytes)
	packetCode  = codes(&packetBytes)
	lengthCode  = codes(&lengthBytes)
	commonFlags = [...]uint8{FlagACK, FlagACK | FlagPSH, FlagACK | FlagFIN, FlagSYN, FlagSYN | FlagACK, FlagACK | FlagRST, FlagACK | FlagFIN | FlagPSH, FlagRST}
	flagCode    = func() (code [256]uint8) {
		for i := range code {
			code[i] = noFlags
		}
		for i, f := range commonFlags {
			code[f] = uint8(i)
		}
		return
	}()
)

// recMoreBits are those that an entry without more never has.
const recMoreBits = recUnknown | recMoreSACK | recNext | recOld | recICMP

// codes says of each number of bytes which of the sizes holds them, the last one
// if none else.
func codes(sizes *[4]int) (code [9]uint64) {
	for n := range code {
		i := 0
		for i < asItIs && n > sizes[i] {
			i++
		}
		code[n] = uint64(i)
	}
	return
}

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
	d, p := &c.side[x], &c.side[1-x]
	w := logWriter{last: uint64(r.win) << 16, k: 4}
	if !c.key.V6 {
		w.last |= uint64(r.ipid) << 32
		w.k = 6
	}
	head, second, more := uint64(x), uint64(0), uint64(0)

	after, packet := uint64(r.at-c.last), uint64(r.pkt-c.lastPkt)
	k, n := timeCode[bytesOf(after)], packetCode[bytesOf(packet)]
	head |= k<<logTime | n<<logPacket
	if k < asItIs && n < asItIs { // in one go: 8 bytes at most
		w.number(after|packet<<(8*timeBytes[k]), timeBytes[k]+packetBytes[n])
	} else {
		if k == asItIs { // also where time went back
			after = uint64(r.at)
		}
		if n == asItIs {
			packet = uint64(r.pkt)
		}
		w.number(after, timeBytes[k])
		w.number(packet, packetBytes[n])
	}
	if r.seq != d.end {
		head |= logSeq
		w.number(uint64(r.seq), 4)
	}
	if r.ack != p.end {
		head |= logAck
		w.number(uint64(r.ack), 4)
	}

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
	if more != 0 || r.bits&recMoreBits != 0 || r.ttl != d.ttl || r.tag != d.tag {
		head |= logMore
		w.number(more|uint64(r.bits)<<8|uint64(r.ttl)<<16|uint64(r.tag)<<24, 4)
		if own {
			d.ttl, d.tag = r.ttl, r.tag
		}
	}

	if r.len != 0 {
		k = lengthCode[bytesOf(uint64(r.len))]
		second |= k << logLength
		w.number(uint64(r.len), lengthBytes[k])
	}
	if r.bits&recTS != 0 {
		second |= w.timestamps(r, d, p) << logTS
		if own {
			d.ts = r.tsval
		}
	}
	f := flagCode[r.flags]
	second |= uint64(f) << logFlags
	if f == noFlags {
		w.number(uint64(r.flags), 1)
	}
	if more&(moreSACK|moreOptions) != 0 {
		w.options(r, more, opts)
	}
	w.words[0] |= head | second<<8
	l.write(c, &w)
}

// timestamps puts those of a segment of side d, and gives their code.
func (w *logWriter) timestamps(r *rec, d, p *connSide) uint64 {
	step := r.tsval - d.ts
	switch {
	case r.tsecr != p.ts || step >= 1<<16:
		w.number(uint64(r.tsval)|uint64(r.tsecr)<<32, 8)
		return bothTS
	case step >= 1<<8:
		w.number(uint64(step), 2)
		return 2
	}
	w.number(uint64(step), 1)
	return 1
}

// options puts what more says.
func (w *logWriter) options(r *rec, more uint64, opts synOptions) {
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
	w := logWriter{}
	w.number(context<<8, 2)
	w.number(uint64(c.last), 8)
	w.number(uint64(c.lastPkt), 8)
	for x := range c.side {
		d := &c.side[x]
		w.number(uint64(d.end), 4)
		w.number(uint64(d.bits&csEnd), 1)
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
	own := conn{key: c.key}
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
	c.head, c.tail, c.logged = own.head, own.tail, own.logged
	for x := range c.side {
		c.side[x].ttl, c.side[x].tag = own.side[x].ttl, own.side[x].tag
	}
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
	var now conn // the context
	begun := false
	for r.at < n {
		head, second := b[r.at], b[r.at+1]
		r.at += 2
		if second == context {
			r.context(&now)
			begun = true
			continue
		}
		recs = append(recs, rec{})
		one := &recs[len(recs)-1]
		one.win = uint16(r.number(2))
		if !c.key.V6 {
			one.ipid = uint16(r.number(2))
		}
		x := int(head & logSide)
		d, p := &now.side[x], &now.side[1-x]
		if k := head >> logTime & 3; k == asItIs {
			one.at = int64(r.number(8))
		} else {
			one.at = now.last + int64(r.number(timeBytes[k]))
		}
		if k := head >> logPacket & 3; k == asItIs {
			one.pkt = Packet(r.number(8))
		} else {
			one.pkt = now.lastPkt + Packet(r.number(packetBytes[k]))
		}
		one.seq, one.ack = d.end, p.end
		if head&logSeq != 0 {
			one.seq = uint32(r.number(4))
		}
		if head&logAck != 0 {
			one.ack = uint32(r.number(4))
		}
		one.bits, one.ttl, one.tag = uint8(x), d.ttl, d.tag
		more := uint64(0)
		if head&logMore != 0 {
			m := r.number(4)
			more, one.bits, one.ttl, one.tag = m&0xff, uint8(m>>8), uint8(m>>16), uint8(m>>24)
		}
		one.len = uint32(r.number(lengthBytes[second>>logLength&3]))
		switch k := second >> logTS & 3; k {
		case 0:
		case bothTS:
			ts := r.number(8)
			one.tsval, one.tsecr, one.bits = uint32(ts), uint32(ts>>32), one.bits|recTS
		default:
			one.tsval, one.tsecr, one.bits = d.ts+uint32(r.number(int(k))), p.ts, one.bits|recTS
		}
		if f := second >> logFlags; f == noFlags {
			one.flags = uint8(r.number(1))
		} else {
			one.flags = commonFlags[f]
		}
		if c.key.V6 {
			one.bits |= recV6
		}
		if more&(moreSACK|moreOptions) != 0 {
			r.options(one, more, &opts[x])
		}
		if more&moreCited != 0 {
			continue
		}
		d.ttl, d.tag = one.ttl, one.tag
		if one.bits&recTS != 0 {
			d.ts = one.tsval
		}
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

// options takes what more says.
func (r *logReader) options(one *rec, more uint64, opts *synOptions) {
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
