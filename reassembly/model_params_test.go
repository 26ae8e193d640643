package reassembly_test

import (
	"math/rand/v2"
	"time"
)

// This file: how a seed becomes a case.

// level is one setting of the path.
type level struct {
	name    string
	loss    float64
	dup     float64
	late    float64
	partial bool // the capture misses packets, begins late or ends early
	floor   float64
}

// levels: the floors are what the share of exact paths must reach; ends whose
// close no packet shows are left out. Without loss all paths are exact but for a
// rare crossing that the round trips do not decide. A lost packet can take the
// only sign of a step with it (the last section of the rules of evidence), and
// these connections are short, so the floors fall with the loss; what a capture
// missed cannot be told at all. Each stands about one percent below what was
// measured over a hundred thousand connections.
var levels = [...]level{
	{name: "clean", floor: 0.999},
	{name: "1 %", loss: 0.01, floor: 0.98},
	{name: "2 %", loss: 0.02, floor: 0.98},
	{name: "5 %", loss: 0.05, floor: 0.975},
	{name: "10 %", loss: 0.10, floor: 0.965},
	{name: "reordered, copied", dup: 0.05, late: 0.05, floor: 0.985},
	{name: "all faults", loss: 0.05, dup: 0.03, late: 0.05, floor: 0.965},
	{name: "partial capture", loss: 0.02, partial: true, floor: 0.87},
}

// harsh levels are worse than any path that is in use: what takes a soak of hours
// to strike strikes here in minutes. A twelfth of their cases open from both ends.
var harsh = [...]level{
	{name: "harsh partial", loss: 0.02, partial: true, floor: 0.88},
	{name: "harsh partial 10%", loss: 0.10, partial: true, floor: 0.86},
	{name: "harsh partial all", loss: 0.05, dup: 0.05, late: 0.05, partial: true, floor: 0.86},
	{name: "harsh partial 25%", loss: 0.25, partial: true, floor: 0.85},
	{name: "harsh 25 %", loss: 0.25, floor: 0.92},
	{name: "harsh all", loss: 0.10, dup: 0.10, late: 0.10, floor: 0.94},
	{name: "harsh reordered", dup: 0.20, late: 0.20, floor: 0.96},
	{name: "harsh partial late", loss: 0.02, dup: 0.05, late: 0.20, partial: true, floor: 0.86},
}

// modelLevels are those of a case.
func modelLevels(harshly bool) []level {
	if harshly {
		return harsh[:]
	}
	return levels[:]
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// makeParams draws a case.
func makeParams(seed uint64, harshly bool) *params {
	r := rand.New(rand.NewPCG(seed, 0))
	p := &params{Seed: seed, Harsh: harshly, Level: int(seed % uint64(len(levels)))}
	second := int64(time.Second)
	p.Base = [2]int64{pick(r, 50*us, 500*us, 5*ms, 20*ms, 60*ms), pick(r, 50*us, 500*us, 5*ms, 20*ms, 60*ms)}
	p.Jitter = pick(r, 0, 100*us, 2*ms)
	p.V6, p.TS, p.SACK = r.IntN(5) == 0, r.IntN(4) > 0, r.IntN(4) > 0
	p.ID = [2]bool{r.IntN(4) > 0, r.IntN(4) > 0}
	p.TLP, p.RACK = r.IntN(3) > 0, r.IntN(2) == 0
	p.MSS = pick[uint32](r, 100, 536, 1448)
	for x := range 2 {
		p.ISS[x], p.TSBase[x] = r.Uint32(), r.Uint32()
		if r.IntN(8) == 0 {
			p.ISS[x] = -uint32(r.IntN(3000))
		}
		if r.IntN(8) == 0 {
			p.TSBase[x] = -uint32(r.IntN(300))
		}
		p.Cwnd[x] = pick(r, 2, 4, 10, 10)
		p.Quick[x] = pick(r, 0, 2, 100)
		p.Retries[x] = pick(r, 4, 6, 15)
		p.App[x] = makeScript(r)
	}
	p.StrictFIN, p.Coalesce, p.Merge = r.IntN(2) == 0, r.IntN(3) > 0, r.IntN(2) == 0
	p.SynRetries = pick(r, 3, 6)
	p.Length = pick(r, 5*second, 20*second, 200*second, 200*second)
	p.FinWait2, p.TwoMSL = 60*second, 60*second+r.Int64N(second)
	odd := 40
	if harshly {
		odd = 12
	}
	switch r.IntN(odd) {
	case 0:
		p.Refused = true
	case 1, 2:
		p.Both = true
		p.BothGap = r.Int64N(p.Base[0] + p.Base[1] + ms)
	case 3, 4:
		p.KeepAlive = pick(r, second, 4*second)
	}
	if r.IntN(3) == 0 { // both programs close at about the same time
		a, b := &p.App[0], &p.App[1]
		a.At, b.At = max(a.At, 0), max(a.At, 0)+r.Int64N(2*(p.Base[0]+p.Base[1]))
		if a.How == never {
			a.How = closes
		}
		if b.How == never {
			b.How = closes
		}
	}
	p.faults(r)
	return p
}

func (p *params) faults(r *rand.Rand) {
	l := &modelLevels(p.Harsh)[p.Level]
	p.LateBy = pick(r, 2*ms, 20*ms, 100*ms)
	for x := range 2 {
		for half := range 2 {
			p.Loss[x][half] = l.loss / 2
			p.Dup[x][half] = l.dup / 2
			p.Late[x][half] = l.late / 2
		}
	}
	if l.loss > 0 && r.IntN(20) == 0 {
		p.Dead, p.DeadFrom, p.DeadHalf = 1+r.Int64N(500*ms), r.IntN(2), r.IntN(2)
	}
	if !l.partial {
		return
	}
	switch r.IntN(3) {
	case 0:
		p.Miss = pick(r, 0.01, 0.05)
	case 1:
		p.From = 1 + r.Int64N(2*(p.Base[0]+p.Base[1])+300*ms)
	case 2:
		p.Until = 1 + r.Int64N(2*(p.Base[0]+p.Base[1])+600*ms)
	}
}

func makeScript(r *rand.Rand) script {
	s := script{At: -1}
	for at := int64(0); r.IntN(5) < 3 && len(s.Writes) < 6; {
		at += pick(r, 0, r.Int64N(5*ms), r.Int64N(100*ms), r.Int64N(700*ms))
		s.Writes = append(s.Writes, write{at, 1 + r.Uint32N(pick[uint32](r, 1, 300, 6000))})
	}
	if r.IntN(2) == 0 {
		s.Reply = 1 + r.Uint32N(4000)
	}
	s.How = pick(r, closes, closes, closes, shutsDown, shutsDown, aborts, never)
	if r.IntN(2) == 0 {
		s.At = pick(r, 0, r.Int64N(5*ms), r.Int64N(100*ms), r.Int64N(1000*ms))
	}
	s.OnFIN = pick(r, closes, closes, closes, closes, closes, closes, shutsDown, aborts, never)
	s.OnFINIn = pick(r, 0, 0, r.Int64N(2*ms), r.Int64N(200*ms), r.Int64N(3000*ms))
	if r.IntN(4) == 0 {
		s.OnFINSay = 1 + r.Uint32N(3000)
	}
	s.Unread = r.IntN(20) == 0
	return s
}
