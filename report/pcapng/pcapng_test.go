package pcapng_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report/pcapng"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	var b bytes.Buffer
	w, err := pcapng.NewWriter(&b, "test")
	if err != nil {
		t.Fatal(err)
	}
	interfaces := []pcapng.Interface{
		{LinkType: 1, SnapLen: 262144, Name: "eth0", Description: "towards the server"},
		{LinkType: 101},
		{LinkType: 1, FCS: 4},
	}
	for i, in := range interfaces {
		if n, err := w.AddInterface(in); n != i || err != nil {
			t.Fatal(n, err)
		}
	}
	sent := []pcapng.Packet{
		{Interface: 0, Time: 1767225600_123456789, WireLen: 1514, Data: []byte("cut"), Comment: "one\ntwo µ"},
		{Interface: 1, Time: 0, WireLen: 0, Data: nil},
		{Interface: 2, Time: 1<<63 - 1, WireLen: 4, Data: []byte("four"), Comment: strings.Repeat("é", 40_000)},
	}
	for i := range sent {
		if err := w.Write(&sent[i]); err != nil {
			t.Fatal(err)
		}
	}
	blocks(t, b.Bytes())
	in, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(b.Bytes())})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var f capture.Frame
	for i, p := range sent {
		if err := in.Next(&f); err != nil {
			t.Fatalf("packet %d: %v", i+1, err)
		}
		if f.Time != p.Time || !bytes.Equal(f.Data, p.Data) || f.WireLen != p.WireLen || int(f.Interface) != p.Interface ||
			f.LinkType != uint32(interfaces[p.Interface].LinkType) || f.FCS != interfaces[p.Interface].FCS {
			t.Errorf("packet %d: %+v", i+1, f)
		}
	}
	if err := in.Next(&f); err != io.EOF {
		t.Error(err)
	}
	for i, got := range in.Files()[0].Interfaces {
		if got.Name != interfaces[i].Name || got.Description != interfaces[i].Description || got.SnapLen != interfaces[i].SnapLen {
			t.Errorf("interface %d: %+v", i, got)
		}
	}
}

// blocks checks the frame of the format: lengths at both ends of each block, in
// multiples of four, and options that end where the block does.
func blocks(t *testing.T, b []byte) {
	t.Helper()
	le := binary.LittleEndian
	for len(b) > 0 {
		kind, n := le.Uint32(b), le.Uint32(b[4:])
		if n%4 != 0 || int(n) > len(b) || le.Uint32(b[n-4:]) != n {
			t.Fatalf("a block of type %d claims %d bytes of %d", kind, n, len(b))
		}
		if kind == 6 {
			options := b[28+(le.Uint32(b[20:])+3)/4*4 : n-4]
			for len(options) > 0 {
				code, length := le.Uint16(options), int(le.Uint16(options[2:]))
				if code == 1 && !utf8.Valid(options[4:4+length]) {
					t.Error("a comment is no UTF-8")
				}
				options = options[4+(length+3)/4*4:]
				if code == 0 && len(options) > 0 {
					t.Error("something stands behind the last option")
				}
			}
		}
		b = b[n:]
	}
}

func TestErrors(t *testing.T) {
	w, err := pcapng.NewWriter(io.Discard, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&pcapng.Packet{}); err == nil {
		t.Error("a packet of no interface")
	}
	if _, err := w.AddInterface(pcapng.Interface{LinkType: 1}); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(&pcapng.Packet{Time: -1}); !errors.Is(err, pcapng.ErrTime) {
		t.Error(err)
	}
	if _, err := pcapng.NewWriter(full{}, "test"); err != io.ErrShortWrite {
		t.Error(err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
