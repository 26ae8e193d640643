package capture

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/finwait/finwait/reassembly"
)

// Here other people's readers and decoders give a second opinion.

// other is a record as another reader gives it.
type other struct {
	time int64
	wire int
	data []byte
}

// noTime stands for the time of a record in a simple packet block, which has none.
const noTime = math.MinInt64

// wrongTimes names files whose fractions of a second are above one second: gopacket
// multiplies them in 32 bits, so that they wrap round.
var wrongTimes = map[string]bool{
	"tcpdump/tests/atm-oam-loopback-print-overrun.pcap": true,
	"tcpdump/tests/timestamp_invalid_micro.pcap":        true,
	"tcpdump/tests/timestamp_invalid_nano.pcap":         true,
	"tcpdump/tests/rx_serviceid_oobr.pcap":              true,
}

// compareRecords holds our records against another reader's, as far as that one
// came. same says how exactly the times must agree, in ns.
func compareRecords(t *testing.T, name string, ours []got, next func() (other, error), coarse int64) {
	t.Helper()
	for i := 0; ; i++ {
		o, err := next()
		if err != nil {
			if errors.Is(err, io.EOF) && i < len(ours) {
				t.Errorf("%s: the other reader ends cleanly after %d records, we have %d", name, i, len(ours))
			}
			return
		}
		if i >= len(ours) {
			t.Errorf("%s: the other reader has more than our %d records", name, len(ours))
			return
		}
		if o.time == noTime || wrongTimes[name] {
			o.time = ours[i].time
		}
		if d := ours[i].time - o.time; d < -coarse || d > coarse || int(ours[i].wire) != o.wire || ours[i].data != string(o.data) {
			t.Errorf("%s: record %d: ours %d ns, %d of %d bytes; theirs %d ns, %d of %d", name, i+1,
				ours[i].time, len(ours[i].data), ours[i].wire, o.time, len(o.data), o.wire)
			return
		}
	}
}

// corpusAndOwn gives small capture files: hand-made ones, and the corpus when it
// is there.
func corpusAndOwn(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"own": at(1, 2, 3)}
	table, err := filepath.Glob("../fixtures/pcap/*.pcap*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range table {
		if files[path], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(corpusDir); err != nil {
		return files
	}
	for _, c := range corpus(t) {
		if files[c.path], err = os.ReadFile(filepath.Join(corpusDir, c.path)); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestAgainstPcapgo compares with gopacket's readers, record by record.
func TestAgainstPcapgo(t *testing.T) {
	compared := 0
	for name, b := range corpusAndOwn(t) {
		var next func() (other, error)
		switch detect(b) {
		case formatPcap:
			r, err := pcapgo.NewReader(bytes.NewReader(b))
			if err != nil {
				continue // version or magic that it does not know
			}
			next = func() (other, error) {
				data, ci, err := r.ReadPacketData()
				return other{ci.Timestamp.UnixNano(), ci.Length, data}, err
			}
		case formatPcapng:
			r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
			if err != nil {
				continue
			}
			next = func() (other, error) {
				data, ci, err := r.ReadPacketData()
				if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
					err = io.ErrNoProgress // it ends cleanly where a block is cut: no verdict
				}
				o := other{ci.Timestamp.UnixNano(), ci.Length, data}
				if ci.Timestamp.IsZero() {
					o.time = noTime
				}
				return o, err
			}
		default:
			continue
		}
		ours, _, _ := readAll(t, b)
		compareRecords(t, name, ours, next, 0)
		compared++
	}
	if compared == 0 {
		t.Error("nothing was compared")
	}
}

// TestAgainstGopacket compares the decoder with gopacket's layers wherever those
// find plain TCP in IP in Ethernet without errors.
func TestAgainstGopacket(t *testing.T) {
	compared := 0
	for name, b := range corpusAndOwn(t) {
		r, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(b)})
		if err != nil {
			continue
		}
		d := NewDecoder(DecoderOptions{})
		var f Frame
		var seg reassembly.Segment
		for n := 0; n < 200 && r.Next(&f) == nil; n++ {
			skip := d.Decode(&f, &seg)
			comparePlain(t, n, &f, false)
			if f.LinkType != LinkEthernet {
				continue
			}
			p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.NoCopy)
			if theirs, ok := plainTCP(p); ok && !seg.Quoted() {
				compared++
				if skip != NotSkipped {
					t.Errorf("%s: frame %d: skipped as %s", name, f.Packet.Number(), skip)
				} else if ours := summary(&seg); ours != theirs {
					t.Errorf("%s: frame %d:\nours   %+v\ntheirs %+v", name, f.Packet.Number(), ours, theirs)
				}
			}
		}
		r.Close()
	}
	t.Logf("%d segments compared", compared)
}

type tcpSummary struct {
	src, dst       [16]byte
	sport, dport   uint16
	seq, ack       uint32
	window, urgent uint16
	flags, ttl     uint8
	id             uint16
}

func summary(s *reassembly.Segment) tcpSummary {
	return tcpSummary{s.Src, s.Dst, s.SrcPort, s.DstPort, s.Seq, s.Ack, s.Window, s.Urgent, s.Flags, s.TTL, s.IPID}
}

// plainTCP takes gopacket's layers: exactly Ethernet, tags, one IP, TCP.
func plainTCP(p gopacket.Packet) (s tcpSummary, ok bool) {
	tcp, isTCP := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !isTCP || p.ErrorLayer() != nil || p.Metadata().Truncated {
		return s, false
	}
	ips := 0
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.IPv4:
			if l.Version != 4 { // gopacket reads version 2 as well
				return s, false
			}
			ips++
			s.src, s.dst, s.ttl, s.id = [16]byte(l.SrcIP.To16()), [16]byte(l.DstIP.To16()), l.TTL, l.Id
		case *layers.IPv6:
			ips++
			s.src, s.dst, s.ttl = [16]byte(l.SrcIP), [16]byte(l.DstIP), l.HopLimit
		case *layers.Ethernet, *layers.Dot1Q, *layers.TCP:
		default:
			if _, app := l.(gopacket.ApplicationLayer); !app {
				return s, false
			}
		}
	}
	s.sport, s.dport, s.seq, s.ack = uint16(tcp.SrcPort), uint16(tcp.DstPort), tcp.Seq, tcp.Ack
	s.window, s.urgent = tcp.Window, tcp.Urgent
	for i, set := range []bool{tcp.FIN, tcp.SYN, tcp.RST, tcp.PSH, tcp.ACK, tcp.URG, tcp.ECE, tcp.CWR} {
		if set {
			s.flags |= 1 << i
		}
	}
	return s, ips == 1
}
