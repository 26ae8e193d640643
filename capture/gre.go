package capture

import "github.com/google/gopacket/layers"

// GRE and the mirroring and redirecting protocols that use it.

// gre reads a GRE header: version 0 of RFC 2784 and RFC 2890, version 1 of PPTP
// (RFC 2637).
func (w *walk) gre() Skip {
	if len(w.b) < 4 {
		return w.short(SkipNotTCP)
	}
	const (
		hasChecksum = 0x8000
		hasRouting  = 0x4000
		hasKey      = 0x2000
		hasSequence = 0x1000
		hasAck      = 0x0080
	)
	flags, kind := w.be16(0), layers.EthernetType(w.be16(2))
	n := 4
	if flags&(hasChecksum|hasRouting) != 0 {
		n += 4
	}
	version := flags & 7
	if flags&hasKey != 0 {
		if len(w.b) < n+4 {
			return w.short(SkipNotTCP)
		}
		key := w.be32(n)
		n += 4
		if version == 0 {
			if kind == layers.EthernetTypeTransparentEthernetBridging {
				key >>= 8 // NVGRE (RFC 7637): the low byte only spreads load
			}
			w.enter(tunnelGRE, uint64(key), true)
		}
	} else {
		w.enter(tunnelGRE, 0, false)
	}
	if flags&hasSequence != 0 {
		n += 4
	}
	if version == 1 && flags&hasAck != 0 {
		n += 4
	}
	if !w.move(n) {
		return w.short(SkipNotTCP)
	}
	if flags&hasRouting != 0 && version == 0 && !w.greRoutes() {
		return w.short(SkipNotTCP)
	}
	if kind == etherERSPAN2 && flags&hasSequence == 0 {
		w.enter(tunnelERSPAN, 0, false) // type I has no header of its own
		return w.ethernet()
	}
	return w.greProtocol(kind)
}

// greRoutes steps over source routes, RFC 1701.
func (w *walk) greRoutes() bool {
	for len(w.b) >= 4 {
		family, n := w.be16(0), int(w.b[3])
		if !w.move(4 + n) {
			return false
		}
		if family == 0 && n == 0 {
			return true
		}
	}
	return false
}

const (
	etherERSPAN2 = 0x88be
	etherERSPAN3 = 0x22eb
	etherWCCP    = 0x883e
	etherPPP     = 0x880b
	etherAruba   = 0x8200 // up to 0x83ff: 802.11 frames, the low bits a queue
)

// greProtocol goes on with what a GRE header announces.
func (w *walk) greProtocol(kind layers.EthernetType) Skip {
	switch kind {
	case layers.EthernetTypeTransparentEthernetBridging:
		return w.ethernet()
	case etherERSPAN2:
		return w.erspan(8)
	case etherERSPAN3:
		if len(w.b) < 12 {
			return w.short(SkipNotTCP)
		}
		if w.b[11]&1 != 0 { // the platform-specific subheader follows
			return w.erspan(20)
		}
		return w.erspan(12)
	case etherWCCP: // WCCP 2 puts a 4-byte redirect header in front
		if len(w.b) > 0 && w.b[0]>>4 == 4 {
			return w.ipv4()
		}
		return w.inner(4, (*walk).ipv4)
	case etherPPP:
		return w.ppp()
	}
	if kind >= etherAruba && kind < etherAruba+0x200 {
		return w.dot11()
	}
	skip := w.etherType(kind)
	if skip == SkipNotIP {
		return SkipNotTCP
	}
	return skip
}

// erspan reads an ERSPAN header, draft-foschiano-erspan. A session is a place
// where packets were mirrored; it belongs to the tag.
func (w *walk) erspan(n int) Skip {
	if len(w.b) < n {
		return w.short(SkipNotTCP)
	}
	w.enter(tunnelERSPAN, 0, false)
	w.tag = mixTag(w.tag, tagSession, uint32(w.be16(2)&0x3ff))
	return w.inner(n, (*walk).ethernet)
}
