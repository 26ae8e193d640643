package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/finwait/finwait/report"
)

// traffic has connections of every kind, the refused one included; it takes
// about two seconds.
func (l *lab) traffic(rounds int) {
	l.t.Helper()
	var wg sync.WaitGroup
	for round := range rounds {
		for _, kind := range []byte{cleanClose, serverClose, abort, halfClose, leak, stayOpen} {
			port := 0
			if kind == serverClose {
				port = 40000 // the tuple is used again although the server is in TIME-WAIT
			}
			var c net.Conn
			l.in(l.client, func() {
				var err error
				if c, err = talk(kind, port); err != nil {
					l.t.Errorf("round %d, %c: %v", round, kind, err)
				}
			})
			if c == nil {
				continue
			}
			l.t.Cleanup(func() { c.Close() })
			if kind == serverClose {
				finish(c, kind)
				continue
			}
			wg.Add(1)
			go func() {
				defer wg.Done()
				time.Sleep(100 * time.Millisecond)
				finish(c, kind)
			}()
		}
		l.in(l.client, func() {
			if c, err := net.Dial("tcp", serverIP+":9"); err == nil {
				c.Close()
				l.t.Error("nobody refused")
			}
		})
		time.Sleep(150 * time.Millisecond)
	}
	wg.Wait()
}

// socketsOf are the states that ss tells in a namespace, by "local peer".
func socketsOf(t *testing.T, ns string) map[string]string {
	t.Helper()
	out, err := exec.Command("ip", "netns", "exec", ns, "ss", "-tanH").Output()
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{"ESTAB": "ESTABLISHED", "SYN-RECV": "SYN-RECEIVED"}
	states := map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 5 || f[0] == "LISTEN" {
			continue
		}
		state := f[0]
		if w, ok := words[state]; ok {
			state = w
		}
		states[f[3]+" "+f[4]] = state
	}
	return states
}

// look is what ss said at both ends.
type look struct {
	from, to int64 // ns
	sockets  [2]map[string]string
}

// shown is what finwait told of one endpoint, in its order.
type shown struct {
	id            uint64
	at, withdrawn int64
	state         string
}

// TestStatesAgreeWithTheKernel holds the states that are told against those of
// both kernels' sockets at the same moment.
func TestStatesAgreeWithTheKernel(t *testing.T) {
	l := newLab(t)
	l.serve()
	r := l.live("--format", "ndjson", "--steps", "tcp")
	stop, done := make(chan struct{}), make(chan struct{})
	var looks []look
	go func() {
		defer close(done)
		for {
			k := look{from: time.Now().UnixNano()}
			k.sockets = [2]map[string]string{socketsOf(t, l.client), socketsOf(t, l.server)}
			k.to = time.Now().UnixNano()
			looks = append(looks, k)
			select {
			case <-stop:
				return
			case <-time.After(150 * time.Millisecond):
			}
		}
	}()
	l.traffic(8)
	time.Sleep(500 * time.Millisecond)
	close(stop)
	<-done
	if code := r.stop(); code != 0 {
		t.Fatalf("status %d: %s", code, r.said())
	}
	agree, differ := compareStates(t, r.out.Bytes(), looks)
	t.Logf("%d of %d samples agree", agree, agree+differ)
	if agree < 100 || agree*100 < (agree+differ)*99 {
		t.Errorf("only %d of %d samples agree", agree, agree+differ)
	}
}

