package anomaly_test

import (
	"testing"

	"github.com/finwait/finwait/reassembly/anomaly"
)

// cleanReasons says of each rule why it cannot fire on a clean connection
// (reassembly/clean.go), or that CheckClean tells it.
var cleanReasons = map[string]string{
	"syn-unanswered":            told,
	"syn-refused":               told,
	"rst-exact":                 told,
	"abortive-close":            told,
	"server-closes-first":       told,
	"censored-time-wait":        told,
	"checksum-offload":          told,
	"vanished":                  told,
	"syn-retransmitted":         fresh,
	"third-ack-lost-or-dropped": fresh,
	"final-ack-lost":            fresh,
	"ack-lost-after-tap":        fresh,
	"ack-lost-before-tap":       fresh,
	"ack-late-spurious-rto":     fresh,
	"ack-never-sent":            fresh,
	"data-lost-after-tap":       fresh,
	"dsack":                     fresh,
	"fin-retransmitted":         fresh,
	"last-ack-stall":            fresh,
	"time-wait-missing":         fresh,
	"user-timeout":              fresh,
	"late-after-close":          fresh,
	"fin-with-hole":             fresh,
	"paws-reject":               fresh,
	"reordering":                fresh,
	"duplicate-frame":           fresh,
	"keepalive":                 "no segment begins below its sender's end",
	"syn-refused-icmp":          "no segment is quoted",
	"half-open-no-third-ack":    "a SYN-ACK without a third ACK is accepted only within the second in which it may still come",
	"synack-bad-ack":            "the SYN-ACK acknowledges the SYN",
	"synack-isn-changed":        "there is one SYN-ACK",
	"data-on-syn":               "neither SYN carries data",
	"midstream":                 opened,
	"role-uncertain":            opened,
	"simultaneous-open":         opened,
	"split-handshake":           opened,
	"syn-answered-by-ack":       opened,
	"fin-unexpected":            opened,
	"one-sided":                 "one side alone is only heard where all it sent is a SYN, which acknowledges nothing",
	"syn-in-synchronized":       previous,
	"tuple-reused-in-2msl":      previous,
	"tw-reuse-by-holder":        previous,
	"syn-in-time-wait-rejected": previous,
	"old-duplicate-accepted":    previous,
	"reuse-failed":              previous,
	"time-wait-restarted":       "nothing follows the ACK of the second FIN",
	"time-wait-assassinated":    "nothing follows the ACK of the second FIN",
	"fin-ack-missing":           "a FIN without its ACK is accepted only for a second",
	"ack-of-unsent":             acked,
	"capture-gap":               acked,
	"capture-missed-ack":        "no timestamp is echoed that was not seen",
	"delayed-ack-excess":        "data that waited longer than 500 ms for its ACK is not accepted",
	"ack-stall":                 "data that waits for its ACK is accepted only for 3 s",
	"dup-ack-run":               "at most two ACKs repeat the one before while data is outstanding",
	"ack-loop":                  "fewer than ten pure ACKs repeat the numbers of the one before",
	"simultaneous-close":        "all that follows the first FIN acknowledges it",
	"half-close-with-data":      "no data follows the first FIN",
	"data-beyond-fin":           "no data follows the first FIN",
	"fin-seq-changed":           "a side sends one FIN",
	"close-wait-stall":          "no more than 60 s after the first FIN the second was sent, or the trace is over",
	"fin-wait2-stall":           "no more than 60 s after the first FIN the second was sent, or the trace is over",
	"zero-window-stall":         "no window is 0",
	"seq-wrap":                  "numbers that pass 2^32 are not accepted",
	"rst-in-window-inexact":     aborts,
	"rst-out-of-window":         aborts,
	"challenge-ack":             aborts,
	"rst-ignored":               aborts,
	"rst-after-fin":             aborts,
	"rst-for-closed":            aborts,
	"rst-storm":                 aborts,
	"rst-bad-in-syn-sent":       aborts,
	"rst-forged-suspect":        "the TTL of the RST is that of its sender's last segment, or it refuses a SYN and nothing of its sender is known",
}

const (
	told     = "CheckClean tells it"
	fresh    = "nothing is sent, captured or delivered twice or in another order, and no ACK is lost"
	opened   = "the first segments are SYN, SYN-ACK and ACK, as far as there are any"
	previous = "the tuple was not used before within what is remembered"
	acked    = "no ACK is above what was seen of its receiver, without a hole"
	aborts   = "the one RST is the last segment, at SND.NXT, with an ACK, before any FIN; or it refuses the SYN"
)

// TestCleanReasons: whoever adds a rule has to say what it finds in a clean
// connection. That it is so, the tests of package reassembly show.
func TestCleanReasons(t *testing.T) {
	for _, r := range anomaly.All() {
		reason, known := cleanReasons[r.ID]
		if r.Check != nil != known || known && reason == "" {
			t.Errorf("%s: looked for %v, and on a clean connection: %q", r.ID, r.Check != nil, reason)
		}
	}
	for id := range cleanReasons {
		if r, ok := anomaly.Lookup(id); !ok || r.ID != id {
			t.Errorf("%s is no rule", id)
		}
	}
}
