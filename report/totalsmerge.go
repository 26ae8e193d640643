package report

import (
	"cmp"
	"encoding/binary"
	"errors"

	"github.com/finwait/finwait/reassembly"
)

// This file lets several machines add up one Summary: Totals of parts of the
// connections are sent as bytes and merged. Which part a connection is in does
// not matter, but each must be in one only.

// Merge adds the connections of o, which must not be used any more. The sum is
// the same as if one Totals had got them all, up to the many thousands of hosts
// beyond which a Totals forgets those with least.
func (t *Totals) Merge(o *Totals) {
	t.counters.merge(&o.counters)
	t.hosts.merge(&o.hosts)
}

func (t *hostTallies) merge(o *hostTallies) {
	mergeTally(&t.holders, &o.holders, t.most, hashIP, func(a, b *holderTotal) {
		a.held += b.held
		a.left = max(a.left, b.left)
		a.over.merge(&b.over, hostBuckets)
	})
	mergeTally(&t.ports, &o.ports, t.most, (*pairService).hash, func(a, b *portsTotal) { a.merge(&b.population, hostBuckets) })
	mergeTally(&t.reused, &o.reused, t.most, (*pairService).hash, func(a, b *reuseTotal) { *a += *b })
	mergeTally(&t.taps, &o.taps, t.most, (*pair).hash, func(a, b *tapTotal) {
		if a.connections == 0 {
			a.evidence = b.evidence
		} else {
			a.evidence.Merge(b.evidence)
		}
		a.connections += b.connections
	})
	mergeTally(&t.services, &o.services, t.most, (*service).hash, func(a, b *answerTotal) {
		a.whole += b.whole
		a.bare += b.bare
	})
}

// The hashes of keys, as hostTallies.add has them.
func (k *pair) hash() uint64        { return hashPair(hashIP(&k.client), hashIP(&k.server)) }
func (k *pairService) hash() uint64 { return hashPair(k.pair.hash(), uint64(k.port)) }
func (k *service) hash() uint64     { return hashPair(hashIP(&k.ip), uint64(k.port)) }

func mergeTally[K comparable, V interface{ weight() uint64 }](t, o *tally[K, V], most int, hash func(*K) uint64, add func(a, b *V)) {
	t.forgotten += o.forgotten
	for i := range o.n {
		e := o.entry(i)
		add(t.at(hash(&e.key), &e.key, most), &e.value)
	}
}

// errTotals is what UnmarshalBinary says of bytes that MarshalBinary did not make.
var errTotals = errors.New("these bytes are no totals of this version")

// totalsVersion begins the bytes of a Totals. It changes with what is in them.
const totalsVersion = 1

// MarshalBinary gives the Totals as bytes for another process of the same version.
func (t *Totals) MarshalBinary() ([]byte, error) {
	a := &archive{b: []byte{totalsVersion}}
	a.totals(t)
	return a.b, a.err
}

// UnmarshalBinary takes what MarshalBinary gave.
func (t *Totals) UnmarshalBinary(b []byte) error {
	if len(b) == 0 || b[0] != totalsVersion {
		return errTotals
	}
	a := &archive{b: b[1:], reads: true}
	*t = Totals{hosts: hostTallies{most: t.hosts.most}}
	a.totals(t)
	if a.err == nil && len(a.b) > 0 {
		a.err = errTotals
	}
	return a.err
}

// archive writes values into bytes or reads them back: one description serves
// both, so that they cannot come apart.
type archive struct {
	b     []byte
	reads bool
	err   error
}

func (a *archive) uint(p *uint64) {
	if !a.reads {
		a.b = binary.AppendUvarint(a.b, *p)
		return
	}
	v, n := binary.Uvarint(a.b)
	if n <= 0 {
		a.fail()
		return
	}
	*p, a.b = v, a.b[n:]
}

func (a *archive) fail() { a.b, a.err = nil, cmp.Or(a.err, errTotals) }

func (a *archive) int(p *int64) {
	v := uint64(*p)<<1 ^ uint64(*p>>63)
	a.uint(&v)
	*p = int64(v>>1) ^ -int64(v&1)
}

// integer is one of any size.
func integer[T ~int8 | ~int64 | ~uint8 | ~uint16 | ~uint32](a *archive, p *T) {
	v := int64(*p)
	a.int(&v)
	*p = T(v)
}

func (a *archive) bool(p *bool) {
	v := count(*p)
	a.uint(&v)
	*p = v != 0
}

func (a *archive) bytes(p *[]byte) {
	n := uint64(len(*p))
	a.uint(&n)
	if !a.reads {
		a.b = append(a.b, *p...)
		return
	}
	if n > uint64(len(a.b)) {
		a.fail()
		return
	}
	*p, a.b = a.b[:n:n], a.b[n:]
}

