package tcpstate

// Event is something that an endpoint does or that happens to it, as a tap can
// tell it: a segment sent, a segment received, a timer.
type Event uint8

// Events. "Receive" means that the segment reached the endpoint and that its
// numbers are acceptable (RFC 9293 section 3.10.7.4); a segment that both
// acknowledges and closes is several events: its ACK first, then its SYN, then its FIN.
const (
	SendSYN         Event = iota // SYN without ACK: active open
	SendSYNACK                   // SYN with ACK
	SendFIN                      // first FIN
	SendRST                      // a reset that the endpoint itself sends
	ReceiveSYN                   // SYN without ACK
	ReceiveSYNACK                // SYN with an ACK that covers our SYN
	ReceiveACKOfSYN              // an ACK, without SYN, that covers our SYN
	ReceiveACKOfFIN              // an ACK that covers our FIN
	ReceiveACK                   // any other acceptable ACK, with or without data
	ReceiveFIN                   // FIN, all before it received
	ReceiveRST                   // acceptable RST (RFC 5961 section 3.2: exact)
	TwoMSL                       // 2MSL passed in TIME-WAIT
	NumEvents       = iota
)
