package capture

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
)

func TestLiveErrors(t *testing.T) {
	_, err := OpenLive(LiveOptions{Interface: "nosuch0"})
	if !errors.Is(err, ErrNoInterface) || strings.Contains(err.Error(), "\n") {
		t.Errorf("an unknown interface: %v", err)
	}
	_, err = OpenLive(LiveOptions{})
	if !errors.Is(err, ErrNoInterface) {
		t.Errorf("no interface: %v", err)
	}
}

func TestPrivilegeErrorSaysWhatToDo(t *testing.T) {
	e := privilegeError("eth0", os.ErrPermission)
	if !errors.Is(e, ErrPrivilege) || !strings.Contains(e.Error(), "setcap cap_net_raw,cap_net_admin+ep") {
		t.Error(e)
	}
}

func TestInterfacesListsLoopback(t *testing.T) {
	list, err := Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(i Interface) bool { return i.Loopback && i.Index > 0 }) {
		t.Errorf("no loopback interface in %+v", list)
	}
}

func TestWrappingCounter(t *testing.T) {
	var w wrapping
	w.add(0xfffffff0)
	if got := w.add(16); got != 0x100000010 {
		t.Errorf("%#x", got)
	}
}

// requireRoot skips what only root may do.
func requireRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("capturing needs root")
	}
}

// exchange sends a request and its answer over one loopback connection.
func exchange(t *testing.T, address net.Addr) {
	t.Helper()
	c, err := net.Dial("tcp", address.String())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
		t.Error(err)
	}
}

func echo(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Skipf("no loopback: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l
}

// backends are those of this build.
func backends() (list []string) {
	if HasLibpcap {
		list = append(list, BackendLibpcap)
	}
	if hasAFPacket {
		list = append(list, BackendAFPacket)
	}
	return list
}

// TestLoopbackOnce: each packet on the loopback interface is seen once, with
// stamps of nanoseconds, and cut to the snaplen.
func TestLoopbackOnce(t *testing.T) {
	requireRoot(t)
	for _, backend := range backends() {
		for _, name := range []string{"lo", AnyInterface} {
			if name == AnyInterface && backend == BackendLibpcap {
				continue // its cooked packets need no second look
			}
			t.Run(backend+" "+name, func(t *testing.T) {
				l := echo(t)
				live, err := OpenLive(LiveOptions{Interface: name, Backend: backend, Immediate: true, SnapLen: 96})
				if err != nil {
					t.Fatal(err)
				}
				defer live.Close()
				port := uint16(l.Addr().(*net.TCPAddr).Port)
				go exchange(t, l.Addr())
				counts := map[uint8]int{}
				fine := false
				d := NewDecoder(DecoderOptions{Select: &Selection{Ports: []PortRange{{port, port}}}})
				var f Frame
				var seg reassembly.Segment
				for until := time.Now().Add(5 * time.Second); time.Now().Before(until) && counts[reassembly.FlagFIN] < 2; {
					err := live.Next(&f)
					if err == ErrIdle {
						continue
					}
					if err != nil {
						t.Fatal(err)
					}
					if d.Decode(&f, &seg) != NotSkipped {
						continue
					}
					if len(f.Data) > 96 {
						t.Fatalf("%d bytes of a packet", len(f.Data))
					}
					if age := time.Since(time.Unix(0, f.Time)); age < -time.Second || age > 10*time.Second {
						t.Fatalf("a packet is %s old", age)
					}
					fine = fine || f.Time%1000 != 0
					for _, flag := range []uint8{reassembly.FlagSYN, reassembly.FlagFIN} {
						if seg.Has(flag) {
							counts[flag]++
						}
					}
				}
				if counts[reassembly.FlagSYN] != 2 || counts[reassembly.FlagFIN] != 2 {
					t.Errorf("%d SYNs and %d FINs of one connection", counts[reassembly.FlagSYN], counts[reassembly.FlagFIN])
				}
				if !fine {
					t.Error("all stamps are whole microseconds")
				}
				if s := live.Stats(); s.Received == 0 || s.Dropped != 0 {
					t.Errorf("%+v", s)
				}
			})
		}
	}
}

func TestCloseEndsNext(t *testing.T) {
	requireRoot(t)
	for _, backend := range backends() {
		t.Run(backend, func(t *testing.T) {
			// Nothing matches this program.
			live, err := OpenLive(LiveOptions{Interface: "lo", Backend: backend, Bytecode: "1\n6 0 0 0\n"})
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			go func() {
				var f Frame
				for {
					if err := live.Next(&f); err != ErrIdle {
						ended <- err
						return
					}
				}
			}()
			time.Sleep(20 * time.Millisecond)
			if err := live.Close(); err != nil {
				t.Error(err)
			}
			select {
			case err := <-ended:
				if err != io.EOF {
					t.Errorf("Next gave %v", err)
				}
			case <-time.After(2 * time.Second):
				t.Fatal("Next still waits")
			}
		})
	}
}

func TestBadFilters(t *testing.T) {
	requireRoot(t)
	for _, backend := range backends() {
		if _, err := OpenLive(LiveOptions{Interface: "lo", Backend: backend, Bytecode: "nonsense"}); !errors.Is(err, ErrFilter) {
			t.Errorf("%s: %v", backend, err)
		}
		_, err := OpenLive(LiveOptions{Interface: "lo", Backend: backend, Filter: "tcp porta 5"})
		if HasLibpcap && !errors.Is(err, ErrFilter) || !HasLibpcap && !errors.Is(err, ErrNoLibpcap) {
			t.Errorf("%s: %v", backend, err)
		}
	}
}
