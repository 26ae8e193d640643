package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: the clean path. Most connections hold nothing odd: each end sends
// its bytes once and in order, every segment is acknowledged by the next ones,
// and nothing is ever to be doubted. A cleanTeller tells such a connection in
// one pass over its log, without marks, steps under construction or replays.
// What it tells is what the machine would tell, to the last field; at the first
// segment that is not as simple as that it gives up and the machine works the
// log out. Nothing is decided here that is not decided there: this is a second
// statement of the rules of evidence for the simple case, and a test holds the
// two against each other.
//
// What is accepted, and why that suffices:
//
//   - time and packet numbers never go back, every segment begins at its
//     sender's end (SND.NXT) and no frame stands in the log twice: then every
//     copyKind is fresh, nothing is retransmitted, probed, overtaken or mirrored
//     (observe.go), and there are no losses (losses.go);
//   - ACKs never fall and never pass what was sent: nothing was missed by the
//     capture (missed.go, unseen.go, rule 6);
//   - SYN, SYN-ACK and a bare third ACK, with fitting numbers, no data: one kind
//     of opening; or the log ends in it, a RST refuses the SYN, or the client
//     answers the SYN-ACK by a RST with an ACK;
//   - once a FIN was sent, each segment of the other end acknowledges it and
//     carries no data: nothing refutes its receipt (refute.go, rules 12 to 14d);
//   - otherwise at most one RST, the last segment, at SND.NXT and with an ACK, before any
//     FIN: exact at its receiver (rst.go, rules 17 and 18);
//   - nothing follows the ACK of the second FIN: no restart of TIME-WAIT (rule 21);
//   - no IP-ID is missing that a copy may have had (unseencopy.go).
//
// cleanwalk.go goes through the log, cleanclose.go has the rules of the close,
// cleanfinish.go fills the Lifecycle, and anomaly/clean.go says what the rules
// of that package find in what was accepted.

// cleanSide is what the pass keeps of one side: of sender, end and interop what
// is left of them where nothing is odd.
type cleanSide struct {
	iss, end, ack     uint32
	tsFirst, tsMax    uint32
	tsFirstAt, tsLast int64
	lastAt            int64
	bytes             uint64
	packets, dupACKs  uint32
	maxLen            uint32
	lastWin, lastID   uint16
	lastIDLen         uint32
	hasTS, hasID      bool
	idGap             bool // an IP-ID was missing: it sent what the capture lacks
	gap               bool // and that may have been a copy: see copiesUnseen
	idRun, idGaps     int32
	ttl               uint8
	letters           uint8  // of Zeek, told already
	bare              bool   // its last segment was a pure ACK
	dataSegments      uint32 // that carried data
	dataTwice         bool   // one of them may have been sent before: see machine.sentOnce
	waiting           bool   // data of it awaits the first ACK
	waitSeq           uint32 // where that begins
	waitAt            int64
	sent              [8]pending // unacknowledged segments that take sequence space: a ring, as sender.pend
	sentAt, sentN     uint8
}

// cleanTeller tells clean connections. It owns the memory that the pass needs,
// so that one serves any number of connections, one after the other.
type cleanTeller struct {
	side    [2]cleanSide
	samples [2][]int64 // round trips, tap to this side and back
	stats   [2]rttStats
	added   [2]int // samples that stats has
	recs    []rec  // of the connection being told
	opts    *[2]synOptions
	letters [12]byte // Zeek's history
	nLetter uint8
	word    string // Zeek's history of the connection before
	bits    uint8  // Wireshark's tcp.completeness
	repeats int    // pure ACKs with the numbers of their sender's segment before

	// Segments that are steps, -1 if there was none.
	opened       int32 // the third ACK
	proofOpen    int32 // the server's segment that proves that it came
	otherOpen    bool  // something else of the client came before that
	closer       int   // the side that sent the first FIN, -1
	fin          int32 // that FIN
	finPrevAck   uint32
	finSkips     bool  // another may be missing just before it
	answer       int32 // the first segment after it of the other side: acknowledges it
	answerEnd    uint32
	answerNew    bool  // its TSval was new
	answerNext   bool  // its IP-ID was the next one, as those before it were
	proofAnswer  int32 // echoes it
	proofClosing int32 // shows that the FIN had come
	bareAnswer   bool  // the other side acknowledged the FIN before it sent its own
	fin2         int32 // the FIN of the other side
	fin2Proof    Evidence
	last         int32 // the ACK of that
	reset        int32

	asked, told int // connections, and those of them that were clean

	proofs []Packet // from which ConfirmedBy of new Lifecycles is cut
	facts  Clean
}

