package report

import (
	"bytes"
	"encoding/json"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

func TestTimeIsRFC3339(t *testing.T) {
	const layout = "2006-01-02T15:04:05.000000000Z"
	random := rand.New(rand.NewPCG(1, 2))
	list := []int64{0, 1, -1, 999_999_999, -1_000_000_000, 951_782_400_000_000_000, 4_107_542_399_999_999_999, math.MaxInt64, math.MinInt64}
	for range 20_000 {
		list = append(list, random.Int64()-random.Int64())
	}
	for _, ns := range list {
		want := time.Unix(0, ns).UTC().Format(layout)
		if got := Time(ns).String(); got != want {
			t.Fatalf("Time(%d) is %s, want %s", ns, got, want)
		}
		var back Time
		if err := json.Unmarshal([]byte(`"`+want+`"`), &back); err != nil || back != Time(ns) {
			t.Fatalf("%s read back is %d, want %d (%v)", want, back, ns, err)
		}
	}
}

func TestSecondsAreExact(t *testing.T) {
	for ns, want := range map[Seconds]string{
		0: "0", 1: "0.000000001", 59_700_000_000: "59.7", 60_000_000_000: "60", -500_000_000: "-0.5",
		100: "0.0000001", math.MaxInt64: "9223372036.854775807", math.MinInt64: "-9223372036.854775808",
	} {
		if got := string(ns.AppendTo(nil)); got != want {
			t.Errorf("%d ns are %s s, want %s", int64(ns), got, want)
		}
	}
}

func TestValuesReadBack(t *testing.T) {
	states := StateTimes{}
	states[4], states[10] = 1_500_000_000, 1
	type values struct {
		N []Number
		L []TimeLeft
		S StateTimes
		T Tunnel
	}
	in := values{[]Number{1, NoPacket}, []TimeLeft{{true, 0, 0}, {true, 1e9, 6e10}}, states, 0xfeed}
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"N":[1,null],"L":[0,[1,60]],"S":{"ESTABLISHED":1.5,"TIME-WAIT":0.000000001},"T":"000000000000feed"}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	var out values
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if out.N[1] != NoPacket || out.L[1] != in.L[1] || out.S != in.S || out.T != in.T {
		t.Errorf("read back: %+v", out)
	}
	for _, bad := range []string{`{"S":{"OPEN":1}}`, `{"T":"xyz"}`, `{"N":[-1]}`, `{"L":["a"]}`, `{"L":[[1,"x"]]}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// TestTimesOfOtherDays: the day that is kept for the next time is no other's.
func TestTimesOfOtherDays(t *testing.T) {
	var wait sync.WaitGroup
	for g := range 4 {
		wait.Go(func() {
			for i := range 2000 {
				at := time.Unix(int64(i%5-1)*secondsPerDay*int64(1+g*5000)+int64(i), 7).UTC()
				if got, want := Time(at.UnixNano()).String(), at.Format("2006-01-02T15:04:05.000000000Z"); got != want {
					t.Errorf("%s, want %s", got, want)
					return
				}
			}
		})
	}
	wait.Wait()
}

// TestIsPlain: every byte at every place of a word is judged as it is alone.
func TestIsPlain(t *testing.T) {
	for length := range 20 {
		word := bytes.Repeat([]byte("~ !#[]"), 4)[:length]
		if !isPlain(string(word)) {
			t.Errorf("%q is not plain", word)
		}
		for place := range word {
			for c := range 256 {
				w := bytes.Clone(word)
				w[place] = byte(c)
				if isPlain(string(w)) != plain[c] {
					t.Fatalf("%q: byte %#x is plain: %v", w, c, !plain[c])
				}
			}
		}
	}
}
