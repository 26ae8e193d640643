package report

import (
	"fmt"
	"strconv"
	"strings"
)

// This file is what is told of connections while they live: the object "event"
// of NDJSON and its line of text. watch.go finds out what there is to tell.

// TypeEvent is the value of the "type" field of an Event.
const TypeEvent = "event"

// EventKind is what happened.
type EventKind string

// Kinds of events.
const (
	EventOpen             EventKind = "open"              // a connection opened, or failed to
	EventClose            EventKind = "close"             // it closed
	EventFinding          EventKind = "finding"           // something went wrong
	EventFindingWithdrawn EventKind = "finding-withdrawn" // later packets say otherwise
	EventStep             EventKind = "step"              // an endpoint entered a state
	EventStepConfirmed    EventKind = "step-confirmed"    // a later packet proves that it did
	EventStepWithdrawn    EventKind = "step-withdrawn"    // a later packet refutes it
	EventInterval         EventKind = "interval"          // how things stand
)

// EventKinds are all kinds.
var EventKinds = []EventKind{EventOpen, EventClose, EventFinding, EventFindingWithdrawn, EventStep, EventStepConfirmed, EventStepWithdrawn, EventInterval}

// Event is something that a live capture tells while it runs.
type Event struct {
	Type  string    `json:"type" doc:"Always event."`
	Event EventKind `json:"event" doc:"What happened."`
	At    Time      `json:"at" doc:"When: the time of the packet or of the expiry that showed it; of an interval, its end."`

	Connection uint64   `json:"connection,omitzero" doc:"Id of the connection."`
	Client     *Address `json:"client,omitempty" doc:"Its client."`
	Server     *Address `json:"server,omitempty" doc:"Its server."`

	Open     *Open       `json:"open,omitempty" doc:"Of open: how it opened."`
	Close    *Close      `json:"close,omitempty" doc:"Of close: how it closed."`
	Finding  *Finding    `json:"finding,omitempty" doc:"Of finding."`
	Undone   FindingID   `json:"finding_id,omitempty" doc:"Of finding-withdrawn: which."`
	StepID   uint64      `json:"step_id,omitzero" doc:"Number of the step within its connection; its confirmation and its withdrawal have the same."`
	Endpoint SideName    `json:"endpoint,omitempty" doc:"Of a step and of finding-withdrawn: whose it is."`
	Step     *Step       `json:"step,omitempty" doc:"Of step and step-confirmed."`
	Withdraw *Withdrawal `json:"withdrawal,omitempty" doc:"Of step-withdrawn."`
	Interval *Interval   `json:"interval,omitempty" doc:"Of interval."`
}

// Interval is how things stand in a live capture.
type Interval struct {
	Open     int          `json:"connections" doc:"Connections in the table."`
	States   []StateCount `json:"states" doc:"Their endpoints by state."`
	Opened   uint64       `json:"opened" doc:"Connections opened since the capture began."`
	Closed   uint64       `json:"closed" doc:"Connections closed since then."`
	Findings uint64       `json:"findings" doc:"Findings above info since then."`
	Packets  uint64       `json:"packets" doc:"Packets since then."`
	Dropped  uint64       `json:"dropped" doc:"Packets that the kernel or the interface lost since then."`
	Unsaid   uint64       `json:"unsaid,omitzero" doc:"Lines of output that were left out because nobody took them in time."`
	Unkept   uint64       `json:"unkept,omitzero" doc:"Packets that --write left out."`
}

