package capture

import (
	"io"
	"os"
)

// This file is how waiting for input ends: a pipe may stay silent for ever, and
// to open a named one takes as long as nobody writes to it.

// openUntil opens a file, or gives up once stop is closed.
func openUntil(path string, stop <-chan struct{}) (*os.File, error) {
	type opened struct {
		f   *os.File
		err error
	}
	done := make(chan opened, 1)
	go func() {
		f, err := os.Open(path)
		done <- opened{f, err}
	}()
	select {
	case o := <-done:
		return o.f, o.err
	case <-stop:
		go func() {
			if o := <-done; o.err == nil {
				_ = o.f.Close() // nothing was read from it
			}
		}()
		return nil, ErrInterrupted
	}
}

// stoppable gives what r has until stop is closed. No reader is made before the
// first read.
type stoppable struct {
	r      io.Reader
	stop   <-chan struct{}
	chunks chan chunk
	free   chan []byte
	rest   []byte
	buffer []byte
	err    error
}

type chunk struct {
	data []byte
	err  error
}

func (s *stoppable) start() {
	s.chunks, s.free = make(chan chunk), make(chan []byte, 2)
	for range cap(s.free) {
		s.free <- make([]byte, 256<<10)
	}
	go func() {
		for b := range s.free {
			n, err := s.r.Read(b)
			select {
			case s.chunks <- chunk{b[:n], err}:
			case <-s.stop:
				return
			}
			if err != nil {
				return
			}
		}
	}()
}

// Read gives what came in, or an error once interrupted.
func (s *stoppable) Read(p []byte) (int, error) {
	if s.chunks == nil {
		s.start()
	}
	for len(s.rest) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		if s.buffer != nil {
			s.free <- s.buffer[:cap(s.buffer)]
			s.buffer = nil
		}
		select {
		case c := <-s.chunks:
			s.buffer, s.rest, s.err = c.data, c.data, c.err
		case <-s.stop:
			s.err = ErrInterrupted
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
