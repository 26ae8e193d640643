package capture

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"
)

// Options sets how files are opened. The zero value is the ordinary way.
type Options struct {
	Stdin io.Reader // what "-" reads; nil: os.Stdin
	// Stop ends waiting, once it is closed, for what is no regular file: standard
	// input and named pipes then end with ErrInterrupted. nil: nothing does.
	Stop <-chan struct{}
}

// Open opens captures: files, directories (every capture directly in them), and
// "-" for standard input. Several files are one timeline in time order. What a
// file is, is told by its content and not by its name.
//
// A path that cannot be opened or is no capture is an *Error at once. Damage
// further inside is told by Next, after everything readable.
func Open(paths []string, o Options) (*Reader, error) {
	if o.Stdin == nil {
		o.Stdin = os.Stdin
	}
	list, ignored, err := expand(paths)
	if err != nil {
		return nil, err
	}
	r := &Reader{ignored: ignored, files: make([]FileInfo, len(list))}
	for i, c := range list {
		r.files[i] = FileInfo{Path: c.path, Size: c.size}
		if c.size < 0 || r.total < 0 {
			r.total = -1
		} else {
			r.total += c.size
		}
	}
	if err := r.start(o); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// OpenStream reads one capture from a stream; name is its path in what is told
// of it.
func OpenStream(name string, in io.Reader) (*Reader, error) {
	r := &Reader{files: []FileInfo{{Path: name, Size: -1, from: in}}, total: -1}
	if err := r.start(Options{}); err != nil {
		_ = r.Close()
		return nil, err
	}
	return r, nil
}

// fileReader is what each container's reader offers. Errors are io.EOF or *Error.
type fileReader interface{ next(*Frame) error }

// input is one open file with what is stacked on it.
type input struct {
	reader  fileReader
	closers []io.Closer
}

func (in *input) close() {
	for i := len(in.closers) - 1; i >= 0; i-- {
		_ = in.closers[i].Close() // only read from: nothing can be lost
	}
	in.closers = nil
}

// openInput opens one file, undoes its compression and finds out its container.
// Bytes read from disk are added to count.
func openInput(index int, info *FileInfo, o Options, size int, count *atomic.Int64) (*input, error) {
	in := &input{}
	raw := o.Stdin
	waits := info.Size < 0 && o.Stop != nil
	switch {
	case info.from != nil:
		raw = info.from
	case info.Path != "-":
		f, err := open(info.Path, waits, o.Stop)
		if err != nil {
			return nil, systemError(info.Path, err)
		}
		in.closers = append(in.closers, f)
		raw = f
	}
	if waits {
		raw = &stoppable{r: raw, stop: o.Stop}
	}
	w := newWindow(&countingReader{raw, count}, size)
	w, kind, err := decompress(w, info, size, in)
	if err == nil {
		in.reader, err = openContainer(w, kind, index, info)
	}
	if err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

func open(path string, waits bool, stop <-chan struct{}) (*os.File, error) {
	if waits {
		return openUntil(path, stop)
	}
	return os.Open(path)
}

func openContainer(w *window, kind format, index int, info *FileInfo) (fileReader, *Error) {
	switch kind {
	case formatPcap:
		return asReader(openPcap(w, index, info))
	case formatPcapng:
		return asReader(openPcapng(w, index, info))
	case formatSnoop:
		return asReader(openSnoop(w, index, info))
	case formatSegments:
		return asReader(openSegments(w, index, info))
	}
	return nil, notCapture(w, info)
}

// asReader keeps a nil pointer from becoming an interface that is not nil.
func asReader[T fileReader](r T, err *Error) (fileReader, *Error) {
	if err != nil {
		return nil, err
	}
	return r, nil
}

// systemError turns what the operating system says into one line with a hint.
func systemError(path string, err error) *Error {
	e := &Error{Op: "open", File: path, Err: err}
	if path == "" {
		e.File = `""`
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		e.Err = pe.Err
	}
	switch {
	case path == "":
		e.Hint = "the name is empty: check the variable that it comes from"
	case errors.Is(err, fs.ErrNotExist):
		e.Hint = "check the path"
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "check the file's permissions"
	}
	return e
}

type countingReader struct {
	r     io.Reader
	count *atomic.Int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.count.Add(int64(n))
	return n, err
}

// candidate is a path that is to be opened.
type candidate struct {
	path string
	size int64 // -1: not a regular file
}

func stat(path string) (candidate, fs.FileInfo, error) {
	st, err := os.Stat(path)
	if err != nil {
		return candidate{}, nil, systemError(path, err)
	}
	c := candidate{path: path, size: -1}
	if st.Mode().IsRegular() {
		c.size = st.Size()
	}
	return c, st, nil
}

// expand turns the paths into files. Standard input can be read only once.
func expand(paths []string) (list []candidate, ignored []string, err error) {
	if len(paths) == 0 {
		return nil, nil, &Error{Op: "open", Err: ErrNoCaptures, Hint: "name a file, a directory, or - for standard input"}
	}
	stdin := false
	for _, path := range paths {
		if path == "-" {
			if stdin {
				return nil, nil, &Error{Op: "open", File: path, Err: errors.New("named twice"), Hint: "name it once"}
			}
			stdin = true
			list = append(list, candidate{path: path, size: -1})
			continue
		}
		c, st, err := stat(path)
		if err != nil {
			return nil, nil, err
		}
		if !st.IsDir() {
			list = append(list, c)
			continue
		}
		found, other, err := listDir(path)
		if err != nil {
			return nil, nil, err
		}
		if len(found) == 0 {
			return nil, nil, &Error{Op: "open", File: path, Err: ErrNoCaptures,
				Detail: fmt.Sprintf("the directory holds no captures (of %d files)", len(other)),
				Hint:   "name files, or a directory that holds captures itself"}
		}
		list = append(list, found...)
		ignored = append(ignored, other...)
	}
	return list, ignored, nil
}
