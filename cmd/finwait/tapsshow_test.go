package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/report"
)

// lastACKLost are captures of both ends of one connection of two Linux kernels:
// the last ACK of the close was dropped between them.
const lastACKLost = "testdata/taps/last-ack-lost"

// lastACKLostMiddle was captured between them: the ACK was dropped behind it.
const lastACKLostMiddle = "../../fixtures/kernel/07a_last_ack_lost_after.pcap"

func showTaps(t *testing.T, more ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	args := append([]string{"show", "--client-side", lastACKLost + ".client.pcap", "--server-side", lastACKLost + ".server.pcap"}, more...)
	if code := run(args, streams{in: &bytes.Buffer{}, out: &out, err: &errs}); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.Bytes())
	}
	return out.Bytes()
}

// The drawings of both ends: what arrives, when, and what is lost on the way.
func TestShowTapsGolden(t *testing.T) {
	for _, c := range []struct {
		as   string
		args []string
	}{
		{"100.txt", []string{"--width", "100"}},
		{"ascii.txt", []string{"--width", "40", "--ascii"}},
		{"svg", []string{"--svg"}},
		{"three.txt", []string{"--width", "100", "--tap", "middle=" + lastACKLostMiddle}},
		{"three.svg", []string{"--svg", "--tap", "middle=" + lastACKLostMiddle}},
	} {
		t.Run(c.as, func(t *testing.T) {
			path := lastACKLost + "." + c.as
			got := showTaps(t, c.args...)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is another now:\n%s", path, got)
			}
		})
	}
}

// The ladder says of each packet what the captures themselves say: its number and
// time in the receiver's, in time of the first capture; the lost one has neither.
func TestShowTapsArrivals(t *testing.T) {
	var d report.Ladder
	if err := json.Unmarshal(showTaps(t, "--json"), &d); err != nil {
		t.Fatal(err)
	}
	_, client := readRecords(t, lastACKLost+".client.pcap")
	_, server := readRecords(t, lastACKLost+".server.pcap")
	if len(d.Points) != 2 || d.Points[1].Clock == nil {
		t.Fatalf("points: %+v", d.Points)
	}
	captures := [][]record{client, server}
	arrived, lost := 0, 0
	for _, r := range d.Rows {
		if r.Kind != report.RowSegment {
			continue
		}
		x := r.Segment.Crossing
		if x == nil {
			t.Errorf("packet %d: nothing is told", r.Packet)
			continue
		}
		if x.Arrived == 0 {
			lost++
			if !slices.Equal(x.Between, []string{"client", "server"}) || r.Segment.Lost != "on-path" || r.Segment.Received {
				t.Errorf("packet %d: %+v of %+v", r.Packet, x, r.Segment)
			}
			continue
		}
		arrived++
		here, there := captures[r.File-1][r.Packet-1], captures[x.File-1][x.Packet-1]
		if x.File == r.File || !bytes.Equal(here.data[34:], there.data[34:]) {
			t.Errorf("packet %d of file %d is said to arrive as packet %d of file %d, which is another", r.Packet, r.File, x.Packet, x.File)
		}
		if x.Delay != report.Seconds(x.Arrived-r.At) || r.Segment.Lost != "" {
			t.Errorf("packet %d: %+v", r.Packet, x)
		}
		if x.File == 1 && int64(x.Arrived) != there.at {
			t.Errorf("packet %d arrives at %d, the capture has it at %d", r.Packet, x.Arrived, there.at)
		}
	}
	if arrived != 12 || lost != 1 {
		t.Errorf("%d arrived, %d were lost", arrived, lost)
	}
}

