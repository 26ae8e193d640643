package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/fixtures/score"
	"github.com/finwait/finwait/report"
)

// record is one packet of a nanosecond pcap.
type record struct {
	at   int64
	wire uint32
	data []byte
}

func readRecords(t *testing.T, path string) (head []byte, list []record) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	for o := 24; o+16 <= len(b); {
		n := int(le.Uint32(b[o+8:]))
		list = append(list, record{int64(le.Uint32(b[o:]))*1e9 + int64(le.Uint32(b[o+4:])), le.Uint32(b[o+12:]), b[o+16 : o+16+n]})
		o += 16 + n
	}
	return b[:24], list
}

func writeRecords(t *testing.T, path string, head []byte, list []record) {
	t.Helper()
	le := binary.LittleEndian
	b := slices.Clone(head)
	for _, r := range list {
		b = le.AppendUint32(b, uint32(r.at/1e9))
		b = le.AppendUint32(b, uint32(r.at%1e9))
		b = le.AppendUint32(b, uint32(len(r.data)))
		b = append(le.AppendUint32(b, r.wire), r.data...)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// translate gives both ends of an IPv4 packet other addresses, ports and
// initial sequence numbers, as a gateway may.
func translate(frame []byte) []byte {
	if len(frame) < 54 || frame[12] != 8 || frame[13] != 0 {
		return frame
	}
	be := binary.BigEndian
	b := slices.Clone(frame)
	tcp := b[14+int(b[14]&15)*4:]
	toServer := b[29] == 1 // the client's address ends in 1
	cport, sport := 0, 2
	c, s := b[26:30], b[30:34]
	if !toServer {
		cport, sport, c, s = sport, cport, s, c
	}
	port := be.Uint16(tcp[cport:])
	isn := [2]uint32{uint32(port) * 77777, uint32(port) * 1234567}
	copy(c, []byte{192, 0, 2, c[2]})
	copy(s, []byte{9, 0, 113, s[2]})
	be.PutUint16(tcp[cport:], port^0x2000)
	be.PutUint16(tcp[sport:], be.Uint16(tcp[sport:])^0x101)
	if !toServer {
		isn[0], isn[1] = isn[1], isn[0]
	}
	be.PutUint32(tcp[4:], be.Uint32(tcp[4:])+isn[0])
	if tcp[13]&0x10 != 0 {
		be.PutUint32(tcp[8:], be.Uint32(tcp[8:])+isn[1])
	}
	return b
}

// disturbances are what may be wrong with the server's capture, and what the
// report then says of it.
var disturbances = []struct {
	name, note string
	do         func([]record) []record
	inexact    int // most endpoints of the soak whose path is not exact
}{
	{"as they are", "", func(l []record) []record { return l }, 0},
	{"clock 3 s ahead and 50 ppm fast", "", func(l []record) []record {
		out := slices.Clone(l)
		for i := range out {
			out[i].at += 3e9 + (out[i].at-l[0].at)/20_000
		}
		return out
	}, 0},
	{"addresses, ports and sequence numbers translated", "other addresses", func(l []record) []record {
		out := slices.Clone(l)
		for i := range out {
			out[i].data = translate(out[i].data)
		}
		return out
	}, 0},
	{"cut in half", "it ends", func(l []record) []record { return l[:len(l)/2] }, 0},
	{"one packet in twenty missed", "it missed", func(l []record) []record {
		r := rand.New(rand.NewPCG(7, 7))
		return slices.DeleteFunc(slices.Clone(l), func(record) bool { return r.IntN(20) == 0 })
	}, 0},
	{"every frame twice", "", func(l []record) (out []record) {
		for _, r := range l {
			again := r
			again.at += 8000
			out = append(out, r, again)
		}
		return out
	}, 0},
	{"clock set back", "does not run steadily", func(l []record) []record {
		out := slices.Clone(l)
		for i := len(out) / 2; i < len(out); i++ {
			out[i].at -= 10e9
		}
		return out
	}, 0},
}

// lostTold holds what was dropped against what is told as lost.
type lostKey struct {
	ip       string
	port     int
	flags    string
	seq, ack uint32
	len      int
}

func sortedFlags(s string) string {
	b := []byte(strings.ReplaceAll(s, ".", "A"))
	slices.Sort(b)
	return string(b)
}

// dropped reads the faults of a scenario or a soak.
func dropped(t *testing.T, truth []byte) map[lostKey]int {
	t.Helper()
	type packet struct {
		Src      string
		Sport    int
		Flags    string
		Seq, Ack uint32
		Len      int
	}
	type fault struct {
		Action, Dir string
		packet
		Pkt *packet
	}
	out := map[lostKey]int{}
	d := json.NewDecoder(bytes.NewReader(truth))
	for d.More() {
		var doc struct {
			Client, Server []any
			Faults         []fault
		}
		if err := d.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		for _, f := range doc.Faults {
			p := f.packet
			switch {
			case f.Action != "" && f.Action != "drop":
				continue
			case f.Pkt != nil:
				p = *f.Pkt
			default:
				from := doc.Client
				if f.Dir == "s2c" {
					from = doc.Server
				}
				p.Src, p.Sport = from[0].(string), int(from[1].(float64))
			}
			if !strings.Contains(p.Flags, "A") {
				p.Ack = 0
			}
			out[lostKey{p.Src, p.Sport, sortedFlags(p.Flags), p.Seq, p.Ack, p.Len}]++
		}
	}
	return out
}

// lost reads what a report tells as lost, of that what it assumes, and what it
// says of its points.
func lost(t *testing.T, text []byte) (out, assumed map[lostKey]int, notes string) {
	t.Helper()
	out, assumed = map[lostKey]int{}, map[lostKey]int{}
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var c report.Connection
		if bytes.HasPrefix(line, []byte(`{"type":"capture"`)) {
			var capture report.Capture
			if err := json.Unmarshal(line, &capture); err != nil {
				t.Fatal(err)
			}
			for _, p := range capture.Points {
				notes += strings.Join(p.Notes, "\n")
			}
		}
		if !bytes.HasPrefix(line, []byte(`{"type":"connection"`)) {
			continue
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		if c.Path == nil {
			continue
		}
		for _, l := range c.Path.Lost {
			a := c.Client
			if l.From == "server" {
				a = c.Server
			}
			key := lostKey{a.IP.String(), int(a.Port), sortedFlags(l.Flags), l.Seq, l.Ack, int(l.Len)}
			if !strings.Contains(key.flags, "A") {
				key.ack = 0
			}
			out[key]++
			if l.Assumed {
				assumed[key]++
			}
			if len(l.Between) != 2 || l.Between[0] != string(l.From) {
				t.Errorf("packet %d of the %s is lost between %v", l.Packet, l.From, l.Between)
			}
		}
	}
	return out, assumed, notes
}

func bothSides(t *testing.T, client, server string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run([]string{"read", "--client-side", client, "--server-side", server, "--format", "ndjson"},
		streams{in: &bytes.Buffer{}, out: &out, err: &errs}); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.Bytes())
	}
	return out.Bytes()
}