// compareStates leaves out samples within which, or shortly before, the state moved.
func compareStates(t *testing.T, lines []byte, looks []look) (agree, differ int) {
	t.Helper()
	const flight = int64(40 * time.Millisecond)
	type endpoint struct {
		side int
		name string
	}
	history := map[endpoint][]shown{}
	begun := map[endpoint]int64{}
	for line := range bytes.Lines(lines) {
		var e report.Event
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if e.Type != report.TypeEvent || e.Client == nil {
			continue
		}
		name := endpoint{0, e.Client.String() + " " + e.Server.String()}
		if e.Endpoint == "server" {
			name = endpoint{1, e.Server.String() + " " + e.Client.String()}
		}
		switch e.Event {
		case report.EventStep:
			if e.Step.State == "LISTEN" {
				continue
			}
			if len(history[name]) == 0 {
				begun[name] = int64(e.Step.At)
			}
			history[name] = append(history[name], shown{id: e.Connection<<16 | e.StepID, at: int64(e.Step.At), state: string(e.Step.State)})
		case report.EventStepWithdrawn:
			for i := range history[name] {
				if s := &history[name][i]; s.id == e.Connection<<16|e.StepID {
					s.withdrawn = int64(e.At)
				}
			}
		}
	}
	for _, k := range looks {
	endpoints:
		for name, steps := range history {
			state, latest := "", uint64(0) // of the latest incarnation of the tuple
			for _, s := range steps {
				if s.at > k.from-flight && s.at < k.to+flight || s.withdrawn > k.from-flight && s.withdrawn < k.to+flight {
					continue endpoints
				}
				if s.at <= k.from && (s.withdrawn == 0 || s.withdrawn > k.from) && s.id>>16 >= latest {
					state, latest = s.state, s.id>>16
				}
			}
			kernel := k.sockets[name.side][name.name]
			if kernel == "" {
				kernel = "CLOSED"
			}
			switch {
			case state == "" || k.from < begun[name]:
			case state == kernel:
				agree++
			default:
				differ++
				if differ < 10 {
					t.Logf("%v: finwait says %s, the kernel %s", name, state, kernel)
				}
			}
		}
	}
	return agree, differ
}

// TestBackendsAgree: the same traffic gives the same report, but for the last
// digits of the times.
func TestBackendsAgree(t *testing.T) {
	l := newLab(t)
	l.serve()
	args := func(backend string) []string {
		return []string{"--backend", backend, "--format", "json", "--port", "8000", "--port", "9"}
	}
	other := "libpcap"
	if _, err := exec.Command(l.finwait, "live", "-i", "lo", "--backend", "libpcap", "--count", "0", "--duration", "1ms").CombinedOutput(); err != nil {
		other = "afpacket"
	}
	a, b := l.live(args("afpacket")...), l.live(args(other)...)
	l.traffic(3)
	for _, r := range []*running{a, b} {
		if code := r.stop(); code != 0 {
			t.Fatalf("status %d: %s", code, r.said())
		}
	}
	var one, two map[string]any
	for r, to := range map[*running]*map[string]any{a: &one, b: &two} {
		if err := json.Unmarshal(r.out.Bytes(), to); err != nil {
			t.Fatal(err)
		}
		timeless(*to)
	}
	if n := len(one["connections"].([]any)); n != 21 {
		t.Errorf("%d connections instead of 21", n)
	}
	if d := cmp.Diff(one["connections"], two["connections"]); d != "" {
		t.Errorf("the backends disagree:\n%s", d)
	}
}

// timeless takes out what depends on when exactly a packet was seen. Packets
// that are not TCP may come before one of the two has begun, so their numbers go too.
func timeless(v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range []string{"at", "start", "end", "rtt", "time_in_state_s", "time_wait_left_s", "detail", "measures", "packet", "packets",
			"first_packet", "last_packet", "confirmed_by", "inferred_from", "refuted_by", "censored"} {
			delete(v, key)
		}
		for _, inner := range v {
			timeless(inner)
		}
	case []any:
		for _, inner := range v {
			timeless(inner)
		}
	}
}

