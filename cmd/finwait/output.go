package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// This file is -o. A report takes its name only when it is complete, so that
// nobody finds half of one.

type output struct {
	*bufio.Writer
	to   io.Writer
	file *os.File // nil: standard output
	path string   // the name that file is to have; "" if it has it already
}

// fileName is the value of a flag that names a file. An empty one is a variable
// that was not set, and not standard output.
type fileName string

func (f *fileName) Set(s string) error {
	if s == "" {
		return errors.New("the name of the file is empty")
	}
	*f = fileName(s)
	return nil
}

func (f *fileName) String() string { return string(*f) }

// Type is what pflag calls a value.
func (f *fileName) Type() string { return "string" }

const outputBuffer = 256 << 10

func openOutput(path string, standard io.Writer) (*output, error) {
	if path == "" || path == "-" {
		return &output{Writer: bufio.NewWriterSize(standard, outputBuffer), to: standard}, nil
	}
	// A device or a pipe is written to, and not replaced.
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return nil, usagef("-o %s: that is a directory", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, fmt.Errorf("writing the report: %w", err)
		}
		return &output{Writer: bufio.NewWriterSize(f, outputBuffer), to: f, file: f}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return nil, usagef("-o %s: cannot write there: %v", path, err)
	}
	return &output{Writer: bufio.NewWriterSize(f, outputBuffer), to: f, file: f, path: path}, nil
}

// target is what the report goes to in the end.
func (o *output) target() io.Writer { return o.to }

// close makes the report complete.
func (o *output) close() error {
	if err := o.Flush(); err != nil || o.file == nil {
		return err
	}
	f := o.file
	o.file = nil
	if o.path == "" {
		return f.Close()
	}
	// The mode of a temporary file is 0600, that of a report is ordinary.
	err := f.Chmod(0o644)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), o.path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// abort throws away what is not complete; after close it does nothing.
func (o *output) abort() {
	if o.file != nil {
		_ = o.file.Close()
		if o.path != "" {
			_ = os.Remove(o.file.Name())
		}
		o.file = nil
	}
}
