// Package capture turns capture files into TCP segments. It is the first half
// of the program's way of the data:
//
//	paths --Open--> Reader.Next --> Frame --Decoder.Decode--> reassembly.Segment
//	                  |                          |
//	               FileInfo                   Quality
//
// Read source.go first (Frame, Source, Error), then open.go and decode.go.
//
// A Reader is one timeline over any number of files. The readers for pcap,
// pcapng and snoop are our own, because the ones at hand lose packets or trust
// lengths that the file claims; they never allocate what a length field asks
// for, and a damaged file gives all that stands before the damage.
//
// An interface takes the place of the files in a live capture (live.go, and
// live_libpcap.go and afpacket_linux.go behind it):
//
//	name --OpenLive--> Live --NewBacklog--> Backlog.Next --> Frame
//
// A Decoder never fails: a frame is either a segment or is skipped for a reason
// that has a name and a count, so that frames in = segments + skipped.
//
// Types of gopacket stay inside this package.
package capture
