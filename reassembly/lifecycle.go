package reassembly

import (
	"net/netip"

	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file is the core's output: the Lifecycle of one Connection as the
// Tracker tells it when it retires. Package report turns it into text and JSON.

// Side names an endpoint of a connection.
type Side uint8

// The client is the endpoint that sent the first SYN; Both and None serve
// Lifecycle.CloseFirst.
const (
	Client Side = iota
	Server
	Both
	None
)

var sideNames = [...]string{"client", "server", "both", "none"}

func (s Side) String() string { return sideNames[s] }

// Other is the opposite endpoint.
func (s Side) Other() Side { return s ^ 1 }

// OpenKind is how a connection began.
type OpenKind uint8

// Kinds of opening.
const (
	OpenMidstream    OpenKind = iota // the first packet seen is not of a handshake
	OpenThreeWay                     // SYN, SYN-ACK, ACK
	OpenSimultaneous                 // SYN each way, RFC 9293 section 3.5 figure 7
	OpenFast                         // data on the SYN was accepted, RFC 7413
	OpenUnanswered                   // a SYN that nothing answered
	OpenRefused                      // a SYN answered by RST or by an ICMP error
	OpenHalf                         // SYN and SYN-ACK, but no third ACK is known to have come
	NumOpenKinds     = iota
)

var openNames = [...]string{"midstream", "three-way", "simultaneous", "fast-open", "unanswered", "refused", "half-open"}

func (k OpenKind) String() string { return openNames[k] }

// CloseKind is how a connection ended.
type CloseKind uint8

// Kinds of closing.
const (
	CloseNone         CloseKind = iota // still open at the end of the trace
	CloseFourWay                       // FIN, ACK, FIN, ACK
	CloseThreeWay                      // FIN, FIN-ACK, ACK
	CloseSimultaneous                  // FINs that crossed, RFC 9293 section 3.6 figure 13
	CloseHalf                          // one FIN only at the end of the trace
	CloseReset                         // RST, also after a FIN
	CloseTimeout                       // given up: idle or half-open for longer than the limit
	CloseSuperseded                    // a new incarnation began
	CloseEvicted                       // the table was full
	NumCloseKinds     = iota
)

var closeNames = [...]string{"none", "four-way", "three-way", "simultaneous", "half", "reset", "timeout", "superseded", "evicted"}

func (k CloseKind) String() string { return closeNames[k] }

// Evidence is how a step is known (see doc.go and `finwait explain evidence`).
type Evidence uint8

// Evidence words, weakest first but for timer.
const (
	NoEvidence Evidence = iota
	Assumed             // no packet: LISTEN, a mid-stream start
	Timer               // trace time ran out (2MSL)
	Presumed            // a segment that should move the endpoint passed the tap
	Delivered           // presumed, and the endpoint's own capture shows that the segment arrived
	Confirmed           // presumed, and the endpoint's own later segment implies it
	Observed            // the endpoint's own SYN, FIN or RST
)

var evidenceNames = [...]string{"", "assumed", "timer", "presumed", "delivered", "confirmed", "observed"}

func (e Evidence) String() string { return evidenceNames[e] }

// open reports a step that a later packet may still confirm or refute.
func (e Evidence) open() bool { return e == Presumed || e == Delivered }

// Step is one entry of an endpoint's history.
type Step struct {
	State          tcpstate.State
	At             int64  // ns since the epoch: when the causing segment passed the tap; 0 if no packet or timer
	Packet         Packet // the segment that caused it; 0 if none was seen
	Arrived        Packet // the same segment in the endpoint's own capture, where several captures tell; then At is its arrival
	Event          string // what happened, such as "receive SYN-ACK"
	Evidence       Evidence
	ConfirmedBy    []Packet         // the later packets that prove it
	InferredFrom   Packet           // where Packet is 0: the segment it was inferred from
	PacketEvidence Evidence         // Presumed where the state is certain but not the packet
	Alternatives   []tcpstate.State // states that the packets allow as well
	Censored       bool             // the trace ends too soon after it to tell
}

// Withdrawal is a step that was presumed and that later packets refuted.
type Withdrawal struct {
	State     tcpstate.State
	At        int64
	Packet    Packet
	Event     string
	RefutedBy []Packet
	Reason    string
}

// RTT sums up the samples of one half of the round trip, tap to endpoint and back.
type RTT struct {
	Samples        int
	Min, Mean, Max int64 // ns
}

// EndpointStats counts what one endpoint sent.
type EndpointStats struct {
	Packets         uint64
	Bytes           uint64 // payload bytes, copies included
	Retransmissions uint64 // segments that carry bytes sent before
	DuplicateACKs   uint64 // pure ACKs that repeat the last while data is outstanding
	OutOfOrder      uint64 // segments that fill a hole
	ZeroWindows     uint64 // segments that advertise a window of 0
	Acked           uint64 // sequence numbers of its that the peer was seen to acknowledge
	Unseen          uint64 // of them, those that the capture does not have
	RTT             RTT    // tap to this endpoint and back
	TTL             uint8  // TTL or hop limit of its last segment that was no RST; 0: none seen
	MaxLength       uint32 // most payload bytes in one segment: above the MSS, the tap is on its host

	// Options of its SYN or SYN-ACK.
	MSS           uint16
	WindowScale   uint8
	HasScale      bool
	SACKPermitted bool
	Timestamps    bool
	FastOpen      bool
	MPTCP         bool
}

// Endpoint is one side of a connection.
type Endpoint struct {
	State     tcpstate.State
	Evidence  Evidence // that of the last step of the history
	History   []Step   // in causal order
	Withdrawn []Withdrawal

	// TIME-WAIT at the end of the trace: what is left of 2MSL, ns. Least and
	// most differ where a restart is only presumed.
	InTimeWait                  bool
	TimeWaitLeast, TimeWaitMost int64
	Undetermined                bool           // the packets do not decide the state
	MayBe                       tcpstate.State // a silent give-up may have moved it here; Unknown if not

	Stats EndpointStats
}

// Where is where a packet was lost, seen from the tap.
type Where uint8

// Places. NoWhere: the finding is not about a loss.
const (
	NoWhere Where = iota
	BeforeTap
	AfterTap
	NeverSent
	CaptureMissed
	UndeterminedPlace
	OnPath     // between two captures: the one has it, the other lacks it
	AtReceiver // not lost: it reached its receiver's host, which dropped it
)

var whereNames = [...]string{"", "before-tap", "after-tap", "never-sent", "capture-missed", "undetermined", "on-path", "at-receiver"}

func (w Where) String() string { return whereNames[w] }

// Confidence is how sure a finding is.
type Confidence uint8

// Confidence words.
const (
	Certain Confidence = iota
	Likely
	Possible
)

var confidenceNames = [...]string{"certain", "likely", "possible"}

func (c Confidence) String() string { return confidenceNames[c] }

// Severity of a finding; Info is a fact worth knowing, not an anomaly.
type Severity uint8

// Severities, least first.
const (
	Info Severity = iota
	Note
	Warning
	Error
)

var severityNames = [...]string{"info", "note", "warning", "error"}

func (s Severity) String() string { return severityNames[s] }

// Measure is a measured number of a finding held against its limit.
type Measure struct {
	Name  string // snake_case with its unit, such as "interval_s"
	Value float64
	Limit float64 // 0: none
}

// Finding is one thing that went wrong, or a fact worth knowing.
type Finding struct {
	ID         string // kebab-case id of its rule
	Family     string // handshake, lost-ack, close, 2msl, reset, path, capture
	Severity   Severity
	Side       Side     // the endpoint concerned; Both or None where it is not one
	At         int64    // ns since the epoch
	Packets    []Packet // the decisive ones, at most 16, in order
	Where      Where
	Between    Between // OnPath: the captures between which it was lost
	Confidence Confidence
	Detail     string // one plain sentence that a person can check against the packets
	Verdict    string // reuse findings: legal_ts, legal_isn, old_duplicate, …
	Measures   []Measure
}

// Lifecycle is all that is told of one Connection: one incarnation of a FlowKey.
type Lifecycle struct {
	ID             uint64 // 1, 2, … in the order of first packets
	Stream         uint64 // Wireshark's tcp.stream
	Client, Server netip.AddrPort
	Tunnel         uint64
	RoleGuessed    bool  // no SYN told who is the client
	Start, End     int64 // ns since the epoch, first and last packet
	First, Last    Packet
	Packets        uint64

	Open       OpenKind
	Close      CloseKind
	CloseFirst Side

	Endpoints [2]Endpoint // by Side: Client, Server
	Findings  []Finding

	Reuses, ReusedBy uint64 // ids of the neighbouring incarnations, 0 if none
	Evicted          string // why it was evicted or timed out, if it was
	LogFrom          Packet // the oldest segment that can still be judged; 0: all can
	Untold           uint64 // losses beyond what one connection keeps: they have no findings

	Path *Path // what captures at several points tell; nil: one tap

	MPTCP    bool // a subflow: its FIN is not the end of the MPTCP connection (RFC 8684)
	OneSided bool // segments of one direction only

	ZeekState, ZeekHistory string
	Completeness           uint8 // Wireshark's tcp.completeness bits
	CommunityID            string

	// Note is for the receiver of Tracker.Changed: what it leaves here stands here
	// when the connection is told again, by Changed or Options.Emit. 0 at first.
	Note uint16

	reusable bool // a cleanTeller made it: no one else has the memory of its slices
}
