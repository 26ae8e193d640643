package html

import (
	"cmp"
	"container/heap"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file keeps the worst connections of many in bounded memory.

// rank orders connections: lower is worse, and of equals the earlier.
type rank struct {
	key, id uint64
}

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(r.key, o.key), cmp.Compare(r.id, o.id))
}

// rankOf is, from the highest bits: the worst severity, the best confidence
// with which it was found, how often it was found.
func rankOf(l *reassembly.Lifecycle) rank {
	if len(l.Findings) == 0 {
		return rank{^uint64(0), l.ID}
	}
	worst, sure, count := reassembly.Info, reassembly.Possible, uint64(0)
	for i := range l.Findings {
		f := &l.Findings[i]
		if f.Severity > worst {
			worst, sure, count = f.Severity, reassembly.Possible, 0
		}
		if f.Severity == worst {
			sure = min(sure, f.Confidence)
			count++
		}
	}
	return rank{uint64(reassembly.Error-worst)<<56 | uint64(sure)<<48 | (1<<48 - 1 - count), l.ID}
}

// worst keeps the limit values of lowest rank.
type worst[T any] struct {
	limit int
	items ranked[T]
}

// wants reports whether a value of rank r would be kept now. Once it is false
// for a rank it stays false.
func (w *worst[T]) wants(r rank) bool {
	return len(w.items) < w.limit || w.limit > 0 && r.compare(w.items[0].rank) < 0
}

// add keeps v if it is among the worst.
func (w *worst[T]) add(r rank, v T) {
	if !w.wants(r) {
		return
	}
	if len(w.items) == w.limit {
		w.items[0] = item[T]{r, v}
		heap.Fix(&w.items, 0)
		return
	}
	heap.Push(&w.items, item[T]{r, v})
}

// sorted gives what was kept, worst first.
func (w *worst[T]) sorted() []item[T] {
	list := slices.Clone(w.items)
	slices.SortFunc(list, func(a, b item[T]) int { return a.compare(b.rank) })
	return list
}

type item[T any] struct {
	rank
	value T
}

// ranked is a heap with the least bad on top.
type ranked[T any] []item[T]

func (h ranked[T]) Len() int           { return len(h) }
func (h ranked[T]) Less(i, j int) bool { return h[i].compare(h[j].rank) > 0 }
func (h ranked[T]) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *ranked[T]) Push(x any)        { *h = append(*h, x.(item[T])) }
func (h *ranked[T]) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
