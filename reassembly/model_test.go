package reassembly_test

import (
	"cmp"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// The model test: random pairs of endpoints with random programs talk over a
// path that loses, copies and reorders, with a tap in it. The model knows what
// each endpoint really did; the Tracker sees the tap only, and must be right
// about all that it calls certain.
//
// FINWAIT_SOAK=1h runs fresh cases for so long ('make soak');
// FINWAIT_MODEL_SEED=n replays one case and prints it; with FINWAIT_MODEL_HARSH=1
// either is one of the harsh levels.

const (
	modelCases = 2400
	harshCases = 800
)

var digits = regexp.MustCompile(`\d+`)

// failure is a case in which something was wrong.
type failure struct {
	what  string
	sim   *sim
	lives []*reassembly.Lifecycle
}

// tally sums up the cases of one level.
type tally struct {
	cases, ends, hidden, exact, steps, certain int
	inexact                                    []uint64
}

func (t *tally) add(seed uint64, v *verdict) {
	t.cases++
	t.ends += v.ends
	t.exact += v.exact
	t.steps += v.steps
	t.certain += v.certain
	t.hidden += v.hidden
	if len(v.inexact) > 0 && len(t.inexact) < 20 {
		t.inexact = append(t.inexact, seed)
	}
}

func TestModel(t *testing.T) {
	harshly := os.Getenv("FINWAIT_MODEL_HARSH") != ""
	if one := os.Getenv("FINWAIT_MODEL_SEED"); one != "" {
		seed, err := strconv.ParseUint(one, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		s, lives, v := runCase(makeParams(seed, harshly))
		t.Logf("%s\nnot exact: %v\nfaults:\n%s", s.trace(lives), v.inexact, strings.Join(v.faults, "\n"))
		if len(v.faults) > 0 {
			t.Fail()
		}
		return
	}
	if soak := os.Getenv("FINWAIT_SOAK"); soak != "" {
		d, err := time.ParseDuration(soak)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		runModel(t, uint64(start.Unix())<<20, harshly, func(int) bool { return time.Since(start) < d })
		return
	}
	for _, r := range regressions {
		if s, lives, v := runCase(makeParams(r.seed, r.harsh)); len(v.faults) > 0 {
			t.Errorf("%s: %s\n%s", r.what, strings.Join(v.faults, "\n"), s.trace(lives))
		}
	}
	runModel(t, 0, false, func(n int) bool { return n < modelCases })
	runModel(t, 0, true, func(n int) bool { return n < harshCases })
}

// regressions are cases in which something was once told as certain that was
// not so. A change to how a seed becomes a case makes others of them: look for
// new ones then ('make soak' on the rule taken back).
var regressions = []struct {
	seed  uint64
	harsh bool
	what  string
}{
	{1882592890697439, false, "one byte that the capture lacks is no FIN: CLOSE-WAIT rested on the guess"},
	{1882592890832855, false, "the same at the server"},
	{1882592890605967, false, "the same, and LAST-ACK rested on it"},
	{1882592890758599, false, "the same, and FIN-WAIT-2 rested on it"},
	{1882592890831359, false, "the same with the roles changed"},
	{1882592890701359, false, "FIN-WAIT-2 confirmed although the capture lacks the peer's FIN: it was CLOSING"},
	{1882592890647190, false, "a refusal that a SYN of the same sender overtook is no abort"},
	{1882592890644494, false, "a FIN that waited for the window of one segment after an unseen time-out"},
	{1882588039921004, false, "a FIN without data waited for the congestion window; the ACK before was lost"},
	{1882588039884863, false, "a close that waited behind data since before the capture"},
	{1882595121957285, false, "an overtaken FIN of the same timestamp tick as its ACK is no copy of one missed"},
	{1882597915369142, false, "a FIN lost before the tap may have been sent in CLOSE-WAIT, although a pure ACK shows it first"},
	{1882597915382078, false, "the same at the client, after reordered data"},
	{1882597915387015, false, "a FIN that the capture missed, and whose copy covers the peer's, proves no CLOSE-WAIT"},
	{1882599142206852, false, "a FIN sent after a segment beyond it was no overtaken one: its IP-ID is newer"},
	{1882601061143695, false, "an ACK of all that had passed the tap came when more was under way"},
	{1882601061179862, false, "LAST-ACK rests on a CLOSE-WAIT that is no longer certain"},
	{1882601061202670, false, "IP-IDs in a row since a gap say nothing of what was lost in it"},
	{1882595122025276, false, "an ACK that was refuted proves no idle sender"},
	{1882603339114460, false, "a FIN waited behind a byte whose copy was not yet due: time-outs double"},
	{1882614313203156, false, "without IP-IDs a copy that was lost before the tap is not known to be missing"},
	{1882614313131084, false, "a sender whose SYN-ACK was sent again waits for a second"},
	{1882614313131079, false, "the peer's FIN came before the capture: a FIN inferred may be that of LAST-ACK"},
	{1882614312993271, false, "in one direction the last byte that was acknowledged may be a FIN"},
	{1882615128860719, false, "a FIN sent before the capture, and data below it sent again"},
	{1882615128962459, false, "an ACK from beyond bytes that were missed is no sign of an idle sender"},
	{1882616582335860, false, "the first of the data that an ACK set free was lost before the tap"},
	{1882617340471517, false, "an old SYN-ACK is answered in CLOSING as in TIME-WAIT"},
	{1882618541052854, false, "the first data that is seen is a second copy"},
	{1882619463469654, false, "an echo of the ACK's tick was that of a segment it had overtaken"},
	{1882619463030383, false, "a SYN-ACK answers the SYN that the capture lacks, not the SYN-ACK: that is no round trip"},
	{1882624844051813, false, "an ACK that was held up behind the tap set data free late: no sign of an idle sender"},
	{1882624844400134, false, "a FIN that was held up before the tap is not sent late"},
	{1882627661406444, false, "many ACKs before a flight of which the only ACK was lost"},
	{1882625143836715, true, "behind the ACK of the FIN a FIN was lost before the tap: that silence was no pause"},
	{1882625144416580, true, "the same after data that was sent again"},
	{1882625143888776, true, "the echo was that of an ACK of the same tick that the capture missed"},
	{1882625144657638, true, "the echo in TIME-WAIT was that of a copy of the FIN, of the tick of the ACK"},
	{1882625143934586, true, "the first segment seen of a sender stands behind a FIN that the capture lacks"},
	{1882625144158944, true, "a FIN before the capture, acknowledged by all that it shows"},
	{1882625143734567, true, "a refusal held up; the SYN of its sender since then was missed"},
	{1882625143933930, true, "a SYN that all of its connection overtook is no next incarnation"},
	{1882628233981922, true, "the same where nothing else of its sender was seen"},
	{1882625144196039, true, "the same where the capture begins late"},
	{1882625144392239, true, "the same where the SYN was sent again"},
	{1882631282904652, false, "the ACK of a copy is dropped with it where the first had come"},
	{1882629405351271, false, "an echo of the ACK's tick was that of an ACK that the capture missed, without IP-IDs"},
	{1882629403689468, false, "a copy was lost before the tap, whose time-out left one segment to be out"},
	{1882614313091607, false, "a FIN guessed in one direction"},
	{1882643196076895, false, "a FIN inferred is seen as a copy; the last byte that it acknowledges, which nothing shows, was the peer's FIN"},
	{1882629582149371, true, "whose FIN was only guessed answers in CLOSE-WAIT as in TIME-WAIT"},
	{1882629581560055, true, "a SYN that all of its connection overtook but its start, and the FIN of the peer"},
	{1882629581679727, true, "a FIN that overtook the SYN-ACK came after it all the same"},
	{1882656754865599, true, "a copy of the SYN came late; the FIN just behind it was sent before the capture"},
	{1882656755073999, true, "a refusal that was held up is no abort, although the SYN that it refused was not seen"},
	{1882657548653922, true, "data that was lost before the tap was under way when the FIN came: what is seen of it is a copy"},
	{1882658482028818, true, "a FIN that was acknowledged before the SYN-ACK passed the tap came behind that"},
	{1882660687119577, true, "a copy that the capture missed drew the ACK that echoes its tick, as its D-SACK says"},
	{1882643196958046, false, "a sender that waited for its time-out, the ACK before the peer's FIN having been lost, was not idle"},
}

// runCase simulates, tracks twice and judges one case.
func runCase(p *params) (*sim, []*reassembly.Lifecycle, *verdict) {
	s := run(p)
	lives := trackCase(s, s.end())
	v := check(s, lives)
	if again := trackCase(s, s.end()); !reflect.DeepEqual(lives, again) {
		v.fault("the same packets gave another report")
	}
	return s, lives, v
}

// TestModelInterleaved feeds many cases to one Tracker, packet by packet in the
// order of time: each must be told as if it were alone.
func TestModelInterleaved(t *testing.T) {
	const cases = 64
	var sims []*sim
	var all []*packet
	end := int64(0)
	for n := range cases {
		s := run(makeParams(uint64(1_000_000+n), false))
		for _, k := range s.frames { // a file of its own, so that its packets keep their names
			k.seg.Packet = reassembly.MakePacket(n, k.frame.Number())
		}
		sims, all = append(sims, s), append(all, s.frames...)
		end = max(end, epoch+s.p.Length)
	}
	slices.SortStableFunc(all, func(a, b *packet) int { return cmp.Compare(a.tapAt, b.tapAt) })
	told := make([][]*reassembly.Lifecycle, cases)
	tr := reassembly.NewTracker(reassembly.Options{Check: anomaly.Check, CheckClean: anomaly.CheckClean, Emit: func(l *reassembly.Lifecycle) {
		told[l.First.File()] = append(told[l.First.File()], l)
	}})
	for _, k := range all {
		tr.Add(&k.seg)
	}
	tr.Advance(end)
	tr.Close()
	for n, s := range sims {
		alone := trackCase(s, end)
		for _, lives := range [][]*reassembly.Lifecycle{alone, told[n]} {
			slices.SortFunc(lives, func(a, b *reassembly.Lifecycle) int { return cmp.Compare(a.First, b.First) })
			for _, l := range lives { // numbered in the order of their capture
				l.ID, l.Stream, l.Reuses, l.ReusedBy = 0, 0, min(l.Reuses, 1), min(l.ReusedBy, 1)
			}
		}
		if !reflect.DeepEqual(alone, told[n]) {
			t.Errorf("seed %d is told otherwise among others than alone", s.p.Seed)
		}
	}
}

// runModel runs the cases from a seed on for as long as more says so.
func runModel(t *testing.T, first uint64, harshly bool, more func(int) bool) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	tallies := make([]tally, len(levels))
	kinds, worst := map[string]int{}, map[string]failure{}
	n := 0
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock()
				if !more(n) || len(kinds) >= 20 {
					mu.Unlock()
					return
				}
				seed := first + uint64(n)
				n++
				mu.Unlock()
				s, lives, v := runCase(makeParams(seed, harshly))
				mu.Lock()
				tallies[s.p.Level].add(seed, v)
				for _, f := range v.faults {
					kind := digits.ReplaceAllString(f, "n")
					kinds[kind]++
					if w := worst[kind]; w.sim == nil || len(s.packets) < len(w.sim.packets) {
						worst[kind] = failure{f, s, lives} // the shortest is the easiest to read
					}
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for kind, w := range worst {
		t.Errorf("%d times, such as: %s\n%s", kinds[kind], w.what, w.sim.trace(w.lives))
	}
	for i := range tallies {
		a, l := &tallies[i], &modelLevels(harshly)[i]
		exact := float64(a.exact) / float64(max(a.ends, 1))
		t.Logf("%-18s %7d connections, %d closes that no packet shows, exact paths %6.2f %%, certain steps %5.1f %%, not exact: seeds %v",
			l.name, a.cases, a.hidden, 100*exact, 100*float64(a.certain)/float64(max(a.steps, 1)), a.inexact)
		if exact < l.floor {
			t.Errorf("%s: %.2f %% of the paths are exact, fewer than %.1f %%", l.name, 100*exact, 100*l.floor)
		}
	}
}
