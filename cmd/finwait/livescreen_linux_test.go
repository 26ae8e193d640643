package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal and what was written to it.
type terminal struct {
	control *os.File
	mu      sync.Mutex
	seen    bytes.Buffer
}

func newTerminal(t *testing.T, columns, lines uint16) (*terminal, *os.File) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	fd := int(control.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	user, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals: %v", err)
	}
	p := &terminal{control: control}
	p.resize(t, columns, lines)
	t.Cleanup(func() { control.Close(); user.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := control.Read(b)
			p.mu.Lock()
			p.seen.Write(b[:n])
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return p, user
}

func (p *terminal) resize(t *testing.T, columns, lines uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.control.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: lines, Col: columns}); err != nil {
		t.Fatal(err)
	}
}

// take gives what was written since the last call.
func (p *terminal) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.seen.String()
	p.seen.Reset()
	return s
}

// expect waits until all the words were written, and gives all that was.
func (p *terminal) expect(t *testing.T, words ...string) string {
	t.Helper()
	var all strings.Builder
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all.WriteString(p.take())
		missing := ""
		for _, w := range words {
			if !strings.Contains(all.String(), w) {
				missing = w
			}
		}
		if missing == "" {
			return all.String()
		}
		if time.Now().After(until) {
			t.Fatalf("no %q in %q", missing, all.String())
		}
	}
}

func (p *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := p.control.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// TestScreen drives the screen as a person would, without colours.
func TestScreen(t *testing.T) {
	l := newLab(t)
	l.serve()
	p, user := newTerminal(t, 80, 24)
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.server, l.finwait, "live", "-i", serverDev}, onlyTCP([]string{"--screen", "tcp"})...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = user, user, user
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "TERM=xterm")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	drawn := p.expect(t, "\x1b[?1049h", "CLIENT", "no findings so far")
	l.traffic(1)
	drawn += p.expect(t, "CLOSE-WAIT", "syn-refused", "TIME-WAIT")
	p.press(t, "\r") // the lanes of the connection under the cursor
	drawn += p.expect(t, "opened")
	p.press(t, "\x1b")
	time.Sleep(300 * time.Millisecond) // a lone escape is told from the start of a sequence by time
	p.press(t, "/state=close-wait\r")
	drawn += p.expect(t, "filter: ")
	p.press(t, "s")
	drawn += p.expect(t, "age")
	p.resize(t, 132, 40)
	drawn += p.expect(t, "LAST STEP")
	for _, color := range []string{"\x1b[31m", "\x1b[33m", "\x1b[36m", "\x1b[32m"} {
		if strings.Contains(drawn, color) {
			t.Errorf("colour %q although NO_COLOR is set", color)
		}
	}
	p.press(t, "q")
	ended := p.expect(t, "\x1b[?1049l", "TCP connections", "packets captured")
	if !strings.Contains(ended, "\x1b[?25h") {
		t.Error("the cursor stays hidden")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