// TestInterfaceGoesDownAndAway: what passes when it is up again is captured, and
// its end is said.
func TestInterfaceGoesDownAndAway(t *testing.T) {
	for _, backend := range []string{"afpacket", "libpcap"} {
		t.Run(backend, func(t *testing.T) {
			l := newLab(t)
			l.serve()
			l.need(backend)
			r := l.live("--backend", backend, "--format", "ndjson", "tcp")
			l.traffic(1)
			l.ip("-n", l.server, "link", "set", serverDev, "down")
			time.Sleep(700 * time.Millisecond)
			l.ip("-n", l.server, "link", "set", serverDev, "up")
			time.Sleep(700 * time.Millisecond)
			l.traffic(1)
			time.Sleep(300 * time.Millisecond)
			l.ip("-n", l.server, "link", "del", serverDev)
			if code := r.wait(); code != statusInput {
				t.Errorf("status %d", code)
			}
			if said := r.said(); !strings.Contains(said, "disappeared") || strings.Contains(said, "panic") {
				t.Errorf("it says %q", said)
			}
			opened := bytes.Count(r.out.Bytes(), []byte(`"event":"open"`))
			if opened < 12 || !bytes.Contains(r.out.Bytes(), []byte(`"type":"summary"`)) {
				t.Errorf("%d opened, of 14; %s", opened, r.said())
			}
		})
	}
}

// TestBurst: a hundred thousand connections in a moment. None is lost unseen.
func TestBurst(t *testing.T) {
	l := newLab(t)
	connections := 100_000
	if testing.Short() {
		connections = 10_000
	}
	r := l.live("--format", "ndjson", "tcp")
	sent := 0
	l.in(l.client, func() { sent = inject(t, connections, 0) })
	time.Sleep(time.Second)
	if code := r.stop(); code != 0 {
		t.Fatalf("status %d: %s", code, r.said())
	}
	last := r.out.Bytes()[bytes.LastIndexByte(bytes.TrimSpace(r.out.Bytes()), '\n')+1:]
	var s report.Summary
	if err := json.Unmarshal(last, &s); err != nil {
		t.Fatalf("%v: %.200s", err, last)
	}
	lost := *s.Quality.Dropped
	t.Logf("%d packets sent, %d captured, %d said to be lost", sent, s.Quality.Frames, lost)
	if s.Quality.Frames+lost != uint64(sent) {
		t.Errorf("%d packets sent, %d captured, %d said to be lost", sent, s.Quality.Frames, lost)
	}
	if lost == 0 && s.Connections != uint64(connections) {
		t.Errorf("%d connections instead of %d", s.Connections, connections)
	}
}

// inject sends handshakes that their client resets, as frames, at a rate of
// packets a second; 0 is as fast as it goes.
func inject(t *testing.T, connections, rate int) (sent int) {
	begin := time.Now()
	in := newInjector(t)
	if in == nil {
		return 0
	}
	defer in.close()
	for n := range connections {
		c, s := [4]byte{10, byte(98 + n>>22), byte(n >> 14), byte(n >> 6)}, [4]byte{10, 97, 0, 1}
		port := uint16(1024 + n%64*512)
		for _, frame := range [][]byte{
			tcpFrame(c, s, port, 80, 100, 0, 0x02), tcpFrame(s, c, 80, port, 500, 101, 0x12), tcpFrame(c, s, port, 80, 101, 501, 0x14),
		} {
			if !in.send(t, frame) {
				return sent
			}
			sent++
		}
		if rate > 0 {
			if ahead := time.Duration(sent)*time.Second/time.Duration(rate) - time.Since(begin); ahead > 200*time.Microsecond {
				time.Sleep(ahead)
			}
		}
	}
	return sent
}

func tcpFrame(src, dst [4]byte, sport, dport uint16, seq, ack uint32, flags byte) []byte {
	b := make([]byte, 54)
	copy(b, []byte{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40})
	b[22], b[23] = 64, 6
	copy(b[26:], src[:])
	copy(b[30:], dst[:])
	binary.BigEndian.PutUint16(b[34:], sport)
	binary.BigEndian.PutUint16(b[36:], dport)
	binary.BigEndian.PutUint32(b[38:], seq)
	binary.BigEndian.PutUint32(b[42:], ack)
	b[46], b[47] = 0x50, flags
	binary.BigEndian.PutUint16(b[48:], 60000)
	return b
}

