//go:build cgo && !nolibpcap

package capture

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/google/gopacket/pcap"
)

// HasLibpcap says whether this build can compile filter expressions.
const HasLibpcap = true

// LibpcapVersion names the libpcap that is linked, "" if there is none.
func LibpcapVersion() string { return pcap.Version() }

// compileExpression compiles for a link type. gopacket's own call takes the type
// in 8 bits and would compile for another one; libpcap gets it right from the
// header of a capture file, so one without packets is written for it to read.
func compileExpression(expr string, link uint32) (bpfProgram, error) {
	header := binary.LittleEndian.AppendUint32(nil, magicMicro)
	header = binary.LittleEndian.AppendUint16(header, 2)
	header = binary.LittleEndian.AppendUint16(header, 4)
	header = binary.LittleEndian.AppendUint64(header, 0)
	header = binary.LittleEndian.AppendUint32(header, 262144)
	header = binary.LittleEndian.AppendUint32(header, link)
	tmp, err := os.CreateTemp("", "finwait-filter-*.pcap")
	if err != nil {
		return nil, fmt.Errorf("a temporary file is needed to compile it: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(header)
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("a temporary file is needed to compile it: %w", err)
	}
	handle, err := pcap.OpenOffline(tmp.Name())
	if err != nil {
		return nil, fmt.Errorf("libpcap does not know frames of %s: %w", LinkTypeName(link), err)
	}
	defer handle.Close()
	code, err := handle.CompileBPFFilter(expr)
	if err != nil {
		return nil, err
	}
	p := make(bpfProgram, len(code))
	for i, in := range code {
		p[i] = bpfInstruction{op: in.Code, jt: in.Jt, jf: in.Jf, k: in.K}
	}
	return p, nil
}
