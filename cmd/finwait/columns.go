package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/parquet"
)

// This file is --format parquet, which is a directory of three tables and not a
// stream.

const formatParquet report.Format = "parquet"

// columns reads captures into a directory of Parquet files.
func (r *reading) columns(cmd *cobra.Command, paths []string, wordsAfterRead bool, core reassembly.Options, form report.Options, choice *filter) error {
	switch {
	case r.output == "" || r.output == "-":
		return usagef("--format parquet: -o DIR says in which directory the tables go")
	case r.sort != "" || r.top > 0:
		return usagef("--format parquet: rows come as connections retire; --sort and --top are for the other formats")
	}
	if info, err := os.Stat(r.output); err == nil && !info.IsDir() {
		return usagef("--format parquet: -o %s is no directory", r.output)
	}
	r.stop = listen()
	defer r.stop.close()
	in, err := r.open(cmd, paths, wordsAfterRead, choice)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	w, err := parquet.New(r.output, form.Selection, len(in.Files()) > 1)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		return usagef("-o %s: cannot write there: %v", r.output, err)
	}
	if err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	defer w.Abort()
	a := &analysis{in: in, choice: choice, most: r.count, stop: r.stop, workers: r.workers}
	stopProgress := r.showProgress(in, &form, &output{to: r.out})
	err = a.run(core, w)
	stopProgress()
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return fmt.Errorf("writing the tables: %w", err)
	}
	if !r.quiet {
		c, s, f := w.Rows()
		fmt.Fprintf(r.streams.err, "finwait: %s: %s, %s, %s\n", oneLine(r.output), some(uint64(c), "connection"), some(uint64(s), "step"), some(uint64(f), "finding"))
	}
	trace := a.trace()
	return r.verdict(in.Ignored(), &trace.Quality)
}