// AppendJSON appends the event as one line, without its end.
func (e *Event) AppendJSON(b []byte) []byte {
	b = appendString(append(b, `{"type":`...), TypeEvent)
	b = appendString(append(b, `,"event":`...), string(e.Event))
	b = e.At.appendJSON(append(b, `,"at":`...))
	if e.Connection != 0 {
		b = strconv.AppendUint(append(b, `,"connection":`...), e.Connection, 10)
	}
	if e.Client != nil {
		b = e.Client.appendJSON(append(b, `,"client":`...))
	}
	if e.Server != nil {
		b = e.Server.appendJSON(append(b, `,"server":`...))
	}
	if e.Open != nil {
		b = e.Open.appendJSON(append(b, `,"open":`...))
	}
	if e.Close != nil {
		b = e.Close.appendJSON(append(b, `,"close":`...))
	}
	if e.Finding != nil {
		b = e.Finding.appendJSON(append(b, `,"finding":`...))
	}
	b = appendWord(b, `,"finding_id":`, string(e.Undone))
	if e.StepID != 0 {
		b = strconv.AppendUint(append(b, `,"step_id":`...), e.StepID, 10)
	}
	b = appendWord(b, `,"endpoint":`, string(e.Endpoint))
	if e.Step != nil {
		b = e.Step.appendJSON(append(b, `,"step":`...))
	}
	if e.Withdraw != nil {
		b = e.Withdraw.appendJSON(append(b, `,"withdrawal":`...))
	}
	if e.Interval != nil {
		b = append(b, `,"interval":`...)
		text, err := marshal(e.Interval)
		if err != nil {
			// No value of an Interval is beyond JSON.
			panic(err)
		}
		b = append(b, text...)
	}
	return append(b, '}')
}

// AppendText appends the event as one line, without its end.
func (e *Event) AppendText(b []byte, color bool) []byte {
	p := painter{color}
	const date = len("2006-01-02T")
	at := e.At.String()
	b = append(b, at[date:date+len("15:04:05.000000")]...)
	b = append(b, "  "...)
	who := ""
	if e.Client != nil && e.Server != nil {
		who = fmt.Sprintf("%s -> %s (%d)", e.Client, e.Server, e.Connection)
	}
	switch e.Event {
	case EventOpen:
		return fmt.Appendf(b, "%s  %s  %s", pad("open", 7), who, e.Open.Kind)
	case EventClose:
		return fmt.Appendf(b, "%s  %s  %s, first by %s", pad("close", 7), who, e.Close.Kind, e.Close.First)
	case EventFinding:
		return fmt.Appendf(b, "%s  %s  %s  %s", p.severity(e.Finding.Severity, pad(string(e.Finding.Severity), 7)),
			p.paint(bold, string(e.Finding.ID)), who, clean(e.Finding.Detail))
	case EventFindingWithdrawn:
		return fmt.Appendf(b, "%s  %s  %s  later packets say otherwise", pad("undone", 7), e.Undone, who)
	case EventStep, EventStepConfirmed:
		return e.appendStep(b, who)
	case EventStepWithdrawn:
		return fmt.Appendf(b, "%s  %s  %s %s  step %d: %s (packet %s)", pad("undone", 7), who, e.Endpoint, e.Withdraw.State,
			e.StepID, e.Withdraw.Reason, packetList(e.Withdraw.RefutedBy, e.Withdraw.RefutedByFiles))
	}
	return e.Interval.appendText(append(b, pad("status", 7)+"  "...))
}

func (e *Event) appendStep(b []byte, who string) []byte {
	word, why := "step", string(e.Step.Evidence)
	if e.Event == EventStepConfirmed {
		word = "proved"
		if len(e.Step.ConfirmedBy) > 0 {
			why += " by packet " + packetList(e.Step.ConfirmedBy, e.Step.ConfirmedByFiles)
		}
	}
	if e.Step.Event != "" {
		why = e.Step.Event + ", " + why
	}
	return fmt.Appendf(b, "%s  %s  %s %s  step %d: %s", pad(word, 7), who, e.Endpoint, e.Step.State, e.StepID, why)
}

func (i *Interval) appendText(b []byte) []byte {
	words := []string{plural(uint64(i.Open), "connection")}
	for _, s := range i.States {
		words = append(words, fmt.Sprintf("%s %s/%s", s.State, thousands(s.Client), thousands(s.Server)))
	}
	words = append(words, plural(i.Findings, "finding"), plural(i.Packets, "packet"), thousands(i.Dropped)+" dropped")
	if i.Unsaid > 0 {
		words = append(words, thousands(i.Unsaid)+" lines left out")
	}
	if i.Unkept > 0 {
		words = append(words, plural(i.Unkept, "packet")+" not kept")
	}
	return append(b, strings.Join(words, ", ")...)
}

func eventKinds() []string {
	list := make([]string, len(EventKinds))
	for i, k := range EventKinds {
		list[i] = string(k)
	}
	return list
}
