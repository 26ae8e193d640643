package tcpstate

// State is a connection state of RFC 9293 section 3.3.2. The zero value is
// Unknown: an endpoint of which nothing has been proved yet.
type State uint8

// The eleven states, in the order of the RFC, and Unknown.
const (
	Unknown State = iota
	Listen
	SynSent
	SynReceived
	Established
	FinWait1
	FinWait2
	CloseWait
	Closing
	LastAck
	TimeWait
	Closed
	NumStates = iota
)
