package capture

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// direction is one direction of one tuple of one file.
type direction struct {
	file     string
	from, to netip.AddrPort
}

type volume struct {
	packets, bytes int
	unknown        int // segments whose length is not known
}

// tsharkVolumes adds up tshark's streams by direction.
func tsharkVolumes(t *testing.T) map[direction]volume {
	t.Helper()
	f, err := os.Open(filepath.Join(corpusDir, "tshark_streams.jsonl.gz"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("no corpus of captures beside the repository")
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	all := map[direction]volume{}
	for d := json.NewDecoder(z); ; {
		var s struct {
			File      string
			A, B      string
			PacketsAB int `json:"packets_ab"`
			PacketsBA int `json:"packets_ba"`
			BytesAB   int `json:"bytes_ab"`
			BytesBA   int `json:"bytes_ba"`
		}
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		a, err1 := netip.ParseAddrPort(s.A)
		b, err2 := netip.ParseAddrPort(s.B)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		for _, v := range []struct {
			d direction
			v volume
		}{{direction{s.File, a, b}, volume{packets: s.PacketsAB, bytes: s.BytesAB}}, {direction{s.File, b, a}, volume{packets: s.PacketsBA, bytes: s.BytesBA}}} {
			sum := all[v.d]
			all[v.d] = volume{packets: sum.packets + v.v.packets, bytes: sum.bytes + v.v.bytes}
		}
	}
}

// pppoePadded has ACKs whose IP header counts Ethernet's padding; PPPoE's does not.
const pppoePadded = "zeek/testing/btest/Traces/pppoe-over-qinq.pcap"

// TestCorpusTuples compares, for each direction of each tuple, the number of
// segments and the sum of their payload lengths with tshark's.
func TestCorpusTuples(t *testing.T) {
	want := tsharkVolumes(t)
	other := differences(t)
	directions := 0
	for _, c := range corpus(t) {
		if _, known := other[c.path]; known || c.tcp == 0 {
			continue
		}
		got := volumes(t, c.path)
		for d, v := range got {
			directions++
			if w := want[d]; w.packets != v.packets || w.bytes != v.bytes && (v.unknown == 0 || c.path == pppoePadded) {
				t.Errorf("%s: %v to %v: %d segments with %d bytes, tshark has %d with %d", c.path, d.from, d.to, v.packets, v.bytes, w.packets, w.bytes)
			}
		}
		for d, w := range want {
			if d.file == c.path && w.packets > 0 && got[d] == (volume{}) {
				t.Errorf("%s: %v to %v: tshark has %d segments", c.path, d.from, d.to, w.packets)
			}
		}
	}
	if directions < 1000 {
		t.Errorf("only %d directions compared", directions)
	}
}

func volumes(t *testing.T, path string) map[direction]volume {
	t.Helper()
	r, err := Open([]string{filepath.Join(corpusDir, path)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := map[direction]volume{}
	d := NewDecoder(DecoderOptions{})
	var f Frame
	var s reassembly.Segment
	for r.Next(&f) == nil {
		for ok := d.Decode(&f, &s) == NotSkipped; ok; ok = d.More(&s) {
			if s.Quoted() {
				continue
			}
			key := direction{path, netip.AddrPortFrom(address(s.Src, s.V6), s.SrcPort), netip.AddrPortFrom(address(s.Dst, s.V6), s.DstPort)}
			v := all[key]
			v.packets++
			v.bytes += int(s.Length)
			if s.LengthUnknown {
				v.unknown++
			}
			all[key] = v
		}
	}
	return all
}
