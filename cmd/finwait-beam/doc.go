// Command finwait-beam gives the connections and findings of any number of
// captures by an Apache Beam pipeline: the analysis of `finwait read` on
// machines that someone already has (Prism on this one, Flink, Spark,
// Dataflow). It is a module of its own: the analyser does not depend on Beam.
//
//	patterns --list--> (number, path) --read--> (flow, batch of segments)   what each file was
//	                                               |                            |
//	                                          group by flow <--- end of the trace, numbers of files
//	                                               |
//	                                      order --> Tracker --> connections --> shards --> OUTPUT/connections-*.ndjson
//	                                                   |
//	                                                Totals --combine--> OUTPUT/summary.ndjson
//
// Read pipeline.go first, then read.go, order.go (which brings a flow's
// segments into the order of `finwait read`, in bounded memory), flow.go and
// write.go.
//
// Why the answers are the same. A connection's life depends on its own segments
// and on the trace clock, the greatest time of any frame so far. `finwait read`
// takes of several files the one whose next frame is oldest. Frames that go back
// in time follow their file's frame before at once, so the order is that of the
// greatest time of the same file so far, and the trace clock at a frame is that
// time. Both are facts of one file. A batch tells them, and so each flow can be
// put in order and judged by itself; how late another flow moved the clock
// changes nothing, since a connection is judged as of its expiry. The end of the
// trace is the same for all, and is told to all.
package main