func (a *archive) text(p *string) {
	b := []byte(*p)
	a.bytes(&b)
	*p = string(b)
}

func (a *archive) ip(p *reassembly.IP) {
	if !a.reads {
		a.b = append(a.b, p[:]...)
		return
	}
	if len(a.b) < len(p) {
		a.fail()
		return
	}
	a.b = a.b[copy(p[:], a.b):]
}

// sums are the numbers that add up by themselves.
func (t *counters) sums() []*uint64 {
	list := []*uint64{&t.connections, &t.packets, &t.bytes, &t.oneSided, &t.roleGuessed, &t.mptcp, &t.undetermined, &t.affected,
		&t.reused, &t.unanswered, &t.oneWay, &t.untold, &t.untoldOn, &t.acked, &t.unseen, &t.inTimeWait}
	for _, counts := range [][]uint64{t.opens[:], t.closes[:], t.states[0][:], t.states[1][:], t.severity[:]} {
		for i := range counts {
			list = append(list, &counts[i])
		}
	}
	return list
}

func (a *archive) totals(t *Totals) {
	integer(a, &t.start)
	integer(a, &t.end)
	for _, p := range t.sums() {
		a.uint(p)
	}
	a.findings(&t.counters)
	a.population(&t.timeWait)
	h := &t.hosts
	archiveTally(a, &h.holders, h.most, hashIP, (*archive).ip, func(a *archive, h *holderTotal) {
		a.uint(&h.held)
		a.int(&h.left)
		a.population(&h.over)
	})
	archiveTally(a, &h.ports, h.most, (*pairService).hash, (*archive).pairService, func(a *archive, p *portsTotal) { a.population(&p.population) })
	archiveTally(a, &h.reused, h.most, (*pairService).hash, (*archive).pairService, func(a *archive, r *reuseTotal) { a.uint((*uint64)(r)) })
	archiveTally(a, &h.taps, h.most, (*pair).hash, (*archive).pair, func(a *archive, v *tapTotal) {
		a.uint(&v.connections)
		for s := range v.evidence.RTT {
			integer(a, &v.evidence.Hops[s])
			a.int(&v.evidence.RTT[s])
			a.bool(&v.evidence.Offloads[s])
		}
	})
	archiveTally(a, &h.services, h.most, (*service).hash, func(a *archive, k *service) {
		a.ip(&k.ip)
		integer(a, &k.port)
	}, func(a *archive, v *answerTotal) {
		a.uint(&v.whole)
		a.uint(&v.bare)
	})
}

func (a *archive) pair(k *pair) {
	a.ip(&k.client)
	a.ip(&k.server)
}

func (a *archive) pairService(k *pairService) {
	a.pair(&k.pair)
	integer(a, &k.port)
}

func (a *archive) findings(t *counters) {
	one := func(f *findingTotal) {
		id, family := string(f.ID), string(f.Family)
		a.text(&id)
		a.text(&family)
		f.ID, f.Family = FindingID(id), Family(family)
		a.uint(&f.Count)
		a.uint(&f.Connections)
		integer(a, &f.worst)
	}
	n := uint64(len(t.findings))
	a.uint(&n)
	if !a.reads {
		for _, f := range t.findings {
			one(f)
		}
		return
	}
	for ; n > 0 && a.err == nil; n-- { // a false n ends with the bytes
		var f findingTotal
		one(&f)
		*t.findingOf(string(f.ID), f.Family) = f
	}
}

func (a *archive) population(p *population) {
	a.int(&p.width)
	a.uint(&p.entered)
	n := uint64(len(p.changes))
	a.uint(&n)
	for i := 0; uint64(i) < n && a.err == nil; i++ {
		if a.reads {
			p.changes = append(p.changes, change{})
		}
		c := &p.changes[i]
		a.int(&c.at)
		for what := range c.count {
			integer(a, &c.count[what])
			p.held += int(count(a.reads && c.count[what] > 0))
		}
	}
}

func archiveTally[K comparable, V interface{ weight() uint64 }](a *archive, t *tally[K, V], most int, hash func(*K) uint64, key func(*archive, *K), value func(*archive, *V)) {
	a.uint(&t.forgotten)
	n := uint64(t.n)
	a.uint(&n)
	for i := 0; uint64(i) < n && a.err == nil; i++ {
		if !a.reads {
			e := t.entry(i)
			key(a, &e.key)
			value(a, &e.value)
			continue
		}
		var k K
		var v V
		key(a, &k)
		value(a, &v)
		*t.at(hash(&k), &k, most) = v
	}
}
