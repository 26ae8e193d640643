package expect

import (
	"time"

	"github.com/finwait/finwait/report"
)

// This file is what an expectation file may say. The doc tags become the
// descriptions of schema/finwait-expect-1.schema.json.

// SchemaID names this version of the files.
const SchemaID = "finwait-expect/1"

// File is an expectation file.
type File struct {
	Schema   string    `yaml:"schema" doc:"Version of this form: finwait-expect/1. May be left out."`
	Defaults Rules     `yaml:"defaults" doc:"Expected of every connection of every capture."`
	Captures []Capture `yaml:"captures" doc:"The captures. Several entries may speak of one capture; all of them hold."`

	Name string `yaml:"-"` // as given to Parse
}

// Capture is what is expected of a capture.
type Capture struct {
	File        string       `yaml:"file" doc:"Name of the capture, its path from the folder of this file, or a pattern such as close-*.pcap. Left out: every capture."`
	Count       *Count       `yaml:"count" doc:"How many connections it has."`
	Packets     *Count       `yaml:"packets" doc:"How many frames it has, TCP or not."`
	Findings    Findings     `yaml:"findings" doc:"Findings in any of its connections."`
	Defaults    Rules        `yaml:"defaults" doc:"Expected of each of its connections."`
	Connections []Connection `yaml:"connections" doc:"Its connections; the first entry that matches a connection speaks of it."`

	Line int `yaml:"-"`
}

// Connection is what is expected of the connections that it matches.
type Connection struct {
	Match    Match `yaml:"match" doc:"Which connections it speaks of; all, if left out."`
	Optional bool  `yaml:"optional" doc:"It need not match any connection."`
	Rules    `yaml:",inline"`

	Line int `yaml:"-"`
}

// Match says which connections an entry speaks of.
type Match struct {
	ID     uint64 `yaml:"id" doc:"The connection's id: 1 is the one with the earliest first packet."`
	Client string `yaml:"client" doc:"The client: ADDRESS:PORT, ADDRESS, NETWORK, :PORT, or a pattern such as 10.0.0.*:80."`
	Server string `yaml:"server" doc:"The server, in the same forms."`
	Nth    int    `yaml:"nth" doc:"Of the connections that match, only this one, from 1 by first packet."`
}

// Rules are what is expected of a connection. What is left out is not looked at.
type Rules struct {
	Open     []report.OpenKind  `yaml:"open" doc:"How it opened: one of these."`
	Close    []report.CloseKind `yaml:"close" doc:"How it closed: one of these."`
	First    []report.SideName  `yaml:"first" doc:"Who sent the first FIN or RST: one of these."`
	Client   Endpoint           `yaml:"client" doc:"The client."`
	Server   Endpoint           `yaml:"server" doc:"The server."`
	Findings Findings           `yaml:"findings" doc:"Its findings."`
	Packets  *Count             `yaml:"packets" doc:"Packets of both endpoints."`
	Duration *Span              `yaml:"duration" doc:"From the first packet to the last."`
}

// Endpoint is what is expected of one side of a connection.
type Endpoint struct {
	Path      *Path          `yaml:"path" doc:"The states that it enters, in order; STATE/EVIDENCE asks for the evidence too. A leading LISTEN, CLOSED or UNKNOWN counts only where it is written."`
	State     []report.State `yaml:"state" doc:"Its last state: one of these."`
	Withdrawn []report.State `yaml:"withdrawn" doc:"States that were presumed and then refuted: each of these."`

	TimeIn          map[report.State]*Span `yaml:"time_in" doc:"How long it was in a state."`
	RTT             *Span                  `yaml:"rtt" doc:"Round trip from the capture point to this endpoint and back, every sample."`
	Packets         *Count                 `yaml:"packets" doc:"Packets that it sent."`
	Bytes           *Count                 `yaml:"bytes" doc:"Payload bytes that it sent, copies included."`
	Retransmissions *Count                 `yaml:"retransmissions" doc:"Packets that carry bytes sent before."`
	DuplicateACKs   *Count                 `yaml:"duplicate_acks" doc:"Pure ACKs that repeat the last while data is outstanding."`
	OutOfOrder      *Count                 `yaml:"out_of_order" doc:"Packets that fill a hole."`
	ZeroWindows     *Count                 `yaml:"zero_windows" doc:"Packets that advertise a window of 0."`
}

// Findings says which findings must, may and must not appear. The more special
// entry wins: must and may of a connection over must_not of the defaults.
type Findings struct {
	Must    []Finding `yaml:"must" doc:"Each of these appears."`
	May     []Finding `yaml:"may" doc:"These may appear: --fail-on passes over them."`
	MustNot []Finding `yaml:"must_not" doc:"None of these appears, whatever --fail-on says."`
}

// Finding matches findings. A text alone is its ID.
type Finding struct {
	ID         string           `yaml:"id" doc:"A finding's id, a family, a severity (that one or worse), or a pattern such as time-wait-*."`
	Endpoint   report.SideName  `yaml:"endpoint" doc:"The endpoint concerned."`
	Where      report.Where     `yaml:"where" doc:"Where the packet was lost."`
	Confidence report.Certainty `yaml:"confidence" doc:"How sure it is."`
	Count      *Count           `yaml:"count" doc:"Under must: how often it appears in the connection or capture; at least once, if left out."`

	Line int `yaml:"-"`
}

// Path is a sequence of states: one text with blanks, or a list.
type Path []Step

// Step is a state of a Path; an empty Evidence is any.
type Step struct {
	State    report.State
	Evidence report.Evidence
}

// Count bounds a number: N, or {min: N, max: N} with either left out.
type Count struct{ Min, Max *uint64 }

// Span bounds a time: {min: 10ms, max: 2} with either left out; a number is seconds.
type Span struct{ Min, Max *time.Duration }
