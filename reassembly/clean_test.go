package reassembly_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/fixtures/kernel"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// The clean path tells what the machine tells, to the last field. All tests of
// this package tell clean connections both ways (export_test.go) and panic at a
// difference; those here bring the connections in which one could be.

// share counts connections told, and those told by the clean path.
type share struct{ told, clean int }

func (s share) String() string {
	return fmt.Sprintf("%d of %d connections by the clean path, %.1f %%", s.clean, s.told, 100*float64(s.clean)/float64(max(s.told, 1)))
}

// bothWays tracks what feed gives to a Tracker, and counts.
func bothWays(t *testing.T, total *share, name string, feed func(*reassembly.Tracker)) {
	t.Helper()
	reassembly.AtClose(func(told, clean int) { total.told, total.clean = total.told+told, total.clean+clean })
	defer reassembly.AtClose(nil)
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s: %v", name, p)
		}
	}()
	feed(reassembly.NewTracker(reassembly.Options{Check: anomaly.Check, CheckClean: anomaly.CheckClean, Emit: func(*reassembly.Lifecycle) {}}))
}

// TestCleanCaptures tells scripts, kernels' captures and, where they are at
// hand, those of ../shared.
func TestCleanCaptures(t *testing.T) {
	var scripts, kernels, truth, soak share
	for _, name := range fixtures.Scripts() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		frames, err := s.Frames()
		if err != nil {
			t.Fatal(err)
		}
		bothWays(t, &scripts, name, func(tr *reassembly.Tracker) {
			d := capture.NewDecoder(capture.DecoderOptions{})
			for _, f := range frames {
				frame := capture.Frame{Time: f.At.UnixNano(), Packet: reassembly.MakePacket(0, uint64(f.Number)), LinkType: uint32(s.Link),
					WireLen: uint32(len(f.Data)), Data: f.Data}
				var seg reassembly.Segment
				if d.Decode(&frame, &seg) == capture.NotSkipped {
					tr.Add(&seg)
				}
			}
			tr.Close()
		})
	}
	for _, name := range kernel.Names() {
		pcap, err := kernel.Capture(name)
		if err != nil {
			t.Fatal(err)
		}
		bothWays(t, &kernels, name, func(tr *reassembly.Tracker) { trackFile(t, tr, pcap) })
	}
	for _, c := range []struct {
		total *share
		files string
	}{{&truth, "out/*.pcap"}, {&soak, "soak/*_loss0.pcap"}} {
		list, _ := filepath.Glob(filepath.Join("..", "..", "shared", "truth", c.files))
		for _, path := range list {
			pcap, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bothWays(t, c.total, path, func(tr *reassembly.Tracker) { trackFile(t, tr, pcap) })
		}
	}
	t.Logf("scripts: %v; kernels: %v; ../shared/truth/out: %v; soak without loss: %v", scripts, kernels, truth, soak)
	if scripts.clean == 0 || kernels.clean == 0 {
		t.Error("nothing is clean")
	}
}

func trackFile(t *testing.T, tr *reassembly.Tracker, pcap []byte) {
	t.Helper()
	r, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(pcap)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	track(t, r, tr)
}

// cleanTalk makes clean connections, with all that may differ between hosts.
type cleanTalk struct {
	r    *rand.Rand
	now  int64
	seq  [2]uint32
	id   [2]uint16
	idBy [2]int // 0: IP-ID 0, 1: a counter, else random
	ts   [2]bool
	tsBy [2]uint32 // where the clock began
	echo [2]bool
	last [2]uint32 // TSval sent last
	ttl  [2]uint8
	step int64 // usual time between segments, ns
	v6   bool
	out  []reassembly.Segment
}

func newCleanTalk(r *rand.Rand) *cleanTalk {
	k := &cleanTalk{r: r, now: epoch + r.Int64N(1e9), seq: [2]uint32{r.Uint32(), r.Uint32()}, v6: r.IntN(4) == 0,
		ttl: [2]uint8{64, uint8(50 + r.IntN(200))}, step: []int64{20e3, 3e5, 4e6, 3e7, 2e8}[r.IntN(5)]}
	both := r.IntN(4) > 0
	for x := range 2 {
		k.idBy[x], k.id[x] = r.IntN(3), uint16(r.Uint32())
		k.ts[x], k.tsBy[x], k.echo[x] = both || r.IntN(3) == 0, r.Uint32(), r.IntN(4) > 0
	}
	return k
}

