package report

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
)

// Whatever words and numbers a Lifecycle holds, AppendJSON prints what
// encoding/json prints.
func FuzzAppendJSON(f *testing.F) {
	f.Add("FIN sent again", int64(1), uint64(7), 0.5)
	f.Add("\"\\\u2028\x00\xff<>&\x7f", int64(-1), ^uint64(0), 1e-9)
	f.Fuzz(func(t *testing.T, word string, at int64, n uint64, value float64) {
		defer fuzzlimit.Watch(t, len(word))()
		l := finalACKLost()
		l.ID, l.Start, l.CommunityID, l.Evicted = n, at, word, word
		l.Findings[0].Detail, l.Findings[0].Packets = word, []reassembly.Packet{reassembly.Packet(n)}
		l.Findings[0].Measures = []reassembly.Measure{{Name: word, Value: value, Limit: -value}}
		l.Endpoints[0].TimeWaitLeast = at
		l.Endpoints[1].History[2].Event = word
		l.Endpoints[1].Withdrawn[0].Reason = word
		c := (&Builder{SeveralFiles: n%2 == 0}).Build(l)
		want, err := marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		got := c.AppendJSON(nil)
		if !bytes.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if !json.Valid(got) {
			t.Errorf("not JSON: %s", got)
		}
	})
}
