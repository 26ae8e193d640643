package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// TestPcapngNames reads Name Resolution Blocks in either byte order, whole, odd
// and contradicting themselves.
func TestPcapngNames(t *testing.T) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := newNG(o).iface(LinkEthernet, 0)
		v4 := func(last byte, names string) []byte { return n.opt(1, append([]byte{192, 0, 2, last}, names...)) }
		v6 := append(netip.MustParseAddr("2001:db8::1").AsSlice(), "six.example\x00"...)
		end := n.opt(0, nil)
		n.block(blockNames, cat(v4(1, "a.example\x00alias.example\x00"), n.opt(2, v6), n.opt(9, []byte("unknown")), v4(2, "not ended"), end, v4(3, "behind the end\x00")))
		n.packet(0, 1, 3, "abc")
		n.block(blockNames, cat(v4(1, "a.example\x00"), v4(4, "\x00"), v4(5, ""), v4(6, "c\x1b[31m.example\x00"), v4(7, strings.Repeat("x", 300)+"\x00"), n.opt(1, []byte{192, 0}), []byte{1, 2}))
		n.block(blockNames, nil)
		n.block(blockNames, []byte{1})
		_, r, err := readAll(t, n.b)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range r.Files()[0].Names {
			got = append(got, fmt.Sprint(name.IP, " ", name.Name))
		}
		want := []string{"192.0.2.1 a.example", "192.0.2.1 alias.example", "2001:db8::1 six.example", "192.0.2.2 not ended",
			"192.0.2.6 c [31m.example", "192.0.2.7 " + strings.Repeat("x", 255)}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPcapngNamesBound: a file of names alone costs little.
func TestPcapngNamesBound(t *testing.T) {
	n := newNG(binary.LittleEndian)
	var records []byte
	for i := range maxNames + 50 {
		records = append(records, n.opt(1, append(binary.BigEndian.AppendUint32(nil, uint32(i)), "x\x00"...))...)
	}
	n.block(blockNames, records)
	_, r, err := readAll(t, n.b)
	if f := r.Files()[0]; err != nil || len(f.Names) != maxNames || len(f.Warnings) != 1 || !strings.Contains(f.Warnings[0], "more than 8192 addresses") {
		t.Errorf("%d names, %q, %v", len(f.Names), f.Warnings, err)
	}
}

// TestPacketComments: a packet's comments come with it, and with no other.
func TestPacketComments(t *testing.T) {
	n := newNG(binary.BigEndian).iface(LinkEthernet, 0)
	n.packet(0, 1, 3, "abc", n.opt(1, []byte("one\x1b")), n.opt(2, n.u32(0)), n.opt(1, []byte("two\r\nlines\n")))
	n.packet(0, 2, 3, "def")
	n.packet(0, 3, 4, "ghij", n.opt(1, []byte("three")))
	n.block(blockSimple, append(n.u32(4), "klmn"...))
	n.packet(0, 4, 3, "opq", n.opt(1, nil))
	n.block(blockJournal, []byte("MESSAGE=x"))
	r, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(n.b)})
	if err != nil {
		t.Fatal(err)
	}
	var f Frame
	var got []string
	for r.Next(&f) == nil {
		got = append(got, string(f.Comment))
	}
	if want := []string{"one \ntwo \nlines", "", "three", "", "", ""}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if n := r.Files()[0].Commented; n != 4 {
		t.Errorf("%d comments counted, want 4", n)
	}
}
