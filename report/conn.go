package report

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly"
)

// Conn names connections: one by its id or by Wireshark's tcp.stream, or all of
// a tuple, or all of one end of it.
type Conn struct {
	id, stream uint64
	byStream   bool
	ends       []netip.AddrPort // one or two
	words      string
}

var (
	connID     = regexp.MustCompile(`^#?(\d+)$`)
	connStream = regexp.MustCompile(`^(?:tcp\.)?stream\s*(?:==?|eq|:)?\s*(\d+)$`)
	connBreak  = regexp.MustCompile(`\s*(?:->|<->|[-–>,]|\s)\s*`)
)

// ParseConn reads what people have at hand for a connection:
//
//	7, #7                                the id of the report
//	stream 3, tcp.stream==3              the number that Wireshark shows
//	10.0.0.1:41000-10.0.0.2:5000         the tuple, either end first; also with
//	                                     spaces, ->, > or a comma between the ends
//	[2001:db8::1]:443                    every connection of that end
func ParseConn(s string) (Conn, error) {
	s = strings.TrimSpace(s)
	if m := connID.FindStringSubmatch(s); m != nil {
		id, err := strconv.ParseUint(m[1], 10, 64)
		if err == nil && id > 0 {
			return Conn{id: id, words: "#" + m[1]}, nil
		}
	}
	if m := connStream.FindStringSubmatch(strings.ToLower(s)); m != nil {
		stream, err := strconv.ParseUint(m[1], 10, 64)
		if err == nil {
			return Conn{stream: stream, byStream: true, words: "tcp.stream eq " + m[1]}, nil
		}
	}
	c := Conn{}
	for _, word := range connBreak.Split(s, -1) {
		if word == "" {
			continue
		}
		end, err := netip.ParseAddrPort(word)
		if err != nil || len(c.ends) == 2 {
			c.ends = nil
			break
		}
		c.ends = append(c.ends, netip.AddrPortFrom(end.Addr().Unmap().WithZone(""), end.Port()))
	}
	switch len(c.ends) {
	case 0:
		return c, fmt.Errorf("%q names no connection: give its id (7), its tuple (10.0.0.1:41000-10.0.0.2:5000) or Wireshark's number (tcp.stream==3)", s)
	case 1:
		c.words = c.ends[0].String()
	default:
		c.words = c.ends[0].String() + "-" + c.ends[1].String()
	}
	return c, nil
}

// String is the name in one spelling.
func (c Conn) String() string { return c.words }

// Match reports whether l is meant.
func (c Conn) Match(l *reassembly.Lifecycle) bool {
	switch {
	case c.id != 0:
		return l.ID == c.id
	case c.byStream:
		return l.Stream == c.stream
	}
	client, server := bare(l.Client), bare(l.Server)
	if len(c.ends) == 1 {
		return c.ends[0] == client || c.ends[0] == server
	}
	return len(c.ends) == 2 && (c.ends[0] == client && c.ends[1] == server || c.ends[0] == server && c.ends[1] == client)
}

func bare(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}
