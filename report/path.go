package report

import (
	"strconv"

	"github.com/finwait/finwait/reassembly"
)

// This file is what a report tells where one path was captured at several points.

// Point is one point at which the path was captured.
type Point struct {
	Name     string   `json:"name" doc:"client, server, or the name given by --tap."`
	Host     SideName `json:"host,omitempty" doc:"Whose host the capture was taken on, client or server; absent between them."`
	Files    []int    `json:"files" doc:"Numbers of its files."`
	Segments uint64   `json:"segments" doc:"TCP segments that it has."`
	Flows    int      `json:"flows" doc:"Tuples that it has."`
	Shared   int      `json:"shared_flows" doc:"Of them, those that another point has too."`

	Translated int `json:"translated_flows,omitzero" doc:"Of them, those that have other addresses, ports or sequence numbers here than at the first point."`

	Clock  *PointClock `json:"clock,omitempty" doc:"Its clock against that of the first point, in whose time all is told; absent for that."`
	Missed int         `json:"missed,omitzero" doc:"Of the packets compared, those that its own host sent and it lacks."`
	Of     int         `json:"missed_of,omitzero" doc:"Packets compared for that."`
	Notes  []string    `json:"notes,omitempty" doc:"What disturbs the comparison, in words."`
}

// PointClock is a clock against that of the first point.
type PointClock struct {
	Offset      Seconds  `json:"offset_s" doc:"By how much it was ahead at its first shared packet."`
	Uncertainty *Seconds `json:"uncertainty_s,omitempty" doc:"The offset is right within this; absent if packets went one way only."`
	Drift       float64  `json:"drift_ppm" doc:"By how much it gains, parts per million."`
	DriftLeast  float64  `json:"drift_least_ppm" doc:"The drift is no less than this."`
	DriftMost   float64  `json:"drift_most_ppm" doc:"Nor more than this."`
	Pairs       int      `json:"pairs" doc:"Packets that it was worked out from."`
	Unsteady    Seconds  `json:"unsteady_s,omitzero" doc:"One of the clocks was set or slewed: packets seem to arrive as much before they were sent."`
}

// Path is what became of the packets of a connection.
type Path struct {
	Client Crossed      `json:"client" doc:"What the client sent."`
	Server Crossed      `json:"server" doc:"What the server sent."`
	Lost   []LostPacket `json:"lost" doc:"Packets lost on the path; at most 4096."`
	Lacks  []SideName   `json:"capture_lacks,omitempty" doc:"Endpoints whose own capture missed packets of this connection: what it lacks may have arrived."`
}

// Crossed is what became of the packets of one endpoint.
type Crossed struct {
	Delivered uint64 `json:"delivered" doc:"Packets that the receiver's own capture has."`
	Lost      uint64 `json:"lost" doc:"Packets lost on the path."`
	Assumed   uint64 `json:"lost_assumed,omitzero" doc:"Of them, those that are lost if the capture behind was running, which nothing in it proves."`
	Copies    uint64 `json:"copies,omitzero" doc:"Packets that the network delivered once more."`
	Forged    uint64 `json:"forged,omitzero" doc:"Packets put in on the path: the endpoint's own capture lacks them."`
	Unknown   uint64 `json:"unknown,omitzero" doc:"Packets of which the captures do not tell whether they arrived."`
	Missed    uint64 `json:"missed,omitzero" doc:"Packets that the endpoint's own capture missed."`
	Reordered uint64 `json:"reordered,omitzero" doc:"Packets that arrived behind one that was sent later (RFC 4737)."`
	Delayed   uint64 `json:"delayed,omitzero" doc:"Packets that were held up: they took over 20 ms longer than the fastest, and over four times the median of that (packet delay variation, RFC 5481 section 4.2)."`
	Delay     RTT    `json:"one_way_delay,omitzero" doc:"From the one host to the other, by the clock of the first point; as uncertain as the clock's offset."`
}

// LostPacket is a packet that was lost on the path.
type LostPacket struct {
	Packet  Number   `json:"packet" doc:"Its number where it was last seen nearest to its sender."`
	File    int      `json:"file,omitzero" doc:"Its file."`
	At      Time     `json:"at" doc:"When it was sent."`
	From    SideName `json:"from" doc:"Its sender."`
	Flags   string   `json:"flags" doc:"Its flags, as tcpdump has them."`
	Seq     uint32   `json:"seq" doc:"Sequence number, as on the wire."`
	Ack     uint32   `json:"ack,omitzero" doc:"Acknowledgment number."`
	Len     uint32   `json:"len" doc:"Payload bytes."`
	Between []string `json:"between" doc:"The points between which it was lost."`
	Assumed bool     `json:"assumed,omitzero" doc:"It is lost if the capture behind was running then: that has nothing from before, nothing from after, or nothing of the connection. A step that rests on it stays presumed."`
}