func (k *cleanTalk) wait() { k.now += k.step/2 + k.r.Int64N(k.step) }

// send adds a segment of side x that acknowledges all it was sent.
func (k *cleanTalk) send(x int, flags uint8, n uint32) {
	s := reassembly.Segment{Time: k.now, Flags: flags, Window: uint16(500 + k.r.IntN(3)), Length: n, TTL: k.ttl[x], V6: k.v6, Seq: k.seq[x]}
	if flags&reassembly.FlagACK != 0 {
		s.Ack = k.seq[1-x]
	}
	if flags&reassembly.FlagSYN != 0 {
		s.MSS, s.HasScale, s.WindowScale, s.SACKPermitted = 1460, true, 7, true
	}
	if k.ts[x] {
		s.HasTimestamps, s.TSVal = true, k.tsBy[x]+uint32((k.now-epoch)/1e6)
		k.last[x] = s.TSVal
		if k.echo[x] && flags&reassembly.FlagACK != 0 {
			s.TSEcr = k.last[1-x]
		}
	}
	switch k.idBy[x] {
	case 1:
		k.id[x]++
		s.IPID = k.id[x]
	case 2:
		s.IPID = uint16(k.r.Uint32())
	}
	if k.v6 {
		s.IPID = 0
	}
	k.out = append(k.out, s)
	k.seq[x] += n
	if flags&(reassembly.FlagSYN|reassembly.FlagFIN) != 0 {
		k.seq[x]++
	}
	k.out[len(k.out)-1].Tag = uint32(x) // who sent it; taken off before it is fed
	k.wait()
}

const (
	fSYN = reassembly.FlagSYN
	fACK = reassembly.FlagACK
	fFIN = reassembly.FlagFIN
	fRST = reassembly.FlagRST
	fPSH = reassembly.FlagPSH
)

// make is one clean connection.
func (k *cleanTalk) make() []reassembly.Segment {
	r := k.r
	k.send(0, fSYN, 0)
	switch r.IntN(12) {
	case 0:
		return k.out
	case 1:
		k.send(1, fRST|fACK, 0)
		k.out[1].Seq, k.out[1].HasTimestamps, k.out[1].TSVal, k.out[1].TSEcr = 0, false, 0, 0
		return k.out
	}
	k.send(1, fSYN|fACK, 0)
	switch r.IntN(12) {
	case 0:
		return k.out
	case 1:
		k.send(0, fRST|fACK, 0)
		return k.out
	}
	k.send(0, fACK, 0)
	for range r.IntN(5) {
		x := r.IntN(2)
		for range 1 + r.IntN(3) {
			k.send(x, fACK|fPSH*uint8(r.IntN(2)), 1+uint32(r.IntN(1460)))
		}
		if r.IntN(3) > 0 {
			k.send(1-x, fACK, 0)
		}
	}
	x := r.IntN(2)
	switch r.IntN(8) {
	case 0:
		return k.out
	case 1:
		k.send(x, fRST|fACK, 0)
		return k.out
	}
	k.send(x, fFIN|fACK, uint32(r.IntN(3)/2*r.IntN(500)))
	if r.IntN(3) > 0 {
		k.send(1-x, fACK, 0)
		if r.IntN(3) == 0 {
			k.now += r.Int64N(9e9)
		}
	}
	k.send(1-x, fFIN|fACK, 0)
	k.send(x, fACK, 0)
	if r.IntN(4) == 0 { // the capture ends before the close does
		return k.out[:len(k.out)-1-r.IntN(min(3, len(k.out)-1))]
	}
	return k.out
}

// TestCleanLong tells clean connections of hundreds of segments from the whole
// of their logs, of which a machine would have forgotten the most.
func TestCleanLong(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 512))
	var total share
	for n := 100; n < 1800; n += 100 {
		k := newCleanTalk(r)
		k.send(0, fSYN, 0)
		k.send(1, fSYN|fACK, 0)
		k.send(0, fACK, 0)
		for len(k.out) < n {
			x := r.IntN(2)
			k.send(x, fACK|fPSH, 1+uint32(r.IntN(1460)))
			k.send(1-x, fACK, 0)
		}
		k.send(1, fFIN|fACK, 0)
		k.send(0, fFIN|fACK, 0)
		k.send(1, fACK, 0)
		packet := uint64(0)
		bothWays(t, &total, "a long one", func(tr *reassembly.Tracker) {
			feedTalk(tr, k.out, 0, &packet)
			tr.Close()
		})
	}
	if total.clean < total.told*9/10 {
		t.Errorf("only %v", total)
	}
}

