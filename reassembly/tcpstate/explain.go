package tcpstate

// This file is what `finwait explain STATE` says of each state: what it means,
// what usually keeps a connection there, what to look at.

var explanations = [NumStates]string{
	Unknown: "Nothing has been proved of this endpoint yet: the capture began after the connection did, or none of " +
		"the endpoint's own segments was seen. It is no state of TCP but the absence of evidence.\n\n" +
		"Usual causes: the capture was started late; it sees one direction only; packets were dropped by the capture.\n\n" +
		"What to do: capture from before the connection opens, on a point that both directions pass. A SYN, FIN or RST of the " +
		"endpoint, or data in both directions, ends the uncertainty.",
	Listen: "The endpoint waits for a connection request from any peer. A tap never sees a listening socket as such: the state is " +
		"assumed, and only once a SYN-ACK has shown that somebody listened.\n\n" +
		"Usual causes of staying: none that is a fault. A listener stays for as long as its program runs; RFC 9293 returns a passive " +
		"opener here when its handshake is reset, and the report calls that CLOSED, for this connection is over.\n\n" +
		"What to do: if SYNs to it stay unanswered, look at the listener's backlog and at filters (syn-unanswered).",
	SynSent: "The endpoint has sent a SYN and waits for the SYN-ACK: an active open.\n\n" +
		"Usual causes of staying: a filter drops the SYN or its answer; the host is down or the address is wrong; the listener's queue " +
		"is full. The SYN is sent again after about 1, 2, 4, … seconds until the system gives up, on Linux after some two minutes.\n\n" +
		"What to do: see whether the SYN reaches the server (capture there) and whether a SYN-ACK leaves it. A RST in answer means that " +
		"nobody listens (syn-refused); silence means that something drops.",
	SynReceived: "The endpoint has received a SYN and sent a SYN-ACK; the ACK that completes the handshake has not arrived. Both ends " +
		"pass through it in a simultaneous open.\n\n" +
		"Usual causes of staying: the third ACK was lost or dropped (a full accept queue looks the same); the SYN had a false source " +
		"address (a SYN flood); the SYN-ACK never reached the client.\n\n" +
		"What to do: look whether SYN-ACKs repeat after the client's ACK was seen (third-ack-lost-or-dropped) or without one " +
		"(half-open-no-third-ack). On the server, compare the accept queue with its limit (`ss -ltn`) and the counter ListenOverflows.",
	Established: "The handshake is complete; both ends may send data.\n\n" +
		"Usual causes of staying: it is the ordinary state of an open connection. One that is silent for hours may be held open on " +
		"purpose, or its peer may have vanished without a word: TCP alone does not notice that.\n\n" +
		"What to do: with a silent connection, look for keep-alives. If one end is still ESTABLISHED while the other has closed, a FIN " +
		"or RST was lost or a middlebox dropped its state (vanished, fin-ack-missing).",
	FinWait1: "The endpoint has closed: its FIN is sent and not yet acknowledged. It may still receive data.\n\n" +
		"Usual causes of staying: the FIN or its ACK is lost and the FIN is sent again; the peer's window is zero, so that data before " +
		"the FIN cannot leave; the peer is gone.\n\n" +
		"What to do: look for copies of the FIN (fin-retransmitted, fin-ack-missing) and for a zero window (zero-window-stall). Many " +
		"sockets here on one host usually mean a path that drops, or peers that do not read.",
	FinWait2: "The endpoint's FIN was acknowledged; it waits for the peer's FIN and may still receive data (half-close).\n\n" +
		"Usual causes of staying: the peer's program has not closed its socket; the peer is in CLOSE-WAIT. Linux deletes a socket " +
		"here that no program owns after tcp_fin_timeout, 60 s, and answers what comes later with a RST.\n\n" +
		"What to do: the cause is in the peer's program: see CLOSE-WAIT and the finding fin-wait2-stall. Data that flows towards this " +
		"endpoint means a half-close on purpose (half-close-with-data).",
	CloseWait: "The peer has closed: its FIN has arrived. The endpoint's own program has yet to close, and may still send.\n\n" +
		"Usual causes of staying: the program does not read the end of the stream or forgets to close the socket: a descriptor leak, a blocked " +
		"thread, a connection pool that keeps dead connections. No timer ends this state.\n\n" +
		"What to do: find the program that owns the socket (`ss -tnp state close-wait`) and see why it does not close. A tap shows how " +
		"long it took (close-wait-stall); the network is seldom to blame.",
	Closing: "Both ends have sent a FIN, the peer's has arrived, and the endpoint's own is not yet acknowledged: the FINs crossed " +
		"(simultaneous close).\n\n" +
		"It is often taught that CLOSING is what happens when the ACK of a FIN is lost. That holds only if the peer's FIN does not carry " +
		"that ACK itself; where it does, the endpoint goes straight to TIME-WAIT.\n\n" +
		"Usual causes of staying: the ACK of the FIN was lost; the FIN is then sent again. The state normally lasts one round trip.\n\n" +
		"What to do: compare the ack numbers of the two FINs, not their order at the tap (simultaneous-close, ack-lost-after-tap).",
	LastAck: "The endpoint received the peer's FIN, then closed too: it waits for the ACK of its own FIN, the last of the connection.\n\n" +
		"Usual causes of staying: the final ACK was lost, so the FIN is sent again and the peer, in TIME-WAIT, must acknowledge it " +
		"again; or the peer is gone and nothing answers.\n\n" +
		"What to do: see whether a final ACK passed before the copy (final-ack-lost: lost behind the tap), whether a RST answers the copy " +
		"(time-wait-missing) or nothing at all (last-ack-stall).",
	TimeWait: "Both FINs are exchanged. The endpoint that closed first waits for twice the maximum segment lifetime (2MSL), to " +
		"acknowledge the peer's FIN again if the final ACK was lost, and to keep old segments out of a new connection of the same tuple.\n\n" +
		"Usual causes of many: this end closes first, many times a second. That is legal; it costs a port of the tuple for 60 s on Linux " +
		"and 30 s to 240 s elsewhere.\n\n" +
		"What to do: nothing, unless ports run out (port-pressure) or a new connection on the tuple fails (tuple-reused-in-2msl, " +
		"syn-in-time-wait-rejected). Then reuse connections, let the client close first, or use more addresses. Never shorten it by " +
		"resets (time-wait-assassinated).",
	Closed: "The connection does not exist for this endpoint, any more or yet.\n\n" +
		"How it gets here: the final ACK in LAST-ACK, 2MSL in TIME-WAIT, a RST sent or received, or a handshake given up. Whatever " +
		"arrives now is answered by a RST.\n\n" +
		"What to do: if the peer still thinks the connection open, it learns from that RST (rst-for-closed); if a filter swallows the " +
		"RST, it must wait for its own time-outs.",
}

// Explain says what the state means, what usually keeps a connection in it, and
// what to look at; paragraphs are set apart by an empty line.
func (s State) Explain() string {
	if int(s) < len(explanations) {
		return explanations[s]
	}
	return ""
}
