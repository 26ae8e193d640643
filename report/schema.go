package report

import "net/netip"

// This file is the contract with programs that read the reports. What stands
// here may gain optional fields; anything else needs a new SchemaID. The doc
// tags become the descriptions of schema/finwait-1.schema.json.

// SchemaID names this version of the schema.
const SchemaID = "finwait/1"

// Values of the "type" field of the three objects.
const (
	TypeCapture    = "capture"
	TypeConnection = "connection"
	TypeSummary    = "summary"
)

// The words of the schema; the JSON Schema lists the values of each.
type (
	// State is a state of RFC 9293 section 3.3.2, or UNKNOWN.
	State string
	// Evidence is how a step is known.
	Evidence string
	// OpenKind is how a connection opened.
	OpenKind string
	// CloseKind is how a connection closed.
	CloseKind string
	// SideName is client, server, both or none.
	SideName string
	// Severity is info, note, warning or error.
	Severity string
	// Family is a family of findings.
	Family string
	// FindingID is the id of a rule.
	FindingID string
	// Where is where a packet was lost, seen from the tap.
	Where string
	// Certainty is certain, likely or possible.
	Certainty string
)

// Document is the whole of a report in the format json.
type Document struct {
	Schema      string       `json:"schema" doc:"Version of this schema."`
	Capture     Capture      `json:"capture" doc:"What was read, and under which assumptions."`
	Connections []Connection `json:"connections" doc:"The connections, in ascending id unless another order was asked for."`
	Summary     Summary      `json:"summary" doc:"Totals over the whole capture."`
}

// Capture says what was read and under which assumptions. It is the first line of NDJSON.
type Capture struct {
	Type   string        `json:"type" doc:"Always capture."`
	Schema string        `json:"schema" doc:"Version of this schema."`
	Files  []CaptureFile `json:"files" doc:"The captures, in the order of their file numbers."`

	MSL     Seconds   `json:"msl_s" doc:"Maximum segment lifetime assumed; TIME-WAIT lasts twice as long."`
	HostMSL []HostMSL `json:"host_msl,omitempty" doc:"Hosts with an MSL of their own."`

	Points []Point `json:"points,omitempty" doc:"Captures of several points of one path, in their order from the clients to the servers; absent for one point."`

	Filter    string `json:"filter,omitempty" doc:"Which packets were looked at; all, if absent."`
	Selection string `json:"selection,omitempty" doc:"Which connections are listed; all, if absent. The summary counts all."`
}

// CaptureFile is one input.
type CaptureFile struct {
	File int    `json:"file" doc:"Number by which packets name the file, from 1."`
	Name string `json:"name" doc:"Path as given or found; - is standard input."`
}

// HostMSL is the MSL of one host.
type HostMSL struct {
	IP  netip.Addr `json:"ip" doc:"Address of the host."`
	MSL Seconds    `json:"msl_s" doc:"Its maximum segment lifetime."`
}

// Connection is the life of one connection: one incarnation of a tuple.
type Connection struct {
	Type        string  `json:"type" doc:"Always connection."`
	ID          uint64  `json:"id" doc:"From 1, in the order of first packets."`
	Client      Address `json:"client" doc:"The endpoint that sent the first SYN."`
	Server      Address `json:"server" doc:"The other endpoint."`
	RoleGuessed bool    `json:"role_guessed,omitzero" doc:"No SYN was seen: who is the client is a guess."`
	Tunnel      Tunnel  `json:"tunnel,omitzero" doc:"Hash of the tunnel ids around the connection; equal for connections in the same tunnel."`
	Start       Time    `json:"start" doc:"First packet."`
	End         Time    `json:"end" doc:"Last packet."`
	Packets     uint64  `json:"packets" doc:"Packets of both endpoints, copies included."`
	FirstPacket Number  `json:"first_packet,omitzero" doc:"Number of the first packet."`
	FirstFile   int     `json:"first_file,omitzero" doc:"Its file, where there are several."`
	LastPacket  Number  `json:"last_packet,omitzero" doc:"Number of the last packet."`
	LastFile    int     `json:"last_file,omitzero" doc:"Its file, where there are several."`

	Open     Open   `json:"open" doc:"How it opened."`
	Close    Close  `json:"close" doc:"How it closed."`
	Reuses   uint64 `json:"reuses,omitzero" doc:"Id of the incarnation of the same tuple before this one."`
	ReusedBy uint64 `json:"reused_by,omitzero" doc:"Id of the next incarnation, where it was known when this one was written."`
	MPTCP    bool   `json:"mptcp,omitzero" doc:"A subflow of Multipath TCP: its FIN is not the end of that connection (RFC 8684)."`
	OneSided bool   `json:"one_sided,omitzero" doc:"The capture has packets of one direction only."`

	Endpoints Endpoints `json:"endpoints" doc:"Both endpoints."`
	Path      *Path     `json:"path,omitempty" doc:"Captures of several points: what became of the packets."`
	Findings  []Finding `json:"findings" doc:"What went wrong, and facts worth knowing; worst first, then by time."`

	Zeek        Zeek      `json:"zeek,omitzero" doc:"The words of Zeek's conn.log."`
	Wireshark   Wireshark `json:"wireshark" doc:"The words of Wireshark."`
	CommunityID string    `json:"community_id,omitempty" doc:"Community ID flow hash, version 1."`
}