// cleanMutations change one thing in segment i.
var cleanMutations = map[string]func(s []reassembly.Segment, i int) []reassembly.Segment{}

func mutation(name string, f func(s *reassembly.Segment)) {
	cleanMutations[name] = func(all []reassembly.Segment, i int) []reassembly.Segment { f(&all[i]); return all }
}

func later(all []reassembly.Segment, i int, d time.Duration) []reassembly.Segment {
	for j := i; j < len(all); j++ {
		all[j].Time += int64(d)
	}
	return all
}

func init() {
	for bit := range 8 {
		mutation(fmt.Sprint("flag ", bit), func(s *reassembly.Segment) { s.Flags ^= 1 << bit })
	}
	for _, n := range []uint32{1, 100, 70000, 1 << 31} {
		mutation(fmt.Sprint("seq +", n), func(s *reassembly.Segment) { s.Seq += n })
		mutation(fmt.Sprint("seq -", n), func(s *reassembly.Segment) { s.Seq -= n })
		mutation(fmt.Sprint("ack +", n), func(s *reassembly.Segment) { s.Ack += n })
		mutation(fmt.Sprint("ack -", n), func(s *reassembly.Segment) { s.Ack -= n })
		mutation(fmt.Sprint("length +", n), func(s *reassembly.Segment) { s.Length += n })
		mutation(fmt.Sprint("TSval +", n), func(s *reassembly.Segment) { s.TSVal += n })
		mutation(fmt.Sprint("TSval -", n), func(s *reassembly.Segment) { s.TSVal -= n })
		mutation(fmt.Sprint("TSecr +", n), func(s *reassembly.Segment) { s.TSEcr += n })
		mutation(fmt.Sprint("TSecr -", n), func(s *reassembly.Segment) { s.TSEcr -= n })
	}
	mutation("no length", func(s *reassembly.Segment) { s.Length = 0 })
	mutation("ack 0", func(s *reassembly.Segment) { s.Ack = 0 })
	mutation("timestamps", func(s *reassembly.Segment) { s.HasTimestamps = !s.HasTimestamps })
	mutation("TSecr 0", func(s *reassembly.Segment) { s.TSEcr = 0 })
	mutation("window 0", func(s *reassembly.Segment) { s.Window = 0 })
	mutation("window", func(s *reassembly.Segment) { s.Window += 9 })
	mutation("IP-ID 0", func(s *reassembly.Segment) { s.IPID = 0 })
	mutation("IP-ID +1", func(s *reassembly.Segment) { s.IPID++ })
	mutation("IP-ID back", func(s *reassembly.Segment) { s.IPID -= 3 })
	mutation("TTL", func(s *reassembly.Segment) { s.TTL -= 5 })
	mutation("IPv6", func(s *reassembly.Segment) { s.V6 = !s.V6 })
	mutation("SACK", func(s *reassembly.Segment) {
		s.SACKCount, s.SACK[0] = 1, reassembly.SACKBlock{Left: s.Ack + 10, Right: s.Ack + 20}
	})
	mutation("D-SACK", func(s *reassembly.Segment) {
		s.SACKCount, s.SACK[0] = 1, reassembly.SACKBlock{Left: s.Ack - 10, Right: s.Ack}
	})
	mutation("MSS", func(s *reassembly.Segment) { s.MSS = 300 })
	mutation("fast open", func(s *reassembly.Segment) { s.FastOpen = true })
	mutation("MPTCP", func(s *reassembly.Segment) { s.MPTCP = true })
	mutation("time back", func(s *reassembly.Segment) { s.Time -= 2e6 })
	mutation("bare RST", func(s *reassembly.Segment) { s.Flags, s.Seq, s.Length = fRST, s.Ack, 0 })
	mutation("RST", func(s *reassembly.Segment) { s.Flags, s.Length = fRST|fACK, 0 })
	cleanMutations["as it is"] = func(all []reassembly.Segment, _ int) []reassembly.Segment { return all }
	cleanMutations["dropped"] = func(all []reassembly.Segment, i int) []reassembly.Segment { return slices.Delete(all, i, i+1) }
	cleanMutations["ends here"] = func(all []reassembly.Segment, i int) []reassembly.Segment { return all[:i+1] }
	cleanMutations["swapped"] = func(all []reassembly.Segment, i int) []reassembly.Segment {
		if i+1 < len(all) {
			all[i], all[i+1] = all[i+1], all[i]
			all[i].Time, all[i+1].Time = all[i+1].Time, all[i].Time
		}
		return all
	}
	for _, d := range []time.Duration{0, 100 * time.Microsecond, 30 * time.Millisecond, 400 * time.Millisecond, 3 * time.Second} {
		cleanMutations[fmt.Sprint("again after ", d)] = func(all []reassembly.Segment, i int) []reassembly.Segment {
			s := all[i]
			s.Time += int64(d)
			return slices.Insert(later(all, i+1, d), i+1, s)
		}
		cleanMutations[fmt.Sprint("sent again after ", d)] = func(all []reassembly.Segment, i int) []reassembly.Segment {
			s := all[i]
			s.Time, s.IPID, s.TSVal = s.Time+int64(d), s.IPID+1, s.TSVal+uint32(d/1e6)
			return slices.Insert(later(all, i+1, d), i+1, s)
		}
	}
	for _, d := range []time.Duration{6 * time.Millisecond, 45 * time.Millisecond, 210 * time.Millisecond, 520 * time.Millisecond, 1100 * time.Millisecond,
		4 * time.Second, 61 * time.Second, 400 * time.Second} {
		cleanMutations[fmt.Sprint("later by ", d)] = func(all []reassembly.Segment, i int) []reassembly.Segment { return later(all, i, d) }
		cleanMutations[fmt.Sprint("delayed by ", d)] = func(all []reassembly.Segment, i int) []reassembly.Segment {
			s := all[i]
			s.Time += int64(d)
			j := i
			for j+1 < len(all) && all[j+1].Time <= s.Time {
				j++
			}
			return slices.Insert(slices.Delete(all, i, i+1), j, s)
		}
	}
}

