package capture

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// corpusDir is where captures of other projects lie beside a working checkout.
// They are read there and never copied.
const corpusDir = "../../shared/corpus"

type corpusFile struct {
	path         string
	packets, tcp int
	status       string
}

func corpus(t *testing.T) []corpusFile {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusDir, "manifest.tsv"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no corpus of captures beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var files []corpusFile
	column := map[string]int{}
	for s := bufio.NewScanner(f); s.Scan(); {
		cells := strings.Split(s.Text(), "\t")
		if len(column) == 0 {
			for i, name := range cells {
				column[name] = i
			}
			continue
		}
		c := corpusFile{path: cells[column["file"]], status: cells[column["status"]]}
		c.packets, _ = strconv.Atoi(cells[column["packets"]])
		c.tcp, _ = strconv.Atoi(cells[column["tcp_packets"]])
		files = append(files, c)
	}
	return files
}

// count reads one capture to its end.
func count(t *testing.T, path string) (packets int, q Quality, err error) {
	t.Helper()
	r, err := Open([]string{path}, Options{})
	if err != nil {
		return 0, Quality{}, err
	}
	defer r.Close()
	d := NewDecoder(DecoderOptions{})
	var f Frame
	var seg reassembly.Segment
	for {
		if err := r.Next(&f); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return packets, d.Quality(), err
		}
		packets++
		d.Decode(&f, &seg)
	}
}

// differences reads the checked-in table of files where our counts and tshark's
// differ, each with the reason.
func differences(t *testing.T) map[string][2]int {
	t.Helper()
	b, err := os.ReadFile("testdata/corpus_differences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	table := map[string][2]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(b)), "\n") {
		cells := strings.Split(line, "\t")
		if i == 0 {
			continue
		}
		if len(cells) != 4 || cells[3] == "" {
			t.Fatalf("line %d: want file, packets, tcp, reason", i+1)
		}
		packets, err1 := strconv.Atoi(cells[1])
		tcp, err2 := strconv.Atoi(cells[2])
		if err1 != nil || err2 != nil {
			t.Fatalf("line %d: not numbers", i+1)
		}
		table[cells[0]] = [2]int{packets, tcp}
	}
	return table
}

// TestCorpus compares packets and TCP segments with what tshark counts. A file
// that tshark refuses must still be read or refused without a fault.
func TestCorpus(t *testing.T) {
	table := differences(t)
	for _, c := range corpus(t) {
		packets, q, err := count(t, filepath.Join(corpusDir, c.path))
		if q.Frames != q.Segments+q.TotalSkipped() || int(q.Frames) != packets {
			t.Errorf("%s: %d packets, %d frames, %d segments, %d skipped", c.path, packets, q.Frames, q.Segments, q.TotalSkipped())
		}
		if q.Recovered > 0 {
			t.Errorf("%s: %d panics while decoding", c.path, q.Recovered)
		}
		want := [2]int{c.packets, c.tcp}
		if d, ok := table[c.path]; ok {
			want = d
			delete(table, c.path)
		} else if c.status != "clean" && c.status != "warn" {
			continue
		}
		if got := [2]int{packets, int(q.Segments)}; got != want {
			t.Errorf("%s: %d packets and %d segments, want %d and %d (%v)", c.path, got[0], got[1], want[0], want[1], err)
		}
		if c.status == "clean" && err != nil {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	for path := range table {
		t.Errorf("%s is in the table of differences but not in the corpus", path)
	}
}
