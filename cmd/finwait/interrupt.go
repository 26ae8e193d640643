package main

import (
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/finwait/finwait/capture"
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
		i.got.Store(s)
		i.flag.Store(true)
		close(i.done)
		if s, ok = <-i.in; ok {
			end(s)
		}
	}()
	return i
}

// end ends the program as the signal does one that takes none. Where signals were
// ignored when it began, as in the background of a script, that has no effect.
func end(s os.Signal) {
	signal.Reset(s)
	if p, err := os.FindProcess(os.Getpid()); err == nil && p.Signal(s) == nil {
		time.Sleep(100 * time.Millisecond)
	}
	os.Exit(128 + signalNumber(s))
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

// options have waiting for input end with the first signal.
func (i *interrupts) options(stdin io.Reader) capture.Options {
	return capture.Options{Stdin: stdin, Stop: i.done}
}