// Both ends' captures of real kernels: the states are those that the kernels
// went through, nothing certain is false, and what was dropped on the way is told
// as lost, and nothing else.
func TestBothEnds(t *testing.T) {
	const truths = "../../../shared/truth"
	soak := truths + "/soak/soak_1500_loss2"
	if _, err := os.Stat(soak + ".server.pcap"); err != nil {
		t.Skip("../shared/truth with its end captures is not here")
	}
	soakTruth, err := os.ReadFile(soak + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	want := dropped(t, soakTruth)
	for n, d := range disturbances {
		t.Run(d.name, func(t *testing.T) {
			server := filepath.Join(t.TempDir(), "server.pcap")
			head, list := readRecords(t, soak+".server.pcap")
			writeRecords(t, server, head, d.do(list))
			text := bothSides(t, soak+".client.pcap", server)
			c, notes, err := score.Kernel("soak", text, soakTruth, nil)
			if err != nil {
				t.Fatal(err)
			}
			if wrong := c.Endpoints - c.Exact; wrong > d.inexact {
				t.Errorf("%d of %d paths are wrong: %s", wrong, c.Endpoints, strings.Join(slices.DeleteFunc(notes, func(s string) bool { return !strings.Contains(s, "kernel") }), "\n"))
			}
			told, assumed, note := lost(t, text)
			if d.note != "" && !strings.Contains(note, d.note) || d.note == "" && note != "" {
				t.Errorf("the disturbance is told as %q, wanted %q", note, d.note)
			}
			for key, times := range told {
				if want[key] < times-assumed[key] {
					t.Errorf("%+v is told as lost %d times, was dropped %d times", key, times, want[key])
				}
			}
			if n > 2 {
				return // what the capture lacks cannot be told
			}
			if told, were := bytes.Count(text, []byte(`{"type":"connection"`)), bytes.Count(soakTruth, []byte("\n")); told != were {
				t.Errorf("%d connections are told, there were %d", told, were)
			}
			if c.FalseCertain != 0 || 100*c.Certain < 90*c.Steps {
				t.Errorf("certain but false %d; %d of %d steps told as certain", c.FalseCertain, c.Certain, c.Steps)
			}
			if len(told) != len(want) {
				t.Errorf("%d packets told as lost, %d were dropped", len(told), len(want))
			}
			for key := range want {
				if told[key] != want[key] {
					t.Errorf("%+v was dropped %d times, told %d times", key, want[key], told[key])
				}
			}
		})
	}
}

// undecidableBothEnds lists by scenario the endpoints whose path both ends'
// captures do not decide.
func undecidableBothEnds(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/taps/undecidable.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 2 && f[0] != "#" {
			out[f[0]] = append(out[f[0]], f[1])
		}
	}
	return out
}

