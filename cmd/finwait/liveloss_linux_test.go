package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// TestLossBesideTcpdump measures, and is run by hand (FINWAIT_LOSS=1 go test
// -timeout 0 -run LossBeside -v ./cmd/finwait; FINWAIT_LOSS=5 for five rounds):
// where tcpdump, with a buffer of the same size at the same moment, takes all
// packets, live must lose none either. FINWAIT_LOSS_SECONDS is how long each
// rate lasts, FINWAIT_LOSS_ARGS further flags of live. A shared machine takes nice -n
// -10 before it, not real time: among threads of real time each runs for a tenth of a
// second, longer than the buffer lasts at the highest rates. More than a million
// handshakes within a minute fill the table (--max-connections), and each one more
// has another told and evicted, which costs more than its packets do.
func TestLossBesideTcpdump(t *testing.T) {
	rounds, err := strconv.Atoi(os.Getenv("FINWAIT_LOSS"))
	if err != nil {
		t.Skip("a measurement of some minutes; FINWAIT_LOSS=1 runs it")
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed")
	}
	seconds, err := strconv.Atoi(os.Getenv("FINWAIT_LOSS_SECONDS"))
	if err != nil {
		seconds = 5
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "round\ttraffic\tbackend\tasked/s\tsent/s\tpackets\ttcpdump lost\tfinwait lost\ttcpdump us\tfinwait us\tof it reader us\t")
	for round := range rounds {
		for _, traffic := range []string{"data", "handshakes"} {
			for _, rate := range []int{100_000, 200_000, 400_000, 0} {
				for _, backend := range []string{"afpacket", "libpcap"} {
					t.Run(fmt.Sprint(traffic, " ", backend, " ", rate), func(t *testing.T) {
						m := lossAt(t, traffic, backend, rate, seconds)
						asked := "all"
						if rate > 0 {
							asked = strconv.Itoa(rate)
						}
						fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%.0f\t%d\t%d\t%d\t%.2f\t%.2f\t%.2f\t\n", round+1, traffic, backend, asked,
							m.rate, m.sent, m.theirs, m.ours, m.cost(m.theirCPU), m.cost(m.ourCPU), m.cost(m.reader))
					})
				}
			}
		}
	}
	_ = w.Flush() // into memory
	t.Logf("processor time is a packet's, user and system\n%s", table.String())
}

// lossRun is one run of live beside tcpdump.
type lossRun struct {
	sent                     int
	rate                     float64 // packets a second
	theirs, ours             uint64  // lost
	theirCPU, ourCPU, reader time.Duration
}

// cost of a packet, µs.
func (m *lossRun) cost(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(m.sent) }

func lossAt(t *testing.T, traffic, backend string, rate, seconds int) (m lossRun) {
	l := newLab(t)
	dump := startTcpdump(t, l)
	r := l.live(slices.Concat([]string{"--backend", backend, "--ring", "16M", "--format", "ndjson", "-o", "/dev/null"},
		strings.Fields(os.Getenv("FINWAIT_LOSS_ARGS")), []string{"tcp"})...)
	begin := time.Now()
	l.in(l.client, func() {
		switch traffic {
		case "data":
			m.sent = injectData(t, rate, time.Duration(seconds)*time.Second)
		default:
			m.sent = inject(t, lossConnections(rate, seconds), rate)
		}
	})
	m.rate = float64(m.sent) / time.Since(begin).Seconds()
	time.Sleep(time.Second)
	m.reader = readerTime(t, r.cmd.Process.Pid)
	r.patience = 5 * time.Minute // hundreds of thousands of connections are told at its end
	if code := r.stop(); code != 0 {
		t.Fatalf("status %d: %s", code, r.said())
	}
	_ = dump.cmd.Process.Signal(os.Interrupt)
	_ = dump.cmd.Wait() // what it says is all that counts
	m.theirs, m.ours = number(t, dump.said.String(), `(\d+) packets? dropped by kernel`), number(t, r.said(), `(\d+) lost by the kernel`)
	m.theirCPU = dump.cmd.ProcessState.UserTime() + dump.cmd.ProcessState.SystemTime()
	m.ourCPU = r.cmd.ProcessState.UserTime() + r.cmd.ProcessState.SystemTime()
	if captured := number(t, r.said(), `(\d+) packets captured`); captured+m.ours != uint64(m.sent) {
		t.Errorf("%d packets sent, %d captured, %d said to be lost", m.sent, captured, m.ours)
	}
	if m.theirs == 0 && m.ours > 0 {
		t.Errorf("%d packets at %.0f a second: finwait lost %d where tcpdump lost none", m.sent, m.rate, m.ours)
	}
	return m
}

