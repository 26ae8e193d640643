package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/report"
)

// remarked is a pcapng file of a script's packets with the comments that annotate
// writes, and with a name resolution block at its end.
func remarked(t *testing.T, dir string) string {
	t.Helper()
	s, err := fixtures.Load("close-client-first")
	if err != nil {
		t.Fatal(err)
	}
	frames, err := s.Pcap()
	if err != nil {
		t.Fatal(err)
	}
	plain, path := filepath.Join(dir, "plain.pcap"), filepath.Join(dir, "remarked.pcapng")
	if err := os.WriteFile(plain, frames, 0o644); err != nil {
		t.Fatal(err)
	}
	finwait(t, "annotate", plain, "-o", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	record := func(ip [4]byte, names string) []byte {
		v := append(ip[:], names...)
		r := le.AppendUint16(le.AppendUint16(nil, 1), uint16(len(v)))
		return append(append(r, v...), make([]byte, -len(v)&3)...)
	}
	body := slices.Concat(record([4]byte{10, 0, 0, 2}, "server.example\x00www.example\x00"), record([4]byte{10, 9, 9, 9}, "stranger.example\x00"), make([]byte, 4))
	block := le.AppendUint32(le.AppendUint32(nil, 4), uint32(12+len(body)))
	block = le.AppendUint32(append(block, body...), uint32(12+len(body)))
	if err := os.WriteFile(path, append(b, block...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestNames: what a file calls an address stands beside it, and never in its place.
func TestNames(t *testing.T) {
	path := remarked(t, t.TempDir())
	text := string(finwait(t, "read", "--all", path))
	if !strings.Contains(text, "#1  10.0.0.1:41000 -> 10.0.0.2:80  tcp.stream eq 0\n    10.0.0.2 is called server.example, www.example in the capture\n    opened") ||
		strings.Contains(text, "stranger") {
		t.Error(text)
	}
	var d report.Document
	if err := json.Unmarshal(finwait(t, "read", "--format", "json", path), &d); err != nil {
		t.Fatal(err)
	}
	q := &d.Summary.Quality
	if len(q.Names) != 3 || q.NamesOf(d.Connections[0].Server.IP) != "server.example, www.example" || q.NamesOf(d.Connections[0].Client.IP) != "" {
		t.Errorf("%+v", q.Names)
	}
	page := filepath.Join(t.TempDir(), "page.html")
	finwait(t, "read", "--format", "html", "-o", page, path)
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"10.0.0.2 server.example, 10.0.0.2 www.example, 10.9.9.9 stranger.example", "remarked.pcapng: pcapng 1.0 little-endian, ", "comments on packets"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestPacketComments: a comment on a packet is shown in its row, and stays with
// the packet where it is copied.
func TestPacketComments(t *testing.T) {
	dir := t.TempDir()
	path := remarked(t, dir)
	ladder := string(finwait(t, "show", path, "--width", "200"))
	if !strings.Contains(ladder, "comment: #1 client: SYN-SENT, observed (send SYN)") {
		t.Error(ladder)
	}
	var d report.Ladder
	if err := json.Unmarshal(finwait(t, "show", "--json", path), &d); err != nil {
		t.Fatal(err)
	}
	comments := 0
	for _, r := range d.Rows {
		if len(r.Comments) > 0 {
			comments++
			if r.Packet == 1 && r.Comments[0] != "#1 client: SYN-SENT, observed (send SYN)" {
				t.Errorf("%+v", r)
			}
		}
	}
	var doc report.Document
	if err := json.Unmarshal(finwait(t, "read", "--format", "json", path), &doc); err != nil {
		t.Fatal(err)
	}
	if n := doc.Summary.Quality.Files[0].PacketComments; comments == 0 || uint64(comments) != n {
		t.Errorf("%d rows have comments, and %d packets", comments, n)
	}
	copied := filepath.Join(dir, "copied.pcapng")
	finwait(t, "extract", path, "--conn", "1", "-q", "-o", copied)
	if again := string(finwait(t, "show", copied, "--width", "200")); again != ladder {
		t.Errorf("extract changes the comments:\n%s\n%s", again, ladder)
	}
	// annotate adds its own behind them.
	twice := filepath.Join(dir, "twice.pcapng")
	finwait(t, "annotate", path, "-o", twice)
	if n, m := strings.Count(string(finwait(t, "show", "--json", path)), "send SYN)"), strings.Count(string(finwait(t, "show", "--json", twice)), "send SYN)"); n == 0 || m != 2*n {
		t.Errorf("%d comments became %d", n, m)
	}
}
