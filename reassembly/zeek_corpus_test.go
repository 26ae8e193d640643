package reassembly_test

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
)

// corpusDir is where captures of other projects lie beside a working checkout.
// They are read there and never copied.
const corpusDir = "../../shared/corpus"

// corpusFile opens a list of the corpus; without a corpus the test is skipped.
func corpusFile(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusDir, name))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no corpus of captures beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// lives is what the Tracker tells of one capture, in the order of first packets.
func lives(t *testing.T, name string) []reassembly.Lifecycle {
	t.Helper()
	var all []reassembly.Lifecycle
	tr := reassembly.NewTracker(reassembly.Options{Emit: func(l *reassembly.Lifecycle) { all = append(all, *l) }})
	r, err := capture.Open([]string{filepath.Join(corpusDir, name)}, capture.Options{})
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return nil
	}
	defer r.Close()
	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	var s reassembly.Segment
	for {
		if err := r.Next(&f); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s: %v", name, err)
			}
			break
		}
		if d.Decode(&f, &s) == capture.NotSkipped {
			tr.Add(&s)
		}
	}
	tr.Close()
	slices.SortFunc(all, func(a, b reassembly.Lifecycle) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// pair names a tuple without direction.
func pair(a, b string) string {
	if a > b {
		a, b = b, a
	}
	return a + " " + b
}

// knownDifferences reads a checked-in table: a header line, then a difference a
// line, its last column the kind of the difference, which the lines that begin
// with # explain.
func knownDifferences(t *testing.T, name string) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	table, kinds := map[string]bool{}, map[string]bool{}
	header := true
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if kind, reason, ok := strings.Cut(strings.TrimPrefix(line, "# "), ": "); strings.HasPrefix(line, "#") {
			kinds[kind] = ok && reason != ""
			continue
		}
		if header {
			header = false
			continue
		}
		at := strings.LastIndexByte(line, '\t')
		if at < 0 || !kinds[line[at+1:]] {
			t.Fatalf("%s: no kind that is explained: %q", name, line)
		}
		if table[line[:at]] {
			t.Errorf("%s: twice: %q", name, line)
		}
		table[line[:at]] = true
	}
	return table
}

// judge holds the differences found against the table.
func judge(t *testing.T, table map[string]bool, found map[string]int) {
	t.Helper()
	for d := range found {
		if !table[d] {
			t.Errorf("a difference that the table does not have: %s", d)
		}
	}
	for d := range table {
		if found[d] == 0 {
			t.Errorf("the table has what no longer differs: %s", d)
		}
	}
}

// zeekRow is one line of zeek_expect.jsonl.
type zeekRow struct {
	Trace  string   `json:"trace"`
	Orig   string   `json:"id.orig_h"`
	OrigP  int      `json:"id.orig_p"`
	Resp   string   `json:"id.resp_h"`
	RespP  int      `json:"id.resp_p"`
	OPkts  uint64   `json:"orig_pkts"`
	RPkts  uint64   `json:"resp_pkts"`
	State  string   `json:"conn_state"`
	Hist   string   `json:"history"`
	Alters []string `json:"alters_tcp"`
	Cmd    string   `json:"cmd"`
}

