package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file holds the values of the schema that JSON has no type for. Each
// appends itself the way encoding/json would print it, and reads itself back.

// Time is an instant in ns since the Unix epoch. In JSON it is RFC 3339 in UTC
// with exactly nine digits of fraction. Zero means that it is not known, except
// where a field is always present.
type Time int64

const (
	nsPerSecond   = 1_000_000_000
	secondsPerDay = 86_400
)

// AppendTo appends the RFC 3339 form, without quotes.
func (t Time) AppendTo(b []byte) []byte {
	sec, frac := floorDiv(int64(t), nsPerSecond)
	day, rest := floorDiv(sec, secondsPerDay)
	year, month, dom := date(day)
	n := len(b)
	b = append(b, "0000-00-00T00:00:00.000000000Z"...)
	p := b[n:]
	clock := uint32(rest)
	put2(p[0:], uint32(year/100))
	put2(p[2:], uint32(year%100))
	put2(p[5:], uint32(month))
	put2(p[8:], uint32(dom))
	put2(p[11:], clock/3600)
	put2(p[14:], clock/60%60)
	put2(p[17:], clock%60)
	put9(p[20:], uint32(frac))
	return b
}

// pairs are the numbers 00 to 99: most of a report's digits are times.
const pairs = "00010203040506070809101112131415161718192021222324" +
	"25262728293031323334353637383940414243444546474849" +
	"50515253545556575859606162636465666768697071727374" +
	"75767778798081828384858687888990919293949596979899"

func put2(b []byte, v uint32) {
	_ = b[1]
	b[0], b[1] = pairs[2*v], pairs[2*v+1]
}

func put9(b []byte, v uint32) {
	_ = b[8]
	b[0] = byte('0' + v/100_000_000)
	high, low := v%100_000_000/10_000, v%10_000
	put2(b[1:], high/100)
	put2(b[3:], high%100)
	put2(b[5:], low/100)
	put2(b[7:], low%100)
}

// String is the RFC 3339 form.
func (t Time) String() string { return string(t.AppendTo(nil)) }

// MarshalJSON prints the time as a string.
func (t Time) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

func (t Time) appendJSON(b []byte) []byte {
	return append(t.AppendTo(append(b, '"')), '"')
}

// UnmarshalJSON reads any RFC 3339 time from the years 1678 to 2262.
func (t *Time) UnmarshalJSON(b []byte) error {
	var at time.Time
	if err := at.UnmarshalJSON(b); err != nil {
		return err
	}
	*t = Time(at.UnixNano())
	return nil
}

// lastDay is the day that date was asked for last, from its 32nd bit on, and its
// year, month and day: nearly all times of a report are of the same day.
var lastDay atomic.Uint64

func date(day int64) (year, month, dom int64) {
	if d := lastDay.Load(); d>>32 == uint64(day) && d != 0 {
		return int64(d >> 16 & 0xffff), int64(d >> 8 & 0xff), int64(d & 0xff)
	}
	year, month, dom = civil(day)
	if day >= 0 { // and below 1<<17: ns since 1970 are 64 bits
		lastDay.Store(uint64(day)<<32 | uint64(year)<<16 | uint64(month)<<8 | uint64(dom))
	}
	return year, month, dom
}

