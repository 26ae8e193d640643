package capture_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
)

// One packet, a SYN, in a pcap file.
const syn = "d4c3b2a1020004000000000000000000000004000100000000105e5f000000003600000036000000" +
	"020000000002020000000001080045000028000140004006b6c3c0000201c0000202a028005000000001000000005002ffff00000000"

func Example() {
	file, err := hex.DecodeString(syn)
	if err != nil {
		log.Fatal(err)
	}
	r, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(file)})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()

	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	var seg reassembly.Segment
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil { // damage: everything before it was given
			fmt.Println(err)
			break
		}
		if skip := d.Decode(&f, &seg); skip != capture.NotSkipped {
			continue // counted in d.Quality()
		}
		fmt.Printf("packet %d: port %d to %d, SYN %v, %d bytes\n", seg.Packet.Number(), seg.SrcPort, seg.DstPort,
			seg.Has(reassembly.FlagSYN), seg.Length)
	}
	q := d.Quality()
	fmt.Println(q.Frames, "frames,", q.Segments, "segments,", q.TotalSkipped(), "skipped")
	// Output:
	// packet 1: port 41000 to 80, SYN true, 0 bytes
	// 1 frames, 1 segments, 0 skipped
}

func ExampleOpen_damage() {
	file, err := hex.DecodeString(syn)
	if err != nil {
		log.Fatal(err)
	}
	r, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(file[:len(file)-4])})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	var f capture.Frame
	fmt.Println(r.Next(&f))
	// Output:
	// standard input: the file ends inside a record: the end of a packet is missing (byte 24, after packet 0); everything before it was read
}