// Clean is what Options.CheckClean needs of a clean connection besides its
// Lifecycle. In it nothing was sent twice, overtaken, lost or answered late; see
// clean.go for what else holds.
type Clean struct {
	Now      int64 // the trace clock, ns since the epoch
	Ended    bool  // the trace ends here
	Holder   Side  // of TIME-WAIT; None if nobody holds it
	TimeWait TimeWaitClock
	Resetter Side   // who sent the RST that ends the open or half-open connection; None if there is none
	Unacked  uint32 // bytes of its own that were not yet acknowledged to it

	// By Side, its first segment longer than the MSS that the other stated;
	// Packet is 0 if there is none.
	Oversize [2]struct {
		Packet Packet
		At     int64
		Len    uint32
	}
}

// tell fills l with the life of c, whose log is recs, as of trace time at; why
// says why it was evicted. It reports false, and leaves l undefined, where the
// connection is not clean. It keeps no reference to recs.
func (t *cleanTeller) tell(l *Lifecycle, c *conn, recs []rec, opts *[2]synOptions, o *Options, at int64, ended bool, why string) bool {
	if o.Check != nil && o.CheckClean == nil || c.links != 0 || len(recs) == 0 || uint32(len(recs)) != c.packets {
		return false
	}
	t.begin(recs)
	t.opts = opts
	if !t.walk() || !t.settled(at) {
		t.recs = nil
		return false
	}
	t.finish(l, c, o, at, ended)
	t.recs = nil
	t.told++
	l.ended(why, false)
	if o.CheckClean != nil {
		o.CheckClean(l, &t.facts)
	}
	return true
}

func (t *cleanTeller) begin(recs []rec) {
	t.recs = recs
	t.side = [2]cleanSide{}
	t.samples[0], t.samples[1] = t.samples[0][:0], t.samples[1][:0]
	for x := range t.stats {
		if t.added[x] > 0 {
			t.stats[x], t.added[x] = rttStats{}, 0
		}
	}
	t.nLetter, t.bits, t.repeats = 0, 0, 0
	t.opened, t.proofOpen, t.otherOpen = -1, -1, false
	t.closer, t.fin, t.answer, t.proofAnswer, t.proofClosing = -1, -1, -1, -1, -1
	t.answerNew, t.bareAnswer, t.fin2, t.last, t.reset = false, false, -1, -1, -1
}

// What the rules of package anomaly look at in time, as bounds below which none
// of them can fire: a connection that is slower goes to the machine.
const (
	cleanACKDelay  = int64(500e6) // delayed-ack-excessive
	cleanAnswer    = int64(1e9)   // half-open-no-third-ack, fin-ack-missing
	cleanStall     = int64(3e9)   // ack-stall
	cleanCloseWait = int64(60e9)  // close-wait-stall, fin-wait2-stall
	cleanRepeats   = 3            // dup-ack-run
	cleanLoop      = 10           // ack-loop
)

// settled: by the time that the connection is told nothing of it is overdue.
func (t *cleanTeller) settled(now int64) bool {
	if t.side[0].end < t.side[0].iss || t.side[1].end < t.side[1].iss {
		return false // seq-wrap
	}
	switch {
	case t.side[1].packets == 0 || t.reset >= 0:
		return true
	case t.opened < 0:
		return now-t.recs[1].at < cleanAnswer
	}
	for x := range t.side {
		s, p := &t.side[x], &t.side[1-x]
		end := s.end
		if t.closer == x && t.fin >= 0 || t.closer == 1-x && t.fin2 >= 0 {
			end--
		}
		if s.bytes > 0 && seqnum.Less(p.ack, end) && now-s.lastAt >= cleanStall {
			return false
		}
	}
	if t.closer < 0 {
		return true
	}
	fin, to := t.recs[t.fin].at, now
	if t.fin2 >= 0 {
		to = t.recs[t.fin2].at
	}
	return to-fin <= cleanCloseWait && (t.answer >= 0 || now-fin <= cleanAnswer)
}

// rtt is the statistics of the round trips to side x and back so far.
func (t *cleanTeller) rtt(x int) *rttStats {
	r := &t.stats[x]
	for _, d := range t.samples[x][t.added[x]:] {
		r.add(d)
	}
	t.added[x] = len(t.samples[x])
	return r
}
