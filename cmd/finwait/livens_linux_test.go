package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/finwait/finwait/capture"
)

// This file makes network namespaces for the tests of live: two of them, with a
// veth pair between, and real sockets at both ends. Nothing leaves them.

const (
	clientIP, serverIP   = "10.99.0.1", "10.99.0.2"
	clientDev, serverDev = "fwa0", "fwb0"
	serverAddress        = serverIP + ":8000"
)

// lab is the two namespaces.
type lab struct {
	t              *testing.T
	client, server string
	finwait        string // a path by which the test's own program is finwait
}

func newLab(t *testing.T) *lab {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("capturing and making network namespaces needs root")
	}
	for _, tool := range []string{"ip", "ss"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed (package iproute2)", tool)
		}
	}
	l := &lab{t: t, client: fmt.Sprintf("fw%dc", os.Getpid()), server: fmt.Sprintf("fw%ds", os.Getpid())}
	t.Cleanup(func() {
		for _, ns := range []string{l.client, l.server} {
			_ = exec.Command("ip", "netns", "del", ns).Run()
		}
	})
	for _, ns := range []string{l.client, l.server} {
		if out, err := exec.Command("ip", "netns", "add", ns).CombinedOutput(); err != nil {
			t.Skipf("no network namespaces here, not even for root: %s", out)
		}
	}
	l.ip("link", "add", clientDev, "netns", l.client, "type", "veth", "peer", "name", serverDev, "netns", l.server)
	for _, end := range [][3]string{{l.client, clientDev, clientIP}, {l.server, serverDev, serverIP}} {
		l.ip("-n", end[0], "addr", "add", end[2]+"/24", "dev", end[1])
		l.ip("-n", end[0], "link", "set", end[1], "up")
		l.ip("-n", end[0], "link", "set", "lo", "up")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l.finwait = filepath.Join(t.TempDir(), "finwait")
	if err := os.Symlink(self, l.finwait); err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// in runs f on a thread that is in a namespace; the thread ends with it.
func (l *lab) in(ns string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: nobody else may get this thread
		fd, err := unix.Open("/var/run/netns/"+ns, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err == nil {
			err = unix.Setns(fd, unix.CLONE_NEWNET)
			_ = unix.Close(fd)
		}
		if err != nil {
			l.t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// running is finwait live in the server's namespace.
type running struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err bytes.Buffer
	mu       sync.Mutex
	patience time.Duration // with its end
}

func (r *running) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err.Write(b)
}

func (r *running) said() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err.String()
}

// onlyTCP puts the bytecode of the filter "tcp" in the place of that word where
// this build cannot compile it.
func onlyTCP(args []string) []string {
	last := len(args) - 1
	if capture.HasLibpcap || last < 0 || args[last] != "tcp" {
		return args
	}
	const program = "12,40 0 0 12,21 0 2 2048,48 0 0 23,21 6 7 6,21 0 6 34525,48 0 0 20,21 3 0 6,21 0 3 44,48 0 0 54,21 0 1 6,6 0 0 262144,6 0 0 0"
	return append(slices.Clone(args[:last]), "--filter-bytecode", program)
}

// live starts it and waits until it listens.
func (l *lab) live(args ...string) *running {
	l.t.Helper()
	r := &running{t: l.t, patience: 30 * time.Second}
	r.cmd = exec.Command("ip", append([]string{"netns", "exec", l.server, l.finwait, "live", "-i", serverDev}, onlyTCP(args)...)...)
	r.cmd.Stdout, r.cmd.Stderr = &r.out, r
	if err := r.cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = r.cmd.Process.Kill() })
	r.listens()
	return r
}