func lines[T any](t *testing.T, r io.Reader) []T {
	t.Helper()
	var all []T
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.NewDecoder(bytes.NewReader(s.Bytes())).Decode(&v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// key names the tuple of a row; of rows that lack it, the packets either way.
func (r *zeekRow) key() string {
	if r.Orig == "" {
		return packetsKey(r.OPkts, r.RPkts)
	}
	end := func(host string, port int) string {
		return netip.AddrPortFrom(netip.MustParseAddr(host), uint16(port)).String()
	}
	return pair(end(r.Orig, r.OrigP), end(r.Resp, r.RespP))
}

func packetsKey(a, b uint64) string { return fmt.Sprintf("%d and %d packets", min(a, b), max(a, b)) }

// zeekWords is what is told here of each tuple of a trace, in the order of its
// incarnations.
func zeekWords(t *testing.T, trace string) map[string][]string {
	t.Helper()
	words := map[string][]string{}
	for _, l := range lives(t, trace) {
		word := l.ZeekState + " " + l.ZeekHistory
		for _, k := range []string{
			pair(l.Client.String(), l.Server.String()),
			packetsKey(l.Endpoints[0].Stats.Packets, l.Endpoints[1].Stats.Packets),
		} {
			words[k] = append(words[k], word)
		}
	}
	return words
}

// TestZeekCorpus holds conn_state and history against what Zeek's own tests
// expect of its traces. A row agrees if an incarnation of its tuple is told in
// its words: rows of several tests stand side by side, and Zeek cuts what is
// one connection here into several by its timers.
func TestZeekCorpus(t *testing.T) {
	table := knownDifferences(t, "zeek_differences.tsv")
	rows := lines[zeekRow](t, corpusFile(t, "zeek_expect.jsonl"))
	told := map[string]map[string][]string{}
	found := map[string]int{}
	all, agree := 0, 0
	tuples := map[string]bool{}
	for i := range rows {
		r := &rows[i]
		if len(r.Alters) > 0 {
			continue
		}
		if told[r.Trace] == nil {
			told[r.Trace] = zeekWords(t, r.Trace)
		}
		all++
		got, want := told[r.Trace][r.key()], r.State+" "+r.Hist
		tuple := r.Trace + " " + r.key()
		ok, seen := tuples[tuple]
		if slices.Contains(got, want) {
			agree++
			tuples[tuple] = ok || !seen
			continue
		}
		tuples[tuple] = false
		found[strings.Join([]string{r.Trace, r.key(), want, cmp.Or(strings.Join(got, ", "), "none")}, "\t")]++
	}
	judge(t, table, found)
	same := 0
	for _, ok := range tuples {
		if ok {
			same++
		}
	}
	t.Logf("%d of %d rows agree (%.1f %%), %d of %d tuples", agree, all, 100*float64(agree)/float64(all), same, len(tuples))
	if agree*100 < all*97 {
		t.Errorf("%d of %d rows agree, want 97 %%", agree, all)
	}
}

// sharkRow is one line of tshark_streams.jsonl.
type sharkRow struct {
	File         string `json:"file"`
	Stream       uint64 `json:"stream"`
	A            string `json:"a"`
	B            string `json:"b"`
	First        uint64 `json:"first_frame"`
	Completeness uint8  `json:"completeness"`
}

// TestTsharkCorpus holds tcp.stream and tcp.completeness against what tshark
// 4.0 tells of every capture, stream by stream.
func TestTsharkCorpus(t *testing.T) {
	table := knownDifferences(t, "tshark_differences.tsv")
	z, err := gzip.NewReader(corpusFile(t, "tshark_streams.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	type place struct {
		tuple string
		first uint64
	}
	found := map[string]int{}
	rows := lines[sharkRow](t, z)
	ours, of := map[place]*reassembly.Lifecycle{}, ""
	for i := range rows {
		r := &rows[i]
		if r.File != of {
			of = r.File
			clear(ours)
			all := lives(t, of)
			for j := range all {
				l := &all[j]
				ours[place{pair(l.Client.String(), l.Server.String()), l.First.Number()}] = l
			}
		}
		got := "none"
		if l := ours[place{pair(r.A, r.B), r.First}]; l != nil {
			got = fmt.Sprintf("%d %d", l.Stream, l.Completeness)
		}
		if want := fmt.Sprintf("%d %d", r.Stream, r.Completeness); got != want {
			found[strings.Join([]string{r.File, pair(r.A, r.B), want, got}, "\t")]++
		}
	}
	judge(t, table, found)
	t.Logf("%d of %d streams agree", len(rows)-len(found), len(rows))
	if len(found)*100 > len(rows) {
		t.Errorf("%d of %d streams differ, want 1 %% at most", len(found), len(rows))
	}
}