// A page of both ends has the same rows.
func TestPageOfTaps(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.html")
	var errs bytes.Buffer
	if code := run([]string{"read", "--client-side", lastACKLost + ".client.pcap", "--server-side", lastACKLost + ".server.pcap", "-o", page, "--format", "html"},
		streams{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &errs}); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.Bytes())
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `lost on the path, one way in `) || !strings.Contains(string(text), "flow shared; clock ") {
		t.Error("the page does not say what became of the packets, or how the clocks go together")
	}
	if n := strings.Count(string(text), `"delay":0.00`); n != 12 {
		t.Errorf("%d segments of the page arrive", n)
	}
	if !strings.Contains(string(text), `"lost":"on-path","between":["client","server"]`) {
		t.Error("the page does not say where the last ACK was lost")
	}
	if code := run([]string{"read", "--client-side", lastACKLost + ".client.pcap", "--tap", "middle=" + lastACKLostMiddle, "--server-side", lastACKLost + ".server.pcap",
		"-o", page, "--format", "html"}, streams{in: &bytes.Buffer{}, out: &bytes.Buffer{}, err: &errs}); code != 0 {
		t.Fatalf("exit status %d: %s", code, errs.Bytes())
	}
	if text, err = os.ReadFile(page); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), `"passed":[[0,`); n != 13 || !strings.Contains(string(text), `"between":["middle"]`) || !strings.Contains(string(text), `"lost_at":0.75`) {
		t.Errorf("%d segments of the page pass the middle, or the last ACK is not lost behind it", n)
	}
}

// A point between both ends tells what passed it, and when.
func TestShowMiddle(t *testing.T) {
	var d report.Ladder
	if err := json.Unmarshal(showTaps(t, "--json", "--tap", "middle="+lastACKLostMiddle), &d); err != nil {
		t.Fatal(err)
	}
	_, middle := readRecords(t, lastACKLostMiddle)
	passed := 0
	for _, r := range d.Rows {
		if r.Kind != report.RowSegment {
			continue
		}
		x := r.Segment.Crossing
		if x == nil || len(x.Passed) != 1 || x.Passed[0].Point != "middle" || x.Passed[0].File != 2 {
			t.Errorf("packet %d: %+v", r.Packet, x)
			continue
		}
		passed++
		p := x.Passed[0]
		if p.At <= r.At || x.Arrived != 0 && p.At >= x.Arrived {
			t.Errorf("packet %d passes the middle at %v, sent at %v, there at %v", r.Packet, p.At, r.At, x.Arrived)
		}
		if b := middle[p.Packet-1].data; len(b) < 42 || binary.BigEndian.Uint16(b[34:]) != d.Connection.Client.Port && r.From == "client" {
			t.Errorf("packet %d is said to pass as packet %d, which is another", r.Packet, p.Packet)
		}
		if x.Arrived == 0 && !slices.Equal(x.Between, []string{"middle", "server"}) {
			t.Errorf("packet %d is lost between %v", r.Packet, x.Between)
		}
	}
	if passed != 13 {
		t.Errorf("%d segments passed the middle", passed)
	}
}

// What cannot be shown is refused.
func TestShowOddTaps(t *testing.T) {
	client, server := lastACKLost+".client.pcap", lastACKLost+".server.pcap"
	for _, c := range []struct {
		name string
		args []string
		code int
		text string
	}{
		{"one side only", []string{"--client-side", client}, statusUsage, "two points at least"},
		{"a file beside them", []string{"--client-side", client, "--server-side", server, client}, statusUsage, "belongs to no point"},
		{"packets chosen before they are paired", []string{"--client-side", client, "--server-side", server, "--vlan", "7"}, statusUsage, "before they are chosen"},
		{"no such connection", []string{"--client-side", client, "--server-side", server, "--conn", "9"}, statusUsage, "no connection is 9"},
		{"over a capture", []string{"--client-side", client, "--server-side", server, "-o", server}, statusUsage, "server.pcap"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(append([]string{"show"}, c.args...), streams{in: &bytes.Buffer{}, out: &out, err: &errs})
			if code != c.code || !strings.Contains(errs.String(), c.text) {
				t.Errorf("exit status %d, wanted %d and %q:\n%s", code, c.code, c.text, errs.String())
			}
		})
	}
}