// listens waits until it captures.
func (r *running) listens() {
	r.t.Helper()
	for until := time.Now().Add(10 * time.Second); !strings.Contains(r.said(), "listening"); {
		if time.Now().After(until) {
			r.t.Fatalf("it does not listen: %s", r.said())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// stop interrupts it and gives its exit status.
func (r *running) stop() int {
	r.t.Helper()
	time.Sleep(300 * time.Millisecond) // what was sent last is on its way
	_ = r.cmd.Process.Signal(os.Interrupt)
	return r.wait()
}

func (r *running) wait() int {
	r.t.Helper()
	ended := make(chan struct{})
	go func() {
		select {
		case <-ended:
		case <-time.After(r.patience):
			r.t.Error("it does not end")
			_ = r.cmd.Process.Kill()
		}
	}()
	_ = r.cmd.Wait() // the status says more
	close(ended)
	return r.cmd.ProcessState.ExitCode()
}

// serve answers connections by their first byte; it ends with the test.
func (l *lab) serve() {
	l.t.Helper()
	var listener net.Listener
	l.in(l.server, func() {
		var err error
		if listener, err = net.Listen("tcp", serverAddress); err != nil {
			l.t.Error(err)
		}
	})
	if listener == nil {
		l.t.FailNow()
	}
	var mu sync.Mutex
	var leaked []net.Conn
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				if answer(c) {
					mu.Lock()
					leaked = append(leaked, c)
					mu.Unlock()
				}
			}()
		}
	}()
	l.t.Cleanup(func() {
		listener.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range leaked {
			c.Close()
		}
	})
}

// The ways in which a connection ends.
const (
	cleanClose  = 'N' // client first
	serverClose = 'S'
	abort       = 'A' // the server resets
	halfClose   = 'H' // the client's FIN, then data of the server
	leak        = 'L' // the server never closes
	stayOpen    = 'O'
)

// answer is the server's end of a connection; true: it is to be kept.
func answer(c net.Conn) (keep bool) {
	var kind [1]byte
	if _, err := io.ReadFull(c, kind[:]); err != nil {
		c.Close()
		return false
	}
	switch kind[0] {
	case leak, stayOpen:
		return true
	case abort:
		_ = c.(*net.TCPConn).SetLinger(0)
	case cleanClose:
		_, _ = c.Write([]byte("answer"))
		_, _ = io.Copy(io.Discard, c)
	case halfClose:
		_, _ = io.Copy(io.Discard, c)
		time.Sleep(400 * time.Millisecond)
		_, _ = c.Write([]byte("still here"))
	}
	c.Close()
	return false
}

// talk is the client's end; port 0 is any. It must run on a thread of the namespace.
func talk(kind byte, port int) (net.Conn, error) {
	d := net.Dialer{Timeout: 3 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP), Port: port},
		Control: func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
		}}
	c, err := d.Dial("tcp", serverAddress)
	if err != nil {
		return nil, err
	}
	if _, err := c.Write([]byte{kind}); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// finish ends the client's side of a connection of a kind.
func finish(c net.Conn, kind byte) {
	switch kind {
	case cleanClose:
		_, _ = io.ReadFull(c, make([]byte, 6))
		c.Close()
	case halfClose:
		_ = c.(*net.TCPConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	case leak:
		_ = c.(*net.TCPConn).CloseWrite()
	case serverClose, abort:
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
}

// need skips the test where the program was built without a backend.
func (l *lab) need(backend string) {
	l.t.Helper()
	if out, err := exec.Command(l.finwait, "live", "-i", "lo", "--backend", backend, "--duration", "1ms").CombinedOutput(); err != nil {
		l.t.Skipf("this build lacks the backend: %s", out)
	}
}

// injector puts frames onto the client's device.
type injector struct {
	fd int
	to unix.SockaddrLinklayer
}

// newInjector fails the test, and gives nil, where there can be none: it may be
// asked for on any goroutine.
func newInjector(t *testing.T) *injector {
	t.Helper()
	device, err := net.InterfaceByName(clientDev)
	if err != nil {
		t.Error(err)
		return nil
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Error(err)
		return nil
	}
	return &injector{fd: fd, to: unix.SockaddrLinklayer{Ifindex: device.Index, Halen: 6}}
}

func (i *injector) close() { _ = unix.Close(i.fd) } // nothing is left in it

// send waits while the device's queue is full, and reports whether the frame went.
func (i *injector) send(t *testing.T, frame []byte) bool {
	t.Helper()
	for {
		switch err := unix.Sendto(i.fd, frame, 0, &i.to); err {
		case nil:
			return true
		case unix.ENOBUFS:
		default:
			t.Error(err)
			return false
		}
	}
}
