package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/pcapng"
)

// This file is --write: the packets of a live capture as pcapng, while they are
// analysed.

// packetLog encodes packets and hands them to a goroutine that writes files.
type packetLog struct {
	queue   *queue
	files   *packetFiles
	encoder *pcapng.Writer
	block   bytes.Buffer // one encoded packet
	index   int
	held    *heldPackets // nil: every packet is written
	refused uint64       // packets with times that the format cannot hold
}

// packetFiles writes encoded packets to a file, or to one after another.
type packetFiles struct {
	path   string
	header []byte // of every file
	every  time.Duration
	size   int64
	keep   int
	pipe   bool // a named pipe: it is opened when somebody reads it

	f       *os.File
	written int64
	opened  time.Time
	number  int
	names   []string
}

const packetQueue = 16 << 20 // bytes that wait for the disk

// newPacketLog begins the first file at once, so that a bad path is told then; but
// a named pipe may have no reader yet. No connection is silent for longer than idle.
func newPacketLog(o *liveFlags, in packetSource, idle time.Duration) (*packetLog, error) {
	files := &packetFiles{path: o.write, every: o.rotateEvery, size: o.rotateSize, keep: o.keep}
	p := &packetLog{files: files}
	var err error
	if p.encoder, err = pcapng.NewWriter(&p.block, "finwait"); err != nil {
		return nil, err
	}
	p.index, err = p.encoder.AddInterface(pcapng.Interface{LinkType: uint16(in.LinkType()), SnapLen: uint32(in.SnapLen()), Name: o.iface})
	if err != nil {
		return nil, err
	}
	files.header = bytes.Clone(p.block.Bytes())
	if info, err := os.Stat(files.path); err == nil && info.Mode()&os.ModeNamedPipe != 0 && !files.rotates() {
		files.pipe = true
	} else if err := files.open(); err != nil {
		return nil, usagef("--write %s: cannot write there: %v", o.write, err)
	}
	p.queue = newQueue(packetQueue, files.write)
	if o.writeOnly != "" {
		p.held = newHeldPackets(idle)
	}
	return p, nil
}

// add keeps a packet; seg is nil if it is not a TCP segment.
func (p *packetLog) add(f *capture.Frame, seg *reassembly.Segment) {
	if p.held != nil && seg == nil {
		return
	}
	p.block.Reset()
	if err := p.encoder.Write(&pcapng.Packet{Interface: p.index, Time: f.Time, WireLen: f.WireLen, Data: f.Data}); err != nil {
		p.refused++
		return
	}
	if p.held != nil && p.held.hold(seg, p.block.Bytes()) {
		return
	}
	p.queue.add(p.block.Bytes())
}

// wanted writes what was held of a connection with a finding, and all to come.
func (p *packetLog) wanted(client, server netip.AddrPort) {
	if p == nil || p.held == nil {
		return
	}
	blocks := p.held.release(flowOfPair(client, server))
	for len(blocks) > 0 {
		n := blockLength(blocks)
		p.queue.add(blocks[:n])
		blocks = blocks[n:]
	}
}

// retired forgets a connection.
func (p *packetLog) retired(l *reassembly.Lifecycle) {
	if p != nil && p.held != nil && l.ReusedBy == 0 {
		p.held.forget(flowOfPair(l.Client, l.Server))
	}
}

// pipePatience is how long the end waits for the reader of a named pipe.
const pipePatience = 5 * time.Second

var errPipeUnread = errors.New("it is a pipe, and nobody read it in time")

// close writes what is left; for the reader of a named pipe it waits so long.
func (p *packetLog) close(patience time.Duration) error {
	if p.files.pipe {
		if !p.queue.closeWithin(patience) {
			return errPipeUnread
		}
	} else {
		p.queue.close()
	}
	if p.files.f == nil {
		return nil
	}
	return p.files.f.Close()
}

// lost is how many packets were left out.
func (p *packetLog) lost() uint64 { return p.queue.lost() + p.refused }

// late is how many packets of connections with findings were let go before the
// finding came.
func (p *packetLog) late() uint64 {
	if p.held == nil {
		return 0
	}
	return p.held.late
}

// write is called by the queue's goroutine.
func (w *packetFiles) write(p parcel) error {
	for len(p.data) > 0 {
		if w.due() {
			if err := w.next(); err != nil {
				return err
			}
		}
		if w.f == nil {
			if err := w.open(); err != nil {
				return err
			}
		}
		n := w.fits(p.data)
		if _, err := w.f.Write(p.data[:n]); err != nil {
			// Half a block would make the rest of the file unreadable. A device cannot
			// be cut, and has no rest.
			switch {
			case w.pipe: // its reader went away: the next one wants it from the beginning
				_ = w.f.Close()
				w.f = nil
			case w.f.Truncate(w.written) == nil:
				_, _ = w.f.Seek(w.written, io.SeekStart) // it fails only for what is no regular file
			}
			return err
		}
		w.written += int64(n)
		p.data = p.data[n:]
	}
	return nil
}

// fits is how many bytes of some packets go into the file until it has its size:
// the last of them may make it larger, as with tcpdump -C.
func (w *packetFiles) fits(blocks []byte) (n int) {
	if w.size == 0 {
		return len(blocks)
	}
	for n < len(blocks) && w.written+int64(n) < w.size {
		n += blockLength(blocks[n:])
	}
	return n
}

func (w *packetFiles) rotates() bool { return w.every > 0 || w.size > 0 }

func (w *packetFiles) due() bool {
	return w.f != nil && (w.every > 0 && time.Since(w.opened) >= w.every || w.size > 0 && w.written >= w.size)
}

// next closes the file and removes the oldest beyond those to keep.
func (w *packetFiles) next() error {
	err := w.f.Close()
	w.f = nil
	for w.keep > 0 && len(w.names) >= w.keep {
		if e := os.Remove(w.names[0]); e != nil && !os.IsNotExist(e) && err == nil {
			err = e
		}
		w.names = w.names[1:]
	}
	if e := w.open(); e != nil {
		return e
	}
	return err
}

// open begins a file: FILE, or FILE with a number and the time where they rotate.
func (w *packetFiles) open() error {
	name := w.path
	if w.rotates() {
		suffix := filepath.Ext(name)
		name = fmt.Sprintf("%s_%05d_%s%s", strings.TrimSuffix(name, suffix), w.number+1, time.Now().UTC().Format("20060102150405"), suffix)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(w.header); err != nil {
		// A disk that is full is tried again and again: no empty file may be left each
		// time. The write's error says more than what goes wrong here.
		_ = f.Close()
		if w.rotates() {
			_ = os.Remove(name)
		}
		return err
	}
	w.f, w.written, w.opened = f, int64(len(w.header)), time.Now()
	w.number++
	if w.keep > 0 {
		w.names = append(w.names, name)
	}
	return nil
}

// wantedBy tells the log which connections have findings.
func (p *packetLog) wantedBy(e *report.Event) {
	if e.Event == report.EventFinding && e.Finding.Severity != report.Severity(reassembly.Info.String()) {
		p.wanted(netip.AddrPortFrom(e.Client.IP, e.Client.Port), netip.AddrPortFrom(e.Server.IP, e.Server.Port))
	}
}