// Address is one end of a tuple.
type Address struct {
	IP   netip.Addr `json:"ip" doc:"IPv4 or IPv6 address."`
	Port uint16     `json:"port" doc:"TCP port."`
}

// Open is how a connection opened.
type Open struct {
	Kind OpenKind `json:"kind" doc:"How it opened."`
}

// Close is how a connection closed.
type Close struct {
	Kind   CloseKind `json:"kind" doc:"How it closed."`
	First  SideName  `json:"first" doc:"Who sent the first FIN or RST."`
	Reason string    `json:"reason,omitempty" doc:"Why it timed out or was evicted."`
}

// Endpoints are the two sides.
type Endpoints struct {
	Client Endpoint `json:"client" doc:"The client."`
	Server Endpoint `json:"server" doc:"The server."`
}

// Endpoint is one side: its state, how it got there, and what it sent.
type Endpoint struct {
	State        State        `json:"state" doc:"State at the end of the trace, or when the connection was written."`
	Evidence     Evidence     `json:"evidence,omitempty" doc:"How the state is known: that of the last step."`
	Undetermined bool         `json:"undetermined,omitzero" doc:"The packets do not decide the state; the one given is the last that they do."`
	MayBe        State        `json:"may_be,omitempty" doc:"State to which a silent give-up may have moved it."`
	TimeWaitLeft TimeLeft     `json:"time_wait_left_s,omitzero" doc:"In TIME-WAIT: what is left of 2MSL; [least, most] where they differ."`
	History      []Step       `json:"history" doc:"Its steps in causal order."`
	Withdrawn    []Withdrawal `json:"withdrawn" doc:"Steps that were presumed and that later packets refuted."`

	Packets         uint64     `json:"packets" doc:"Packets it sent."`
	Bytes           uint64     `json:"bytes" doc:"Payload bytes it sent, copies included."`
	Retransmissions uint64     `json:"retransmissions" doc:"Packets that carry bytes sent before."`
	DuplicateACKs   uint64     `json:"duplicate_acks" doc:"Pure ACKs that repeat the last while data is outstanding."`
	OutOfOrder      uint64     `json:"out_of_order" doc:"Packets that fill a hole."`
	ZeroWindows     uint64     `json:"zero_windows" doc:"Packets that advertise a window of 0."`
	Options         TCPOptions `json:"options,omitzero" doc:"Options of its SYN or SYN-ACK."`
	RTT             RTT        `json:"rtt,omitzero" doc:"Round trip from the capture point to this endpoint and back."`
	TimeInState     StateTimes `json:"time_in_state_s,omitzero" doc:"Seconds in each state, from its first packet to its last; the state it is in lasts to the end of the connection."`
}

// TCPOptions are the options that an endpoint offered in its SYN or SYN-ACK.
type TCPOptions struct {
	MSS           uint16 `json:"mss,omitzero" doc:"Maximum segment size, bytes."`
	WindowScale   *uint8 `json:"window_scale,omitempty" doc:"Shift of RFC 7323, 0 to 14; absent if the option was not there."`
	SACKPermitted bool   `json:"sack_permitted,omitzero" doc:"RFC 2018."`
	Timestamps    bool   `json:"timestamps,omitzero" doc:"RFC 7323."`
	FastOpen      bool   `json:"fast_open,omitzero" doc:"RFC 7413."`
	MPTCP         bool   `json:"mptcp,omitzero" doc:"RFC 8684."`
}

// RTT sums up round trip samples.
type RTT struct {
	Samples int     `json:"samples" doc:"Number of samples."`
	Min     Seconds `json:"min_s" doc:"Least."`
	Mean    Seconds `json:"mean_s" doc:"Mean."`
	Max     Seconds `json:"max_s" doc:"Greatest."`
}