// lossConnections is how many handshakes of three packets fill the time; as fast
// as it goes is not known to be more than half a million packets a second.
func lossConnections(rate, seconds int) int {
	if rate == 0 {
		rate = 500_000
	}
	return rate * seconds / 3
}

type tcpdump struct {
	cmd  *exec.Cmd
	said *bytes.Buffer
}

// startTcpdump starts it with the buffer of live's default.
func startTcpdump(t *testing.T, l *lab) tcpdump {
	t.Helper()
	d := tcpdump{said: new(bytes.Buffer)}
	d.cmd = exec.Command("ip", "netns", "exec", l.server, "tcpdump", "-i", serverDev, "-s", "192", "-B", "16384", "-w", "/dev/null", "tcp")
	d.cmd.Stderr = d.said
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() })
	time.Sleep(time.Second)
	return d
}

// readerTime is what the thread that empties the kernel's buffer has used: the
// one with the least nice value.
func readerTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var reader time.Duration
	nicest := 0
	for i, name := range stats { // in the order of their numbers: the first is as nice as the program was started
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread ended
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) < 17 {
			continue
		}
		var n [3]int // user, system, nice
		for k, field := range []int{11, 12, 16} {
			if n[k], err = strconv.Atoi(f[field]); err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 || n[2] < nicest {
			nicest = n[2]
			if reader = 0; i > 0 {
				reader = time.Duration(n[0]+n[1]) * 10 * time.Millisecond // USER_HZ is 100
			}
		}
	}
	return reader
}

// injectData sends the data and ACKs of a thousand connections, as frames, at a
// rate of packets a second; 0 is as fast as it goes.
func injectData(t *testing.T, rate int, lasting time.Duration) (sent int) {
	const connections = 1000
	in := newInjector(t)
	if in == nil {
		return 0
	}
	defer in.close()
	send := func(frame []byte) {
		if in.send(t, frame) {
			sent++
		}
	}
	server := [4]byte{10, 97, 0, 1}
	var data, acks [connections][]byte
	for n := range connections {
		c, port := [4]byte{10, 98, byte(n >> 8), byte(n)}, uint16(2000+n)
		send(tcpFrame(c, server, port, 80, 100, 0, 0x02))
		send(tcpFrame(server, c, 80, port, 500, 101, 0x12))
		send(tcpFrame(c, server, port, 80, 101, 501, 0x10))
		data[n], acks[n] = append(tcpFrame(c, server, port, 80, 0, 501, 0x18), make([]byte, 100)...), tcpFrame(server, c, 80, port, 501, 0, 0x10)
		binary.BigEndian.PutUint16(data[n][16:], 140)
	}
	begin := time.Now()
	for first := sent; ; {
		for seq := uint32(101); ; seq += 100 {
			for n := range connections {
				binary.BigEndian.PutUint32(data[n][38:], seq)
				send(data[n])
				binary.BigEndian.PutUint32(acks[n][42:], seq+100)
				send(acks[n])
				if n%20 != 0 {
					continue
				}
				gone := time.Since(begin)
				if gone >= lasting {
					return sent
				}
				if rate > 0 {
					if ahead := time.Duration(sent-first)*time.Second/time.Duration(rate) - gone; ahead > 200*time.Microsecond {
						time.Sleep(ahead)
					}
				}
			}
		}
	}
}

func number(t *testing.T, text, pattern string) uint64 {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %q", pattern, strings.TrimSpace(text))
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
