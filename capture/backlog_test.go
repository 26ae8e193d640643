package capture

import (
	"encoding/binary"
	"io"
	"sync"
	"testing"
	"time"
)

// fakeBackend gives numbered packets, then nothing until it is woken.
type fakeBackend struct {
	mu    sync.Mutex
	left  int
	given uint32
	data  [4]byte
	woken chan struct{}
}

func (b *fakeBackend) next(f *Frame) error {
	b.mu.Lock()
	left := b.left
	b.left--
	b.mu.Unlock()
	if left <= 0 {
		select {
		case <-b.woken:
		case <-time.After(IdleAfter):
		}
		return ErrIdle
	}
	b.given++
	binary.BigEndian.PutUint32(b.data[:], b.given)
	*f = Frame{Time: int64(b.given), LinkType: LinkEthernet, WireLen: 4, Data: b.data[:]}
	return nil
}

func (b *fakeBackend) linkType() uint32           { return LinkEthernet }
func (b *fakeBackend) counters() (uint64, uint64) { return uint64(b.given), 0 }
func (b *fakeBackend) wake()                      { close(b.woken) }
func (b *fakeBackend) close()                     {}

func backlogOf(packets, most int) *Backlog {
	l := &Live{o: LiveOptions{Interface: AnyInterface, SnapLen: 4}, watch: interfaceWatch{name: AnyInterface},
		backend: &fakeBackend{left: packets, woken: make(chan struct{})}}
	return NewBacklog(l, most)
}

// TestBacklogKeepsOrder: nothing is lost, doubled or torn, even in little room.
func TestBacklogKeepsOrder(t *testing.T) {
	const packets = 20_000
	b := backlogOf(packets, 1000)
	defer b.Close()
	var f Frame
	for n := uint32(1); n <= packets; {
		switch err := b.Next(&f); {
		case err == ErrIdle:
		case err != nil:
			t.Fatal(err)
		case binary.BigEndian.Uint32(f.Data) != n || f.Packet.Number() != uint64(n) || f.Time != int64(n):
			t.Fatalf("packet %d is %+v", n, f)
		default:
			n++
		}
	}
	if err := b.Next(&f); err != ErrIdle {
		t.Errorf("after the last packet: %v", err)
	}
}

// TestBacklogCloses although it is full and nobody takes anything.
func TestBacklogCloses(t *testing.T) {
	b := backlogOf(1<<30, 1000)
	time.Sleep(10 * time.Millisecond)
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = b.Close()
	}()
	select {
	case <-closed:
	case <-time.After(5 * time.Second):
		t.Fatal("Close waits")
	}
	var f Frame
	for range 1 << 20 {
		if err := b.Next(&f); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no end after Close")
}

// TestBacklogGivesSparesBack: what a burst needed does not stay for ever, what is
// needed all the time does.
func TestBacklogGivesSparesBack(t *testing.T) {
	b := &Backlog{most: 20}
	turn := func(batches int) {
		for range batches {
			b.fresh()
		}
		b.given, b.waiting = b.waiting, nil
		for len(b.given) > 0 {
			b.giveBack()
		}
	}
	turn(12)
	if len(b.spare) != batchSpares || b.inUse != 0 {
		t.Fatalf("after a burst %d are spare, %d in use", len(b.spare), b.inUse)
	}
	for range 3 {
		b.release()
		turn(2)
	}
	if len(b.spare) != 2 {
		t.Errorf("%d are spare where two are needed", len(b.spare))
	}
	b.release()
	b.release()
	if len(b.spare) != 0 {
		t.Errorf("%d are spare where none is needed", len(b.spare))
	}
}
