package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/finwait/finwait/report"
)

// corpusDir is where captures of other projects lie beside a working checkout.
const corpusDir = "../../../shared/corpus"

// Every capture of the corpus, and every other file there, gives a report that
// accounts for all its frames, or is refused in one line.
func TestCorpusThroughTheProgram(t *testing.T) {
	if _, err := os.Stat(corpusDir); err != nil {
		t.Skip("no corpus of captures beside the repository")
	}
	if testing.Short() {
		t.Skip("reads 1,700 captures")
	}
	files, reports := 0, 0
	err := filepath.WalkDir(corpusDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		files++
		if accounted(t, path) {
			reports++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files > 100 && reports < files*9/10 {
		t.Errorf("only %d of %d files gave a report", reports, files)
	}
}

func accounted(t *testing.T, path string) bool {
	t.Helper()
	var out, errs bytes.Buffer
	code := run([]string{"read", "--format", "json", "--only", "open=simultaneous", path}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != statusOK && code != statusInput {
		t.Errorf("%s: exit status %d: %s", path, code, errs.String())
		return false
	}
	if out.Len() == 0 {
		if code == statusOK || strings.Count(errs.String(), "\n") != 1 {
			t.Errorf("%s: exit status %d, no report, and: %s", path, code, errs.String())
		}
		return false
	}
	var d report.Document
	if err := json.Unmarshal(out.Bytes(), &d); err != nil {
		t.Errorf("%s: %v", path, err)
		return false
	}
	q := &d.Summary.Quality
	sum := q.Segments
	for _, c := range q.Skipped {
		sum += c.Count
	}
	if sum != q.Frames || len(q.Files) != 1 || q.Files[0].Packets != q.Frames || q.Unseen > q.Acked {
		t.Errorf("%s: %d frames, %d segments and skipped, files %+v, %d bytes of %d unseen", path, q.Frames, sum, q.Files, q.Unseen, q.Acked)
	}
	if (code == statusInput) != (len(q.Damage) > 0) {
		t.Errorf("%s: exit status %d, damage %v", path, code, q.Damage)
	}
	return true
}