// feedTalk gives the segments of one connection, of its own ports, to a tracker.
func feedTalk(tr *reassembly.Tracker, all []reassembly.Segment, n int, packet *uint64) {
	for _, s := range all {
		from := s.Tag
		s.Tag = 0
		*packet++
		s.Packet = reassembly.MakePacket(0, *packet)
		a, b := reassembly.IP{10: 255, 11: 255, 12: 10, 15: 1}, reassembly.IP{10: 255, 11: 255, 12: 10, 14: byte(n >> 8), 15: byte(n)}
		s.Src, s.SrcPort, s.Dst, s.DstPort = a, 40000, b, 443
		if from == 1 {
			s.Src, s.SrcPort, s.Dst, s.DstPort = b, 443, a, 40000
		}
		tr.Add(&s)
	}
}

// TestCleanMutations tells generated clean connections, and each of them with
// one thing changed at every place, up to times soon and late after their end.
func TestCleanMutations(t *testing.T) {
	names := make([]string, 0, len(cleanMutations))
	for name := range cleanMutations {
		names = append(names, name)
	}
	slices.Sort(names)
	r := rand.New(rand.NewPCG(8, 22))
	var whole, mutated share
	const talks = 60
	for n := range talks {
		k := newCleanTalk(r)
		all := k.make()
		after := []time.Duration{0, 50 * time.Millisecond, 900 * time.Millisecond, 1500 * time.Millisecond, 4 * time.Second, 59 * time.Second, 70 * time.Second,
			2 * time.Hour, 50 * time.Hour}[n%9]
		end := all[len(all)-1].Time + int64(after)
		packet := uint64(0)
		bothWays(t, &whole, "as it is", func(tr *reassembly.Tracker) {
			feedTalk(tr, all, 0, &packet)
			tr.Advance(end)
			tr.Close()
		})
		packet = 0
		bothWays(t, &mutated, "a mutation, named by the server's address", func(tr *reassembly.Tracker) {
			for m, name := range names {
				for i := range all {
					feedTalk(tr, cleanMutations[name](slices.Clone(all), i), m*32+i, &packet)
				}
			}
			tr.Advance(end)
			tr.Close()
		})
	}
	t.Logf("as they are: %v; mutated: %v", whole, mutated)
}
