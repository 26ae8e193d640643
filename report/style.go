package report

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file is how text looks: colour, width, numbers.

// painter colours words where the text goes to a terminal. The zero value
// leaves them plain.
type painter struct{ on bool }

// The colours are the terminal's own, so that they suit its background.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	yellow = "33"
	cyan   = "36"
	green  = "32"
)

func (p painter) paint(code, s string) string {
	if !p.on || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) severity(s Severity, text string) string {
	switch s {
	case "error":
		return p.paint(red, text)
	case "warning":
		return p.paint(yellow, text)
	case "note":
		return p.paint(cyan, text)
	}
	return p.paint(dim, text)
}

// glue is a space at which no line breaks; flush makes it an ordinary one.
const glue = "\u00a0"

// wrap breaks text at spaces into lines of at most width columns; 0 means one
// line. A longer word stands alone.
func wrap(text string, width int) []string {
	if width <= 0 || columns(text) <= width {
		return []string{text}
	}
	var lines []string
	line, taken := "", 0
	for word := range strings.SplitSeq(text, " ") {
		n := columns(word)
		if taken > 0 && taken+1+n > width {
			lines = append(lines, line)
			line, taken = "", 0
		}
		if taken > 0 {
			line += " "
			taken++
		}
		line += word
		taken += n
	}
	return append(lines, line)
}

// columns counts what is seen of s: runes, without the escapes of paint.
func columns(s string) int {
	n := utf8.RuneCountInString(s)
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			return n
		}
		end := strings.IndexByte(s[i:], 'm')
		if end < 0 {
			return n
		}
		n -= end + 1
		s = s[i+end+1:]
	}
}

// pad fills s with spaces to width columns.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-columns(s))) + s
}

// clean takes out what a terminal would obey: names of files may hold anything.
func clean(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] >= ' ' && s[i] <= '~'
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) && string(r) != glue {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// thousands prints 1234567 as 1,234,567.
func thousands(n uint64) string { return string(appendThousands(nil, n)) }

func appendThousands(b []byte, n uint64) []byte {
	var room [20]byte
	digits := strconv.AppendUint(room[:0], n, 10)
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, d)
	}
	return b
}

// plural prints "1 packet", "2 packets".
func plural(n uint64, noun string) string { return string(appendPlural(nil, n, noun)) }

func appendPlural(b []byte, n uint64, noun string) []byte {
	b = append(append(appendThousands(b, n), glue...), noun...)
	if n != 1 {
		b = append(b, 's')
	}
	return b
}

// span prints a length of time as people say it, in the finest unit that is
// still worth reading.
func span(s Seconds) string {
	const minute, hour, day = 60 * nsPerSecond, 3600 * nsPerSecond, 24 * 3600 * nsPerSecond
	switch {
	case s == 0:
		return "0" + glue + "s"
	case s < 0:
		return "-" + span(-s)
	case s < nsPerSecond/100:
		return decimal(s, 1000) + glue + "ms"
	case s < 2*minute:
		return decimal(s, 1) + glue + "s"
	case s < hour:
		return whole(s, minute) + "m" + glue + whole(s%minute, nsPerSecond) + "s"
	case s < day:
		return whole(s, hour) + "h" + glue + whole(s%hour, minute) + "m"
	}
	return whole(s, day) + "d" + glue + whole(s%day, hour) + "h"
}

func whole(s, unit Seconds) string { return strconv.FormatInt(int64(s/unit), 10) }

// decimal has at most three digits of fraction, and no trailing zeros.
func decimal(s Seconds, scale float64) string {
	text := strconv.FormatFloat(float64(s)/nsPerSecond*scale, 'f', 3, 64)
	return strings.TrimRight(strings.TrimRight(text, "0"), ".")
}

// Wrap breaks text at spaces into lines of at most width columns; 0 means one line.
func Wrap(text string, width int) []string { return wrap(text, width) }