// The same for every scenario that has end captures.
func TestBothEndsOfScenarios(t *testing.T) {
	captures, err := filepath.Glob("../../../shared/truth/out/*.client.pcap")
	if err != nil || len(captures) == 0 {
		t.Skip("../shared/truth with its end captures is not here")
	}
	undecidable := undecidableBothEnds(t)
	for n, d := range disturbances[:5] { // the rest needs more packets than these have
		t.Run(d.name, func(t *testing.T) {
			missing, wanted, sum := 0, 0, score.Counts{}
			dir := t.TempDir()
			for _, client := range captures {
				base := strings.TrimSuffix(client, ".client.pcap")
				truth, err := os.ReadFile(base + ".truth.json")
				if err != nil {
					t.Fatal(err)
				}
				server := filepath.Join(dir, filepath.Base(base)+".pcap")
				head, list := readRecords(t, base+".server.pcap")
				if len(list) > 0 {
					list = d.do(list)
				}
				writeRecords(t, server, head, list)
				text := bothSides(t, client, server)
				c, notes, err := score.Kernel(filepath.Base(base), text, truth, nil)
				if err != nil {
					t.Fatal(err)
				}
				undecided := 0
				for _, side := range undecidable[filepath.Base(base)] {
					if !slices.ContainsFunc(notes, func(note string) bool { return strings.Contains(note, side+": kernel") }) {
						t.Errorf("%s: the path of the %s is right: take it off the list", filepath.Base(base), side)
					}
					undecided++
				}
				if c.Endpoints-c.Exact != undecided {
					t.Errorf("%s: paths %d of %d: %s", filepath.Base(base), c.Exact, c.Endpoints, strings.Join(notes, "\n"))
				}
				sum.Exact += c.Exact
				sum.Endpoints += c.Endpoints
				sum.Certain += c.Certain
				sum.Steps += c.Steps
				if c.FalseCertain != 0 {
					t.Errorf("%s: certain but false %d", filepath.Base(base), c.FalseCertain)
				}
				told, assumed, _ := lost(t, text)
				want := dropped(t, truth)
				for key, times := range told {
					if n > 2 {
						times -= assumed[key]
					}
					if want[key] < times {
						t.Errorf("%s: %+v is told as lost %d times, was dropped %d times", filepath.Base(base), key, times, want[key])
					}
				}
				for key, n := range want {
					wanted += n
					missing += max(n-told[key], 0)
				}
			}
			if n > 2 {
				return // what the capture lacks cannot be told
			}
			if 100*sum.Certain < 90*sum.Steps {
				t.Errorf("%d of %d steps told as certain", sum.Certain, sum.Steps)
			}
			if missing > 0 {
				t.Errorf("%d of %d dropped packets are not told as lost", missing, wanted)
			}
		})
	}
}

// What cannot go together is refused or told, and never more than told.
func TestOddTaps(t *testing.T) {
	captures, err := filepath.Glob("../../fixtures/kernel/*.pcap")
	if err != nil || len(captures) < 2 {
		t.Fatal("no captures")
	}
	a, b := captures[0], captures[1]
	empty := filepath.Join(t.TempDir(), "empty.pcap")
	head, list := readRecords(t, a)
	writeRecords(t, empty, head, nil)
	cut := filepath.Join(t.TempDir(), "cut.pcap")
	writeRecords(t, cut, head, list)
	whole, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(cut, whole[:len(whole)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		text string // of both streams
	}{
		{"one file twice", []string{"--client-side", a, "--server-side", a}, statusUsage, "at one point"},
		{"one side only", []string{"--client-side", a}, statusUsage, "two points at least"},
		{"a file beside them", []string{"--client-side", a, "--server-side", b, a}, statusUsage, "belongs to no point"},
		{"standard input", []string{"--client-side", "-", "--server-side", "-"}, statusUsage, "only once"},
		{"no name", []string{"--tap", a, "--server-side", b}, statusUsage, "is not NAME=FILE"},
		{"a name twice", []string{"--client-side", a, "--tap", "server=" + b, "--server-side", b}, statusUsage, "is the name of --server-side"},
		{"packets chosen before they are paired", []string{"--client-side", a, "--server-side", b, "--vlan", "7"}, statusUsage, "before they are chosen"},
		{"a format of one point", []string{"--client-side", a, "--server-side", b, "--format", "parquet", "-o", t.TempDir()}, statusUsage, "one point"},
		{"no such file", []string{"--client-side", a, "--server-side", "nowhere.pcap"}, statusInput, "nowhere.pcap"},
		{"no capture", []string{"--client-side", a, "--server-side", "taps_test.go"}, statusInput, "not a capture file"},
		{"unrelated captures", []string{"--client-side", a, "--server-side", b}, 0, "shares no packet"},
		{"an empty capture", []string{"--client-side", a, "--server-side", empty}, 0, "holds no TCP segment"},
		{"a damaged capture", []string{"--client-side", b, "--server-side", cut}, statusInput, "ends inside a record"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(append([]string{"read"}, c.args...), streams{in: &bytes.Buffer{}, out: &out, err: &errs})
			if code != c.code || !strings.Contains(out.String()+errs.String(), c.text) {
				t.Errorf("exit status %d, wanted %d and %q:\n%s%s", code, c.code, c.text, out.String(), errs.String())
			}
		})
	}
}
