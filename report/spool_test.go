package report

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// However little memory sorting may take, the order is the same.
func TestSpool(t *testing.T) {
	for _, limit := range []int{1, 500, 10_000, DefaultSpill} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			dir := t.TempDir()
			s := &spool{limit: limit, dir: dir}
			random := rand.New(rand.NewPCG(3, 4))
			var want []string
			for id := range uint64(300) {
				key := random.Uint64N(10)
				text := fmt.Sprintf("%02d %04d %s", key, id, bytes.Repeat([]byte("x"), random.IntN(40)))
				want = append(want, text)
				if err := s.add(key, id, []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			slices.Sort(want)
			var got []string
			if err := s.each(func(p []byte) error { got = append(got, string(p)); return nil }); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Error("the order is wrong")
			}
			s.close()
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestSpillingGivesTheSameReport(t *testing.T) {
	for _, o := range []Options{{Format: JSON}, {Text: TextOptions{All: true}}, {Format: NDJSON, Sort: ByPackets}} {
		want := write(t, o, samples()...)
		o.Spill, o.TempDir = 1, t.TempDir()
		if got := write(t, o, samples()...); !bytes.Equal(got, want) {
			t.Errorf("%s: spilled, the report is\n%s\nwas\n%s", o.Format, got, want)
		}
	}
}

func TestSpoolSaysWhatIsWrong(t *testing.T) {
	s := &spool{limit: 1, dir: t.TempDir() + "/missing"}
	if err := s.add(1, 1, []byte("x")); err == nil {
		t.Error("a missing directory is no error")
	}
	stop := errors.New("stop")
	for _, limit := range []int{1, DefaultSpill} {
		s = &spool{limit: limit, dir: t.TempDir()}
		for id := range uint64(3) {
			if err := s.add(0, id, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.each(func([]byte) error { return stop }); err != stop {
			t.Errorf("limit %d: got %v", limit, err)
		}
		s.close()
	}
}

// failing is a writer that breaks after some writes.
type failing struct{ left int }

var errBroken = errors.New("broken")

func (f *failing) Write(p []byte) (int, error) {
	if f.left--; f.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

// A writer that fails is told as it is, and once it has failed nothing follows.
func TestWriterErrors(t *testing.T) {
	for _, format := range Formats {
		for writes := range 12 {
			f := &failing{left: writes}
			w, err := New(f, Options{Format: format, Capture: capture()})
			if err == nil {
				for _, l := range samples() {
					if err = w.Add(l); err != nil {
						if again := w.Add(l); again != err {
							t.Errorf("%s: after an error Add gives %v", format, again)
						}
						break
					}
				}
				if e := w.Close(trace()); err == nil {
					err = e
				}
			}
			if f.left < 0 && !errors.Is(err, errBroken) || f.left >= 0 && err != nil {
				t.Errorf("%s after %d writes: got %v", format, writes, err)
			}
		}
	}
	if _, err := New(&failing{}, Options{Format: "papyrus"}); err == nil {
		t.Error("an unknown format is no error")
	}
}

func TestOrders(t *testing.T) {
	list := samples()
	for order, want := range map[Order][]uint64{
		ByID: {1, 2, 3}, BySeverity: {2, 1, 3}, ByStart: {1, 3, 2}, ByEnd: {1, 3, 2}, ByDuration: {2, 1, 3},
		ByPackets: {2, 1, 3}, ByBytes: {1, 2, 3}, ByRetransmissions: {1, 2, 3}, ByFindings: {2, 1, 3},
	} {
		slices.SortFunc(list, func(a, b *reassembly.Lifecycle) int {
			return record{order.key(a), a.ID, nil}.compare(record{order.key(b), b.ID, nil})
		})
		got := []uint64{list[0].ID, list[1].ID, list[2].ID}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", order, got, want)
		}
	}
}