// TestLiveKeepsPackets: what --write keeps gives the same report as what was told.
func TestLiveKeepsPackets(t *testing.T) {
	l := newLab(t)
	l.serve()
	file := t.TempDir() + "/kept.pcapng"
	only := t.TempDir() + "/found.pcapng"
	r := l.live("--format", "json", "--write", file, "tcp")
	found := l.live("--format", "json", "--write", only, "--write-only", "findings", "tcp")
	l.traffic(1)
	if code := r.stop() + found.stop(); code != 0 {
		t.Fatalf("%s %s", r.said(), found.said())
	}
	count := func(args ...string) (n, findings int) {
		out, err := exec.Command(l.finwait, append([]string{"read", "--format", "json"}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		var d report.Document
		if err := json.Unmarshal(out, &d); err != nil {
			t.Fatal(err)
		}
		for _, c := range d.Connections {
			for _, f := range c.Findings {
				if f.Severity != "info" {
					findings++
				}
			}
		}
		return len(d.Connections), findings
	}
	all, findings := count(file)
	if all != 7 || findings == 0 {
		t.Errorf("%d connections and %d findings in what was kept", all, findings)
	}
	if few, kept := count(only); few == 0 || few >= all || kept != findings {
		t.Errorf("--write-only findings kept %d connections of %d, %d findings of %d", few, all, kept, findings)
	}
}

// TestSecondSignalEnds although nobody takes what it writes, and although it was
// started as a script starts what it puts into the background.
func TestSecondSignalEnds(t *testing.T) {
	l := newLab(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	r := &running{t: t, patience: 10 * time.Second}
	r.cmd = exec.Command("sh", "-c", "trap '' INT; exec ip netns exec "+l.server+" "+l.finwait+" live -i "+serverDev+" --format ndjson --steps")
	r.cmd.Stdout, r.cmd.Stderr = write, r
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	write.Close()
	r.listens()
	l.in(l.client, func() { inject(t, 1000, 0) })
	const full = 60_000 // of the 64 KiB that a pipe holds
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		n, err := unix.IoctlGetInt(int(read.Fd()), unix.TIOCINQ)
		if err != nil {
			t.Fatal(err)
		}
		if n >= full {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it writes less than %d bytes: %s", full, r.said())
		}
	}
	ended := make(chan struct{})
	defer close(ended)
	go func() { // two that come at once are one: more follow
		for {
			_ = r.cmd.Process.Signal(os.Interrupt)
			select {
			case <-ended:
				return
			case <-time.After(time.Second):
			}
		}
	}()
	if code := r.wait(); code != 130 {
		t.Errorf("status %d: %s", code, r.said())
	}
}

// TestStopped: a process that is kept from running for seconds loses nothing, and
// takes nothing that waits in the kernel's buffer for missing.
func TestStopped(t *testing.T) {
	for _, backend := range []string{"afpacket", "libpcap"} {
		t.Run(backend, func(t *testing.T) {
			l := newLab(t)
			l.serve()
			l.need(backend)
			r := l.live("--backend", backend, "--format", "ndjson", "tcp")
			defer func() { _ = r.cmd.Process.Signal(syscall.SIGCONT) }()
			stop := time.AfterFunc(300*time.Millisecond, func() { _ = r.cmd.Process.Signal(syscall.SIGSTOP) })
			defer stop.Stop()
			l.traffic(12)
			_ = r.cmd.Process.Signal(syscall.SIGCONT)
			time.Sleep(time.Second)
			if code := r.stop(); code != 0 {
				t.Fatalf("status %d: %s", code, r.said())
			}
			if n := number(t, r.said(), `(\d+) lost by the kernel`); n > 0 {
				t.Errorf("%d packets were lost", n)
			}
			for line := range bytes.Lines(r.out.Bytes()) {
				if bytes.Contains(line, []byte("syn-unanswered")) || bytes.Contains(line, []byte("fin-ack-missing")) {
					t.Errorf("%s", line)
				}
			}
		})
	}
}
