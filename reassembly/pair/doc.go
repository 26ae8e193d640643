// Package pair makes one story of captures taken at several points of a path:
// each packet once, in the order in which it was sent, with what became of it.
//
//	Survey  reads every capture once and learns how they go together: which
//	        flows they share, through address translation too, how their clocks
//	        run against each other, which end of each flow is near which
//	        capture, and where a capture missed packets (survey.go, flows.go,
//	        clock.go)
//	Merge   reads them again side by side, pairs packet with packet within a
//	        window of time, and gives each to the Tracker with its fate
//	        (merge.go, fate.go, recut.go)
//
// A packet is known by its flow, direction, sequence number, acknowledgment,
// flags, length and TSval, and where two still look the same by IP-ID, a hash of
// the payload's first bytes and the usual delay. Hosts that offload
// segmentation cut data differently from the wire: then bytes are paired instead
// of packets.
//
// A packet that a capture lacks was lost only if that capture was running when it
// would have come. Frames from before and after show that; where there are none,
// or none of the connection, or none at all, it is assumed, and told so
// (listen.go, plan.go): unless the capture's own host sent then, which it would
// have, its file is cut off, or later packets show that the packet came.
//
// Memory is bounded by Options: samples and flows for the survey, packets under
// way for the merge.
package pair