func pointNames(taps []Point) (names []string) {
	for i := range taps {
		names = append(names, taps[i].Name)
	}
	return names
}

// between names two points.
func (b *Builder) between(at reassembly.Between) []string {
	return []string{b.point(at.From), b.point(at.To)}
}

// point names a point by its place.
func (b *Builder) point(i uint8) string {
	if int(i) < len(b.Points) {
		return b.Points[i]
	}
	return strconv.Itoa(int(i) + 1)
}

// told turns the core's path into the report's; nil stays nil.
func (b *Builder) told(p *reassembly.Path) *Path {
	if p == nil {
		return nil
	}
	side := func(x reassembly.Side) Crossed {
		c := &p.From[x]
		return Crossed{Delivered: c.Delivered, Lost: c.Lost, Assumed: c.Assumed, Copies: c.Copies, Forged: c.Forged, Unknown: c.Unknown, Missed: c.Missed,
			Reordered: c.Reordered, Delayed: c.Delayed,
			Delay: RTT{Samples: int(c.Delay.Samples), Min: Seconds(c.Delay.Least), Mean: Seconds(c.Delay.Mean()), Max: Seconds(c.Delay.Most)}}
	}
	b.path = Path{Client: side(reassembly.Client), Server: side(reassembly.Server)}
	b.lost = grow(b.lost, len(p.Lost))
	for i := range p.Lost {
		l := &p.Lost[i]
		b.lost = append(b.lost, LostPacket{Packet: number(l.Packet), File: b.file(l.Packet), At: Time(l.At), From: SideName(l.Side.String()),
			Flags: flagLetters(l.Flags), Seq: l.Seq, Ack: l.Ack, Len: l.Len, Between: b.between(l.Between), Assumed: l.Assumed})
	}
	b.path.Lost = b.lost
	for x, lacks := range p.Lacks {
		if lacks {
			b.path.Lacks = append(b.path.Lacks, SideName(reassembly.Side(x).String()))
		}
	}
	return &b.path
}

func (p *Path) appendJSON(b []byte) []byte {
	b = p.Client.appendJSON(append(b, `{"client":`...))
	b = p.Server.appendJSON(append(b, `,"server":`...))
	b = appendList(append(b, `,"lost":`...), p.Lost, (*LostPacket).appendJSON)
	if len(p.Lacks) > 0 {
		b = append(b, `,"capture_lacks":`...)
		b = appendList(b, p.Lacks, func(s *SideName, b []byte) []byte { return appendString(b, string(*s)) })
	}
	return append(b, '}')
}

func (c *Crossed) appendJSON(b []byte) []byte {
	b = strconv.AppendUint(append(b, `{"delivered":`...), c.Delivered, 10)
	b = strconv.AppendUint(append(b, `,"lost":`...), c.Lost, 10)
	for _, f := range [...]struct {
		key string
		n   uint64
	}{{`,"lost_assumed":`, c.Assumed}, {`,"copies":`, c.Copies}, {`,"forged":`, c.Forged}, {`,"unknown":`, c.Unknown}, {`,"missed":`, c.Missed}, {`,"reordered":`, c.Reordered}, {`,"delayed":`, c.Delayed}} {
		if f.n != 0 {
			b = strconv.AppendUint(append(b, f.key...), f.n, 10)
		}
	}
	if c.Delay != (RTT{}) {
		b = c.Delay.appendJSON(append(b, `,"one_way_delay":`...))
	}
	return append(b, '}')
}

func (l *LostPacket) appendJSON(b []byte) []byte {
	b = l.Packet.appendJSON(append(b, `{"packet":`...))
	b = appendFile(b, `,"file":`, l.File)
	b = l.At.appendJSON(append(b, `,"at":`...))
	b = appendString(append(b, `,"from":`...), string(l.From))
	b = appendString(append(b, `,"flags":`...), l.Flags)
	b = strconv.AppendUint(append(b, `,"seq":`...), uint64(l.Seq), 10)
	if l.Ack != 0 {
		b = strconv.AppendUint(append(b, `,"ack":`...), uint64(l.Ack), 10)
	}
	b = strconv.AppendUint(append(b, `,"len":`...), uint64(l.Len), 10)
	return append(appendTrue(appendBetween(b, l.Between), `,"assumed":`, l.Assumed), '}')
}

func appendBetween(b []byte, names []string) []byte {
	if len(names) == 0 {
		return b
	}
	return appendList(append(b, `,"between":`...), names, func(s *string, b []byte) []byte { return appendString(b, *s) })
}