// Step is one entry of a history.
type Step struct {
	State            State    `json:"state" doc:"State entered."`
	At               Time     `json:"at,omitzero" doc:"When the segment that caused it passed the capture point; for timer, the expiry; absent for assumed."`
	Packet           Number   `json:"packet,omitzero" doc:"Packet that caused it; null if that packet was not seen; absent if no packet did."`
	File             int      `json:"file,omitzero" doc:"Its file, where there are several."`
	SentPacket       Number   `json:"sent_packet,omitzero" doc:"Captures of several points: the same packet where it was sent; packet is then where it arrived."`
	SentFile         int      `json:"sent_file,omitzero" doc:"Its file."`
	Event            string   `json:"event,omitempty" doc:"What happened."`
	Evidence         Evidence `json:"evidence" doc:"How the step is known."`
	ConfirmedBy      []Number `json:"confirmed_by,omitempty" doc:"Later packets that prove it."`
	ConfirmedByFiles []int    `json:"confirmed_by_files,omitempty" doc:"Their files, where there are several."`
	InferredFrom     Number   `json:"inferred_from,omitzero" doc:"Where packet is null: the packet it was inferred from."`
	InferredFromFile int      `json:"inferred_from_file,omitzero" doc:"Its file, where there are several."`
	PacketEvidence   Evidence `json:"packet_evidence,omitempty" doc:"How the packet is known, where the state is surer than the packet."`
	Alternatives     []State  `json:"alternatives,omitempty" doc:"States that the packets allow as well."`
	Censored         bool     `json:"censored,omitzero" doc:"The trace ends too soon after it to tell."`
}

// Withdrawal is a step that was presumed and then refuted.
type Withdrawal struct {
	State          State    `json:"state" doc:"State that was presumed."`
	At             Time     `json:"at,omitzero" doc:"When the segment that should have caused it passed the capture point."`
	Packet         Number   `json:"packet,omitzero" doc:"That packet."`
	File           int      `json:"file,omitzero" doc:"Its file, where there are several."`
	Event          string   `json:"event,omitempty" doc:"What should have happened."`
	RefutedBy      []Number `json:"refuted_by" doc:"Packets that refute it."`
	RefutedByFiles []int    `json:"refuted_by_files,omitempty" doc:"Their files, where there are several."`
	Reason         string   `json:"reason" doc:"Why they refute it."`
}

// Finding is one thing that went wrong, or a fact worth knowing.
type Finding struct {
	ID         FindingID `json:"id" doc:"Rule; finwait explain tells what it means."`
	Family     Family    `json:"family" doc:"Family of the rule."`
	Severity   Severity  `json:"severity" doc:"How bad it is; info is a fact worth knowing."`
	Endpoint   SideName  `json:"endpoint,omitempty" doc:"Endpoint concerned; absent where it is none."`
	At         Time      `json:"at" doc:"When it showed."`
	Packets    []Number  `json:"packets" doc:"The decisive packets, at most 16."`
	Files      []int     `json:"files,omitempty" doc:"Their files, where there are several."`
	Where      Where     `json:"where,omitempty" doc:"Where a packet was lost, seen from the capture point; on-path and at-receiver with captures of several points."`
	Between    []string  `json:"between,omitempty" doc:"Where it is on-path: the points between which it was lost, the first nearer to its sender."`
	Confidence Certainty `json:"confidence" doc:"How sure it is."`
	Verdict    string    `json:"verdict,omitempty" doc:"Verdict on the reuse of a tuple."`
	Detail     string    `json:"detail" doc:"One sentence that can be checked against the packets."`
	Measures   []Measure `json:"measures,omitempty" doc:"Measured numbers and their limits."`
}

// Measure is a measured number.
type Measure struct {
	Name  string  `json:"name" doc:"What was measured, with its unit."`
	Value float64 `json:"value" doc:"The number."`
	Limit float64 `json:"limit,omitzero" doc:"The limit it is held against."`
}

// Zeek has the words of Zeek's conn.log.
type Zeek struct {
	ConnState string `json:"conn_state,omitempty" doc:"Zeek's conn_state."`
	History   string `json:"history,omitempty" doc:"Zeek's history letters."`
}

// Wireshark has the numbers of Wireshark.
type Wireshark struct {
	Stream       uint64 `json:"stream" doc:"tcp.stream."`
	Completeness uint8  `json:"completeness" doc:"tcp.completeness: 1 SYN, 2 SYN-ACK, 4 ACK, 8 data, 16 FIN, 32 RST."`
}
