package reassembly

// This file: the endpoint states of Zeek's TCP analyser and the conn_state that
// its script conn/main.zeek makes of them.

func (e *zeekEnd) set(s zeekState) {
	if s != e.state {
		e.prev, e.state = e.state, s
	}
}

// move takes side x's endpoint on by its segment.
func (z *zeek) move(r *rec, x int) {
	e, p := &z.end[x], &z.end[1-x]
	switch e.state {
	case zeekInactive:
		z.moveInactive(r, x, e, p)
	case zeekSYNSent, zeekSYNACKSent:
		if r.flags&FlagFIN != 0 {
			e.set(zeekClosed)
		}
		if r.flags&FlagRST != 0 {
			e.set(zeekReset)
		}
	case zeekEstablished, zeekPartial:
		if r.flags&(FlagSYN|FlagACK) == FlagSYN && e.state == zeekPartial && p.state == zeekInactive {
			e.set(zeekSYNSent)
		}
		if r.flags&(FlagFIN|FlagRST) == FlagFIN {
			e.set(zeekClosed)
			if p.state == zeekReset && p.prev == zeekClosed {
				p.set(zeekClosed) // a FIN, then a RST: it had ended
			}
		}
		if r.flags&FlagRST != 0 {
			e.set(zeekReset)
		}
	case zeekClosed:
		if r.flags&FlagRST != 0 && p.state != zeekClosed {
			e.set(zeekReset)
		}
	}
}

// moveInactive: the first segment of side x.
func (z *zeek) moveInactive(r *rec, x int, e, p *zeekEnd) {
	byOrig := z.role(x) == 0
	if r.flags&FlagSYN != 0 {
		z.moveSYN(r, byOrig, e, p)
	}
	if r.flags&FlagFIN != 0 {
		e.set(zeekClosed)
	}
	if r.flags&FlagRST != 0 {
		e.set(zeekReset)
	}
	if e.state != zeekInactive {
		return
	}
	switch {
	case !byOrig && r.len == 0 && p.state == zeekSYNSent:
		// An ACK of the SYN before the SYN-ACK makes no partial connection.
	case r.flags&FlagACK != 0 && p.state == zeekEstablished:
		e.set(zeekEstablished) // its SYN was missed
	default:
		e.set(zeekPartial)
	}
}

func (z *zeek) moveSYN(r *rec, byOrig bool, e, p *zeekEnd) {
	switch {
	case byOrig && r.flags&FlagACK != 0:
		e.set(zeekSYNACKSent)
		return
	case byOrig:
		e.set(zeekSYNSent)
		return
	case r.flags&FlagACK == 0 && p.state == zeekSYNACKSent:
		z.flip() // the SYN-ACK was captured before the SYN
		p.set(zeekEstablished)
	case p.state == zeekSYNSent:
		p.set(zeekEstablished)
	}
	e.set(zeekEstablished)
}

// size is how many bytes of payload Zeek says an endpoint sent, as far as 0 and
// more differ.
func (e *zeekEnd) size(p *zeekEnd) uint32 {
	if e.prev == zeekSYNSent && e.state == zeekReset && p.state == zeekInactive && e.ack-e.start > 1 {
		return 0
	}
	n := e.last - e.start
	if int32(e.ack-e.last) > 0 {
		n = e.ack - e.start
	}
	n -= min(n, 1)
	if e.hasFIN {
		n -= min(n, 1)
	}
	return n
}

// connState is Zeek's conn_state.
func (z *zeek) connState() string {
	o, r := &z.end[z.orig], &z.end[1-z.orig]
	silent := func(e *zeekEnd) bool { return e.state <= zeekPartial }
	pick := func(half bool, yes, no string) string {
		if half {
			return yes
		}
		return no
	}
	switch {
	case r.state == zeekReset:
		if o.state == zeekSYNSent || o.state == zeekSYNACKSent || o.state == zeekReset && o.size(r) == 0 && r.size(o) == 0 {
			return "REJ"
		}
		return pick(silent(o), "RSTRH", "RSTR")
	case o.state == zeekReset:
		if silent(r) {
			return pick(z.synThenRST(), "RSTOS0", "OTH")
		}
		return "RSTO"
	case o.state == zeekClosed && r.state == zeekClosed:
		return "SF"
	case o.state == zeekClosed:
		return pick(silent(r), "SH", "S2")
	case r.state == zeekClosed:
		return pick(silent(o), "SHR", "S3")
	case o.state == zeekSYNSent && r.state == zeekInactive:
		return "S0"
	case o.state == zeekEstablished && r.state == zeekEstablished:
		return "S1"
	}
	return "OTH"
}

// synThenRST: the history begins with the originator's SYN, and its RST comes
// before any H, A, F, G, I or Q of its own.
func (z *zeek) synThenRST() bool {
	h := z.letters[:z.n]
	if len(h) > 0 && h[0] == '^' {
		h = h[1:]
	}
	if len(h) == 0 || h[0] != 'S' {
		return false
	}
	for _, c := range h[1:] {
		switch c {
		case 'R':
			return true
		case 'H', 'A', 'F', 'G', 'I', 'Q':
			return false
		}
	}
	return false
}

// zeekCommon holds the histories of most connections, so that telling one of
// them costs no allocation.
var zeekCommon = func() map[string]string {
	m := map[string]string{}
	for _, h := range [...]string{"S", "R", "Sr", "Sh", "ShA", "ShR", "ShADad", "ShAdDa", "ShADadFf", "ShADadfF", "ShAdDaFf", "ShAdDafF",
		"ShADadFfR", "ShADadFfr", "ShADadfFr", "ShADadfR", "ShADadFr", "ShADadR", "ShADadr", "ShADFfA", "ShADFaf", "ShADaFf", "ShAFf", "ShAFa", "ShAfFa",
		"ShAdfFa", "ShAdFfa", "D", "Dd", "DdA", "DdAa", "Da", "DadA", "^d", "^dD"} {
		m[h] = h
	}
	return m
}()

// told is Zeek's history.
func (z *zeek) told() string {
	if s, ok := zeekCommon[string(z.letters[:z.n])]; ok {
		return s
	}
	return string(z.letters[:z.n])
}
