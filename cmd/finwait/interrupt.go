package main

import (
	"errors"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
)

// This file is Ctrl-C: reading stops, and what was read is reported. The second
// signal ends the program as it would any other.

type interrupts struct {
	flag atomic.Bool
	done chan struct{} // closed by the first signal
	in   chan os.Signal
	once sync.Once
	got  atomic.Value // os.Signal
}

// listen begins to wait for SIGINT and SIGTERM.
func listen() *interrupts {
	i := &interrupts{done: make(chan struct{}), in: make(chan os.Signal, 1)}
	signal.Notify(i.in, os.Interrupt, syscall.SIGTERM)
	go func() {
		s, ok := <-i.in
		if !ok {
			return
		}
		signal.Stop(i.in)
		i.got.Store(s)
		i.flag.Store(true)
		close(i.done)
	}()
	return i
}

func (i *interrupts) stopped() bool { return i.flag.Load() }

// signal is the one that came, nil if none did.
func (i *interrupts) signal() os.Signal {
	s, _ := i.got.Load().(os.Signal)
	return s
}

func (i *interrupts) close() {
	i.once.Do(func() {
		signal.Stop(i.in)
		close(i.in)
	})
}

func signalNumber(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return int(n)
	}
	return int(syscall.SIGINT)
}

var errInterrupted = errors.New("interrupted")

// reader gives r, but gives up waiting for it once interrupted: a pipe may stay
// silent for ever. No reader is made before the first read.
func (i *interrupts) reader(r io.Reader) io.Reader { return &stoppable{r: r, stop: i.done} }

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
			s.err = errInterrupted
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
