// Package reassembly rebuilds the lifecycles of TCP connections: which of the
// eleven states of RFC 9293 each endpoint was in, when, shown by which packet,
// and how sure that is. Unlike gopacket's package of that name it does not
// rebuild byte streams.
//
//	Segment -> Tracker.Add -> FlowKey -> conn (one incarnation, its log)
//	                                       |  when it retires
//	                                       v
//	                         clean, or machine: observe, refute, apply -> Lifecycle
//	                                       |
//	                         Options.Check (package anomaly) -> Findings
//	                                       |
//	                         Options.Emit  (package report)
//
// The package does no I/O and reads no clock: time is trace time, the
// timestamps of the segments. The same segments give the same Lifecycles.
//
// # What a tap can know
//
// A segment seen at the tap was sent; whether it was received is not known
// until its receiver shows it. So each step of an endpoint's history carries
// its evidence:
//
//   - observed: the endpoint's own SYN, FIN or RST;
//   - presumed: a segment that should move it passed the tap;
//   - confirmed: presumed, and the endpoint's own later segment implies it;
//   - assumed: no packet at all, such as LISTEN before the first SYN;
//   - timer: trace time ran out, 2MSL.
//
// A presumption that later packets contradict is withdrawn, with all that rests
// on it, and kept under Withdrawn with the packets that refute it. Example: A's
// ACK of B's FIN passes the tap, so B is presumed CLOSED; well over a round trip
// later B sends the FIN again; so B was still in LAST-ACK.
//
// # The rules of evidence
//
// Comments in this package give rule numbers. In short:
//
//	 1-5  what observed, presumed, confirmed, assumed and timer mean
//	 6    no step is stronger than the state it rests on; FINs that were missed
//	 7    the endpoint's evidence is that of its last step
//	 8    a segment's ACK is applied first, then its sequence number, then its FIN
//	 9    the endpoint is the connection's own: a listener's return is CLOSED
//	10    mid-stream starts
//	11    copies: duplicate frame, network duplicate, retransmission
//	12    a copy refutes the receipt of ACKs that covered it a turn ago
//	13    what is sent again unacknowledged did not arrive, unless proved
//	14    withdrawal takes all that rests on a step with it
//	14a   a segment that does not acknowledge a FIN shows it was not there yet
//	14b   a bare RST: its sender has no connection
//	14c   whoever goes on did not send the RST
//	14d   an RST after unanswered probes decides nothing
//	15    the end of the trace leaves presumptions presumed
//	16    a FIN is received when all before it is
//	17-18 which RSTs count, and their forms
//	19    incarnations: a new ISN
//	20    captures of one direction
//	21    TIME-WAIT: when it starts and starts anew
//	22-25 what timestamps, IP-IDs and D-SACKs prove of where a packet was lost
//
// Read segment.go, lifecycle.go (input and output), then tracker.go, machine.go
// and the files it names.
package reassembly