// civil is the Gregorian date of a day counted from 1970-01-01. The years begin
// in March, so that the leap day is the last of its year.
func civil(day int64) (year, month, dom int64) {
	era, doe := floorDiv(day+719_468, 146_097)
	yoe := (doe - doe/1460 + doe/36_524 - doe/146_096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	dom = doy - (153*mp+2)/5 + 1
	month = mp + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, dom
}

func floorDiv(a, b int64) (quotient, remainder int64) {
	quotient, remainder = a/b, a%b
	if remainder < 0 {
		quotient--
		remainder += b
	}
	return quotient, remainder
}

// Seconds is a span of time in ns. In JSON it is a number of seconds, exact,
// with at most nine digits of fraction.
type Seconds int64

// AppendTo appends the decimal number of seconds.
func (s Seconds) AppendTo(b []byte) []byte {
	u := uint64(s)
	if s < 0 {
		b = append(b, '-')
		u = -u
	}
	b = strconv.AppendUint(b, u/nsPerSecond, 10)
	frac := u % nsPerSecond
	if frac == 0 {
		return b
	}
	n := len(b)
	b = append(b, ".000000000"...)
	put9(b[n+1:], uint32(frac))
	if frac%1000 == 0 { // most captures have µs
		b = b[:len(b)-3]
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// MarshalJSON prints the number of seconds.
func (s Seconds) MarshalJSON() ([]byte, error) { return s.AppendTo(nil), nil }

// UnmarshalJSON reads a number of seconds; what is finer than 1 ns is rounded.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil {
		return err
	}
	*s = Seconds(math.Round(f * nsPerSecond))
	return nil
}

// Number is a packet number as Wireshark shows it, from 1. Zero is left out of
// the JSON; NoPacket is null there: a packet caused the step, but was not seen.
type Number uint64

// NoPacket is the packet of a step that was inferred: the segment that caused it
// never passed the tap, or the capture missed it.
const NoPacket = ^Number(0)

func (n Number) appendJSON(b []byte) []byte {
	if n == NoPacket {
		return append(b, "null"...)
	}
	return strconv.AppendUint(b, uint64(n), 10)
}

// MarshalJSON prints the number, or null.
func (n Number) MarshalJSON() ([]byte, error) { return n.appendJSON(nil), nil }

// UnmarshalJSON reads a number, or null.
func (n *Number) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = NoPacket
		return nil
	}
	v, err := strconv.ParseUint(string(b), 10, 64)
	*n = Number(v)
	return err
}

// TimeLeft is what is left of 2MSL at the end of the trace. In JSON it is a
// number of seconds, or [least, most] where a restart is only presumed.
type TimeLeft struct {
	InTimeWait  bool
	Least, Most Seconds
}

// IsZero reports that the endpoint is not in TIME-WAIT.
func (l TimeLeft) IsZero() bool { return !l.InTimeWait }

func (l TimeLeft) appendJSON(b []byte) []byte {
	if l.Least == l.Most {
		return l.Least.AppendTo(b)
	}
	b = l.Least.AppendTo(append(b, '['))
	return append(l.Most.AppendTo(append(b, ',')), ']')
}

// MarshalJSON prints a number or a pair of numbers.
func (l TimeLeft) MarshalJSON() ([]byte, error) { return l.appendJSON(nil), nil }

// UnmarshalJSON reads a number or a pair of numbers.
func (l *TimeLeft) UnmarshalJSON(b []byte) error {
	l.InTimeWait = true
	if len(b) > 0 && b[0] == '[' {
		var pair [2]Seconds
		if err := json.Unmarshal(b, &pair); err != nil {
			return err
		}
		l.Least, l.Most = pair[0], pair[1]
		return nil
	}
	err := l.Least.UnmarshalJSON(b)
	l.Most = l.Least
	return err
}

// StateTimes is the time spent in each state, indexed by [tcpstate.State]. In
// JSON it is an object of seconds by state, in the order of RFC 9293 section
// 3.3.2; states in which no time was spent are left out.
type StateTimes [tcpstate.NumStates]Seconds

func (s *StateTimes) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for state, spent := range s {
		if spent == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), tcpstate.State(state).String()...), `":`...)
		b = spent.AppendTo(b)
	}
	return append(b, '}')
}

// MarshalJSON prints the object.
func (s StateTimes) MarshalJSON() ([]byte, error) { return s.appendJSON(nil), nil }

// UnmarshalJSON reads the object; an unknown state is an error.
func (s *StateTimes) UnmarshalJSON(b []byte) error {
	var m map[string]Seconds
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	for name, spent := range m {
		state, ok := stateByName(name)
		if !ok {
			return fmt.Errorf("time_in_state_s: unknown state %q", name)
		}
		s[state] = spent
	}
	return nil
}

func stateByName(name string) (tcpstate.State, bool) {
	for s := range tcpstate.State(tcpstate.NumStates) {
		if s.String() == name {
			return s, true
		}
	}
	return tcpstate.Unknown, false
}

// Tunnel is the stable hash of the tunnel ids around a connection; 16 hex
// digits in JSON, since not every reader of JSON keeps 64 bits of a number.
type Tunnel uint64

func (t Tunnel) appendJSON(b []byte) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	for shift := 60; shift >= 0; shift -= 4 {
		b = append(b, hex[t>>shift&15])
	}
	return append(b, '"')
}

// MarshalJSON prints 16 hex digits.
func (t Tunnel) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

// UnmarshalJSON reads hex digits.
func (t *Tunnel) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseUint(string(bytes.Trim(b, `"`)), 16, 64)
	*t = Tunnel(v)
	return err
}
