package reassembly

import "time"

// rttStats keeps the samples of one half of the round trip: tap to an endpoint
// and back. Samples come from ranges sent once only (Karn; RFC 6298 section 3).
type rttStats struct {
	n           int
	least, most int64
	sum         int64
	nearN       int64    // samples below least + nearRTT
	nearSum     int64    // their sum
	nearMost    int64    // the longest of them
	nearDev     int64    // sum of their distances from the running mean
	early       [8]int64 // the first samples: least may still fall under them
}

const (
	nearRTT     = int64(30 * time.Millisecond) // a delayed ACK adds 40 ms and more
	unknownTurn = int64(100 * time.Millisecond)
	leastSlack  = int64(5 * time.Millisecond)
)

func (r *rttStats) add(d int64) {
	if d < 0 {
		return
	}
	if r.n < len(r.early) {
		r.early[r.n] = d
	}
	r.n++
	r.sum += d
	if r.n == 1 || d > r.most {
		r.most = d
	}
	if r.n == 1 || d < r.least {
		r.least = d
		if r.n <= len(r.early) { // few samples: count again under the new least
			r.nearN, r.nearSum, r.nearDev, r.nearMost = 0, 0, 0, 0
			for _, e := range r.early[:r.n] {
				r.near(e)
			}
			return
		}
	}
	r.near(d)
}

func (r *rttStats) near(d int64) {
	if d >= r.least+nearRTT {
		return
	}
	r.nearN++
	r.nearMost = max(r.nearMost, d)
	r.nearSum += d
	if dev := d - r.nearSum/r.nearN; dev < 0 {
		r.nearDev -= dev
	} else {
		r.nearDev += dev
	}
}

// turn is the usual time from the tap to the endpoint and back without delayed
// ACKs; without a sample a cautious 100 ms.
func (r *rttStats) turn() int64 {
	if r.nearN == 0 {
		return unknownTurn
	}
	return r.nearSum / r.nearN
}

// variation is the mean distance of the same samples from their mean.
func (r *rttStats) variation() int64 {
	if r.nearN == 0 {
		return 0
	}
	return r.nearDev / r.nearN
}

func (r *rttStats) told() RTT {
	if r.n == 0 {
		return RTT{}
	}
	return RTT{Samples: r.n, Min: r.least, Mean: r.sum / int64(r.n), Max: r.most}
}

// tick is the length of one step of the sender's timestamp clock, ns.
func (s *sender) tick() int64 { return tick(s.tsFirst, s.tsMax, s.tsFirstAt, s.tsLastAt) }

// tick is the length of one step of a timestamp clock, ns: 1 ms until enough of
// it was seen. RFC 7323 section 5.4 allows 1 ms to 1 s.
func tick(first, newest uint32, firstAt, lastAt int64) int64 {
	dt, dv := lastAt-firstAt, int64(int32(newest-first))
	if dv < 8 || dt <= 0 {
		return int64(time.Millisecond)
	}
	return min(max(dt/dv, int64(time.Millisecond)/2), int64(time.Second))
}

// tickKnown: enough of the timestamp clock was seen for tick to be its rate.
func (s *sender) tickKnown() bool { return int32(s.tsMax-s.tsFirst) >= 64 }

// slack is what a round trip may take beyond its turn, given the tick of the
// endpoint's timestamp clock.
func (r *rttStats) slack(tick int64) int64 { return max(4*r.variation(), 2*tick, leastSlack) }

// slack is what a round trip to side x may take beyond its turn.
func (m *machine) slack(x int) int64 { return m.snd[x].rtt.slack(m.snd[x].tick()) }

// late is the time after which a reaction to something that passed the tap is
// overdue, given the tick of the endpoint's timestamp clock.
//
// The longest reaction seen before counts too: a mean and its variation alone
// call a busy host late (capture 29, packet 2533: 8.6 ms after four samples of
// 2.4 ms and one of 5.5 ms).
func (r *rttStats) late(tick int64) int64 {
	return max(r.turn()+r.slack(tick), r.nearMost+leastSlack)
}

// late is the time after which a reaction of side x is overdue.
func (m *machine) late(x int) int64 { return m.snd[x].rtt.late(m.snd[x].tick()) }

// rto is a cautious guess of an endpoint's retransmission time-out (RFC 6298
// section 2); p is its peer's half.
func (r *rttStats) rto(p *rttStats) int64 {
	return max(leastRTO, r.turn()+p.turn()+4*r.variation())
}
