package reassembly

// TapPlace is where on a path the tap stands.
type TapPlace uint8

// Places of the tap.
const (
	TapUnknown  TapPlace = iota // the packets do not tell
	TapAtClient                 // on the client's host or next to it
	TapInMiddle
	TapAtServer // on the server's host or next to it
)

var tapNames = [...]string{"unknown", "client", "middle", "server"}

func (p TapPlace) String() string { return tapNames[p] }

// TapEvidence is what tells where the tap stands: figures of one connection or
// of all between two hosts. Index by Side.
type TapEvidence struct {
	Hops     [2]int8  // routers between tap and endpoint, -1: not known
	RTT      [2]int64 // least round trip tap to endpoint and back, ns; 0: no sample
	Offloads [2]bool  // sent segments longer than the peer's MSS allows: captured before the network card cut them
}

// Hops is how many routers a packet has passed, by the nearest initial TTL in
// use (64, 128, 255) at or above the one seen; -1 where none was seen.
func Hops(ttl uint8) int {
	switch {
	case ttl == 0:
		return -1
	case ttl <= 64:
		return 64 - int(ttl)
	case ttl <= 128:
		return 128 - int(ttl)
	}
	return 255 - int(ttl)
}

// TapEvidence gathers the evidence of one connection.
func (l *Lifecycle) TapEvidence() TapEvidence {
	var t TapEvidence
	for s := Client; s <= Server; s++ {
		e, p := &l.Endpoints[s].Stats, &l.Endpoints[s.Other()].Stats
		t.Hops[s] = int8(Hops(e.TTL)) // at most 127
		t.RTT[s] = e.RTT.Min
		t.Offloads[s] = p.MSS > 0 && e.MaxLength > uint32(p.MSS)
	}
	return t
}

// Merge adds the evidence of another connection between the same hosts.
func (t *TapEvidence) Merge(o TapEvidence) {
	for s := range 2 {
		if t.Hops[s] < 0 || o.Hops[s] >= 0 && o.Hops[s] < t.Hops[s] {
			t.Hops[s] = o.Hops[s]
		}
		if t.RTT[s] == 0 || o.RTT[s] != 0 && o.RTT[s] < t.RTT[s] {
			t.RTT[s] = o.RTT[s]
		}
		t.Offloads[s] = t.Offloads[s] || o.Offloads[s]
	}
}

// nearShare is the share of the round trip below which an endpoint is taken to
// be next to the tap: a host answers within tens of µs, a path takes ms.
const nearShare = 0.05

// Place judges the evidence: offload super-segments exist only on the sending
// host; else the halves of the round trip decide, where no router stands
// between the tap and the nearer end.
func (t *TapEvidence) Place() TapPlace {
	switch {
	case t.Offloads[Client] && t.Offloads[Server]:
		return TapUnknown // merged by a receiver's GRO, or both on one host
	case t.Offloads[Client]:
		return TapAtClient
	case t.Offloads[Server]:
		return TapAtServer
	case t.RTT[Client] == 0 || t.RTT[Server] == 0:
		return TapUnknown
	}
	sum := float64(t.RTT[Client] + t.RTT[Server])
	switch {
	case float64(t.RTT[Client]) < nearShare*sum && t.Hops[Client] <= 0:
		return TapAtClient
	case float64(t.RTT[Server]) < nearShare*sum && t.Hops[Server] <= 0:
		return TapAtServer
	}
	return TapInMiddle
}
