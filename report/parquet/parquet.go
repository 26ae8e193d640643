// Package parquet writes a report as three Parquet files in a directory, for
// programs that work on columns:
//
//	connections.parquet  one row a connection
//	steps.parquet        one row a step of an endpoint, withdrawn ones among them
//	findings.parquet     one row a finding
//
// The column connection of the last two is the id of the first. With DuckDB:
//
//	-- which services hold clients in TIME-WAIT, and for how long at most
//	SELECT c.server_ip, c.server_port, count(*) AS held, max(c.client_time_wait_left_s) AS longest
//	FROM 'connections.parquet' c
//	WHERE c.client_state = 'TIME-WAIT'
//	GROUP BY ALL ORDER BY held DESC;
//
//	-- how long each lost last ACK kept the server in LAST-ACK
//	SELECT f.connection, f."where", f.confidence, s.at AS last_ack_since, f.at - s.at AS after
//	FROM 'findings.parquet' f
//	JOIN 'steps.parquet' s ON s.connection = f.connection AND s.side = f.endpoint AND s.state = 'LAST-ACK'
//	WHERE f.id = 'final-ack-lost' AND NOT s.withdrawn;
//
// The words are those of the JSON report, whose schema says what each column
// means; times are timestamps in nanoseconds, spans are seconds. What is not
// known is null. Rows come as connections retire. Memory is bounded: rows are
// written in groups.
package parquet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// Names of the files.
const (
	Connections = "connections.parquet"
	Steps       = "steps.parquet"
	Findings    = "findings.parquet"
)

// groupRows is how many rows are held until they are written.
const groupRows = 1 << 15

// Writer writes the three files. It is not safe for use by several goroutines.
type Writer struct {
	builder     report.Builder
	selection   report.Selection
	connections *file[Connection]
	steps       *file[Step]
	findings    *file[Finding]
}

// New begins the files in a directory, which it makes if need be. They take
// their names at Close. several says that there are several captures.
func New(dir string, selection report.Selection, several bool) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	w := &Writer{builder: report.Builder{SeveralFiles: several}, selection: selection}
	var errs [3]error
	w.connections, errs[0] = create[Connection](dir, Connections)
	w.steps, errs[1] = create[Step](dir, Steps)
	w.findings, errs[2] = create[Finding](dir, Findings)
	if err := errors.Join(errs[:]...); err != nil {
		w.Abort()
		return nil, err
	}
	return w, nil
}

// Add takes the next connection; it keeps nothing of l.
func (w *Writer) Add(l *reassembly.Lifecycle) error {
	if !w.selection.Match(l) {
		return nil
	}
	c := w.builder.Build(l)
	err := errors.Join(w.connections.add(connectionRow(c)),
		w.addSteps(c.ID, "client", &c.Endpoints.Client), w.addSteps(c.ID, "server", &c.Endpoints.Server))
	for i := range c.Findings {
		if l.Findings[i].Severity >= w.selection.MinSeverity {
			err = errors.Join(err, w.findings.add(findingRow(c.ID, &c.Findings[i])))
		}
	}
	return err
}

func (w *Writer) addSteps(id uint64, side string, e *report.Endpoint) error {
	var err error
	for i := range e.History {
		err = errors.Join(err, w.steps.add(stepRow(id, side, i, &e.History[i])))
	}
	for i := range e.Withdrawn {
		err = errors.Join(err, w.steps.add(withdrawnRow(id, side, &e.Withdrawn[i])))
	}
	return err
}

// Rows is how many rows each file has so far.
func (w *Writer) Rows() (connections, steps, findings int64) {
	return w.connections.rows, w.steps.rows, w.findings.rows
}

// Close ends the files, reads each back and counts its rows; only then do they
// take their names.
func (w *Writer) Close() error {
	defer w.Abort()
	if err := errors.Join(w.connections.finish(), w.steps.finish(), w.findings.finish()); err != nil {
		return err
	}
	return errors.Join(w.connections.name(), w.steps.name(), w.findings.name())
}

// Abort throws away what has not taken its name; after Close it does nothing.
func (w *Writer) Abort() {
	w.connections.abort()
	w.steps.abort()
	w.findings.abort()
}

// file is one table on its way to disk.
type file[T any] struct {
	f    *os.File // nil: finished or thrown away
	temp string   // "": has its name
	path string
	w    *parquet.GenericWriter[T]
	rows int64
	one  [1]T
}

func create[T any](dir, name string) (*file[T], error) {
	f, err := os.CreateTemp(dir, "."+name+".*")
	if err != nil {
		return nil, err
	}
	w := parquet.NewGenericWriter[T](f, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(groupRows),
		parquet.CreatedBy("finwait", "1", ""))
	return &file[T]{f: f, temp: f.Name(), path: filepath.Join(dir, name), w: w}, nil
}

func (t *file[T]) add(row T) error {
	t.one[0] = row
	_, err := t.w.Write(t.one[:])
	t.rows++
	return err
}

// finish writes the rest and reads the file back.
func (t *file[T]) finish() error {
	f := t.f
	t.f = nil
	err := t.w.Close()
	if e := f.Chmod(0o644); err == nil {
		err = e // the mode of a temporary file is 0600, that of a report is ordinary
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	n, err := countRows[T](t.temp)
	if err == nil && n != t.rows {
		err = fmt.Errorf("%s: %d rows were written, but %d are there", t.path, t.rows, n)
	}
	return err
}

// countRows reads every row of a file.
func countRows[T any](path string) (n int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := parquet.NewGenericReader[T](f)
	defer func() { err = errors.Join(err, r.Close()) }()
	rows := make([]T, 256)
	for {
		k, err := r.Read(rows)
		n += int64(k)
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
}

func (t *file[T]) name() error {
	temp := t.temp
	t.temp = ""
	err := os.Rename(temp, t.path)
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

func (t *file[T]) abort() {
	if t == nil {
		return
	}
	if t.f != nil {
		_ = t.f.Close()
		t.f = nil
	}
	if t.temp != "" {
		_ = os.Remove(t.temp)
		t.temp = ""
	}
}
