// Package report tells Lifecycles to people and to programs: as text, as one
// JSON document, as NDJSON, as CSV.
//
//	reassembly.Lifecycle --Builder--> Connection (schema.go) --+--> NDJSON, in retire order
//	                                                           +--> JSON, sorted   (spool.go)
//	                                                           +--> text, sorted   (spool.go)
//	                                                           +--> CSV, sorted    (csv.go)
//	                     --Totals---> Summary, always last
//
// What a connection costs by itself (judged, built, printed) is done by
// Preparers on any number of goroutines (prepare.go); what needs the order of
// the connections is left to Writer.AddBatch. Writer.Add does both.
//
// Read schema.go first: it is the contract with other programs (schema id
// [SchemaID]) and what every format is made of; schema/finwait-1.schema.json is
// generated from it. Then report.go (New, Writer), prepare.go, build.go, append.go.
//
// Every format gives the same bytes for the same capture: nothing here reads a
// clock, the environment or a map in its random order. Memory is bounded:
// formats that sort spill to a temporary file (spool.go).
//
// # CSV
//
// The format csv has a header and one row a connection. Columns keep their names
// and places; new ones come last. What is not known is empty.
//
//	id                       id of the connection, from 1
//	stream                   Wireshark's tcp.stream
//	client_ip                address of the client
//	client_port              its port
//	server_ip                address of the server
//	server_port              its port
//	role_guessed             true: no SYN told who is the client
//	start                    first packet
//	end                      last packet
//	duration_s               between them
//	packets                  packets of both endpoints
//	first_file               file of the first packet, where there are several
//	first_packet             number of the first packet
//	last_file                file of the last packet, where there are several
//	last_packet              number of the last packet
//	open                     how it opened
//	close                    how it closed
//	close_first              who sent the first FIN or RST
//	close_reason             why it timed out or was evicted
//	reuses                   id of the connection of the same tuple before it
//	reused_by                id of the next connection of the same tuple
//	one_sided                true: packets of one direction only
//	mptcp                    true: a subflow of Multipath TCP
//	severity                 worst severity of its findings
//	findings                 ids of its findings, worst first, with spaces between
//	zeek_conn_state          Zeek's conn_state
//	zeek_history             Zeek's history
//	completeness             Wireshark's tcp.completeness
//	community_id             Community ID, version 1
//	SIDE_state               state of the endpoint at the end
//	SIDE_evidence            how that state is known
//	SIDE_undetermined        true: the packets do not decide the state
//	SIDE_time_wait_left_s    in TIME-WAIT: what is left of 2MSL, at least
//	SIDE_time_wait_left_most_s  the same, at most
//	SIDE_packets             packets that the endpoint sent
//	SIDE_bytes               payload bytes, copies included
//	SIDE_retransmissions     packets with bytes sent before
//	SIDE_duplicate_acks      pure ACKs that repeat the last
//	SIDE_out_of_order        packets that fill a hole
//	SIDE_zero_windows        packets with a window of 0
//	SIDE_rtt_mean_s          round trip from the tap to the endpoint, mean
//
// SIDE is client, then all of them again for server.
package report
