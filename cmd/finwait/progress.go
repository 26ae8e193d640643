package main

import (
	"fmt"
	"time"

	"github.com/finwait/finwait/report"
)

// This file is the line on standard error that tells how far reading is.

const (
	progressDelay = 500 * time.Millisecond // what is done by then needs no line
	progressEvery = 200 * time.Millisecond
)

// measured tells how many bytes of how many were read; in all -1 if that is not
// known. Any goroutine may ask.
type measured interface{ Bytes() (read, total int64) }

// showProgress begins to tell, and returns what ends it and takes the line away.
func (r *reading) showProgress(in measured, o *report.Options, out *output) (stop func()) {
	width, terminal := isTerminal(r.err)
	// Lines of a report that appear meanwhile would be mixed with it.
	_, mixed := isTerminal(out.target())
	mixed = mixed && o.Format == report.NDJSON
	if r.progress == progressOff || r.progress == progressAuto && (!terminal || r.quiet || mixed) {
		return func() {}
	}
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		start := time.Now()
		wait := time.NewTimer(progressDelay)
		defer wait.Stop()
		shown := false
		for {
			select {
			case <-done:
				if shown && terminal {
					fmt.Fprint(r.err, "\r\x1b[K")
				}
				return
			case <-wait.C:
			}
			shown = true
			read, total := in.Bytes()
			line := progressLine(read, total, time.Since(start))
			if terminal {
				fmt.Fprintf(r.err, "\r%.*s\x1b[K", width-1, line)
			} else {
				fmt.Fprintln(r.err, line)
			}
			wait.Reset(progressEvery)
		}
	}()
	return func() {
		close(done)
		<-gone
	}
}

// progressLine says how much of how much was read, how fast, and for how long
// it will go on.
func progressLine(read, total int64, spent time.Duration) string {
	rate := float64(read) / spent.Seconds()
	if total <= 0 {
		return fmt.Sprintf("%s read, %s/s", size(float64(read)), size(rate))
	}
	line := fmt.Sprintf("%3d%%  %s of %s, %s/s", 100*read/total, size(float64(read)), size(float64(total)), size(rate))
	if rate > 0 {
		left := time.Duration(float64(total-read) / rate * float64(time.Second))
		line += ", " + left.Round(time.Second).String() + " left"
	}
	return line
}

func size(bytes float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for bytes >= 1000 && i < len(units)-1 {
		bytes /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", bytes, units[i])
	}
	return fmt.Sprintf("%.3g %s", bytes, units[i])
}
