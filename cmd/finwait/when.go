package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
)

// This file reads what --since, --until and --filter-bytecode take.

// moment is a time, or one that counts from the first packet.
type moment struct {
	ns       int64
	relative bool
}

// from gives the time, for a capture that begins at first. 0 is no time.
func (m moment) from(first int64) int64 {
	if !m.relative {
		return m.ns
	}
	if m.ns > math.MaxInt64-max(first, 0) {
		return math.MaxInt64
	}
	return first + m.ns
}

// layouts are the forms of a date, in UTC where they name no zone.
var layouts = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"}

var errMoment = errors.New("not a time: give 2026-11-22T16:00:00Z, a date, seconds since 1970, or +90s from the first packet")

// parseMoment reads a time. Those outside of what nanoseconds in 64 bits can
// tell are refused, not turned round.
func parseMoment(text string) (moment, error) {
	if after, ok := strings.CutPrefix(text, "+"); ok {
		d, err := time.ParseDuration(after)
		if err != nil || d < 0 {
			return moment{}, fmt.Errorf("%q is not a duration such as +90s or +1h30m", text)
		}
		return moment{int64(d), true}, nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			if t.Year() < 1970 || t.Year() > 2261 {
				return moment{}, fmt.Errorf("%q is not between the years 1970 and 2261", text)
			}
			return moment{ns: t.UnixNano()}, nil
		}
	}
	ns, ok := epoch(text)
	if !ok {
		return moment{}, fmt.Errorf("%q is %w", text, errMoment)
	}
	return moment{ns: ns}, nil
}

// epoch reads seconds with up to nine digits of fraction, without the rounding
// of a floating-point number.
func epoch(text string) (int64, bool) {
	const most = math.MaxInt64/int64(time.Second) - 1
	whole, fraction, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || int64(sec) > most || len(fraction) > 9 {
		return 0, false
	}
	ns, err := strconv.ParseUint((fraction + "000000000")[:9], 10, 63)
	return int64(sec)*int64(time.Second) + int64(ns), err == nil
}

// mostBytecode is more than any program has: BPF_MAXINSNS is 4096 lines.
const mostBytecode = 1 << 18

// readBytecode reads the program that --filter-bytecode names: a file, - for in
// (nil: the process's standard input), or the text of the program itself.
func readBytecode(program string, in io.Reader) (string, error) {
	if count, _, ok := strings.Cut(strings.ReplaceAll(program, ",", "\n"), "\n"); ok {
		if _, err := strconv.ParseUint(count, 10, 16); err == nil {
			return program, nil
		}
	}
	if program != "-" {
		f, err := os.Open(program)
		if err != nil {
			return "", usagef("--filter-bytecode %s: %v", program, unwrapPath(err))
		}
		defer closeQuietly(f)
		in = f
	}
	if in == nil {
		in = os.Stdin
	}
	b, err := io.ReadAll(io.LimitReader(in, mostBytecode))
	if err != nil {
		return "", usagef("--filter-bytecode %s: %v", program, unwrapPath(err))
	}
	return string(b), nil
}
