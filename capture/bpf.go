package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A machine for classic BPF programs (McCanne and Jacobson 1993), which libpcap
// compiles filters to. It runs in every build. The one in golang.org/x/net/bpf
// takes the captured length for the packet's, so that "greater 100" goes wrong on
// captures with a snaplen.

// bpfInstruction is one instruction as libpcap has it.
type bpfInstruction struct {
	op     uint16
	jt, jf uint8
	k      uint32
}

// Opcode parts, as in bpf.h.
const (
	bpfClass = 0x07
	bpfLD    = 0x00
	bpfLDX   = 0x01
	bpfST    = 0x02
	bpfSTX   = 0x03
	bpfALU   = 0x04
	bpfJMP   = 0x05
	bpfRET   = 0x06
	bpfMISC  = 0x07

	bpfMode = 0xe0
	bpfIMM  = 0x00
	bpfABS  = 0x20
	bpfIND  = 0x40
	bpfMEM  = 0x60
	bpfLEN  = 0x80
	bpfMSH  = 0xa0

	bpfSize = 0x18
	bpfW    = 0x00
	bpfH    = 0x08
	bpfB    = 0x10

	bpfX = 0x08 // the operand is X, else k

	bpfMemWords = 16
	// Loads from here on ask the Linux kernel for things beside the packet.
	bpfAncillary = 0xfffff000
	// Their only uses in filters that tcpdump makes: VLAN tags that the card took
	// off. In a capture the tag is in the frame, so the answer is 0, "not there".
	bpfVLANTag     = bpfAncillary + 44
	bpfVLANPresent = bpfAncillary + 48

	maxBPF = 1 << 16
)

type bpfProgram []bpfInstruction

// check verifies that a program can only end: jumps go forward and stay inside,
// the last instruction returns, divisors and memory words are right.
func (p bpfProgram) check() error {
	if len(p) == 0 || len(p) > maxBPF {
		return fmt.Errorf("a program of %d instructions", len(p))
	}
	for i, in := range p {
		if !in.known() {
			return fmt.Errorf("instruction %d: unknown code %#x", i, in.op)
		}
		left := uint64(len(p) - i - 1)
		switch in.op & bpfClass {
		case bpfJMP:
			if in.op&0xf0 == 0 {
				if uint64(in.k) >= left {
					return fmt.Errorf("instruction %d: jump out of the program", i)
				}
			} else if uint64(in.jt) >= left || uint64(in.jf) >= left {
				return fmt.Errorf("instruction %d: jump out of the program", i)
			}
		case bpfALU:
			if op := in.op & 0xf0; (op == 0x30 || op == 0x90) && in.op&bpfX == 0 && in.k == 0 {
				return fmt.Errorf("instruction %d: division by zero", i)
			}
		case bpfST, bpfSTX:
			if in.k >= bpfMemWords {
				return fmt.Errorf("instruction %d: memory word %d", i, in.k)
			}
		case bpfLD, bpfLDX:
			if in.op&bpfMode == bpfMEM && in.k >= bpfMemWords {
				return fmt.Errorf("instruction %d: memory word %d", i, in.k)
			}
		}
	}
	if p[len(p)-1].op&bpfClass != bpfRET {
		return errors.New("the program does not return")
	}
	return nil
}

func (in bpfInstruction) known() bool {
	switch in.op & bpfClass {
	case bpfLD:
		switch in.op &^ bpfSize {
		case bpfLD | bpfABS:
			return in.op&bpfSize != bpfSize && (in.k < bpfAncillary || in.k == bpfVLANTag || in.k == bpfVLANPresent)
		case bpfLD | bpfIND:
			return in.op&bpfSize != bpfSize
		case bpfLD | bpfIMM, bpfLD | bpfMEM, bpfLD | bpfLEN:
			return in.op&bpfSize == bpfW
		}
	case bpfLDX:
		switch in.op {
		case bpfLDX | bpfIMM, bpfLDX | bpfMEM, bpfLDX | bpfLEN, bpfLDX | bpfMSH | bpfB:
			return true
		}
	case bpfST, bpfSTX:
		return in.op == in.op&bpfClass
	case bpfALU:
		return in.op&0xf0 <= 0xa0 && in.op <= 0xff
	case bpfJMP:
		return in.op&0xf0 <= 0x40 && in.op <= 0xff
	case bpfRET:
		return in.op == bpfRET || in.op == bpfRET|0x10
	case bpfMISC:
		return in.op == bpfMISC || in.op == bpfMISC|0x80
	}
	return false
}

// run gives what the program returns: 0 means that the packet does not match. A
// load beyond the captured bytes ends it with 0.
func (p bpfProgram) run(b []byte, wire uint32) uint32 {
	var a, x uint32
	var mem [bpfMemWords]uint32
	for pc := 0; pc < len(p); pc++ {
		in := p[pc]
		switch in.op & bpfClass {
		case bpfLD, bpfLDX:
			v, ok := in.load(b, wire, x, &mem)
			if !ok {
				return 0
			}
			if in.op&bpfClass == bpfLD {
				a = v
			} else {
				x = v
			}
		case bpfST:
			mem[in.k] = a
		case bpfSTX:
			mem[in.k] = x
		case bpfALU:
			v, ok := in.alu(a, x)
			if !ok {
				return 0
			}
			a = v
		case bpfJMP:
			pc += in.jump(a, x)
		case bpfRET:
			if in.op == bpfRET|0x10 {
				return a
			}
			return in.k
		case bpfMISC:
			if in.op&0x80 != 0 {
				a = x
			} else {
				x = a
			}
		}
	}
	return 0
}

func (in bpfInstruction) load(b []byte, wire, x uint32, mem *[bpfMemWords]uint32) (uint32, bool) {
	at := uint64(in.k)
	switch in.op & bpfMode {
	case bpfIMM:
		return in.k, true
	case bpfMEM:
		return mem[in.k], true
	case bpfLEN:
		return wire, true
	case bpfMSH:
		if at >= uint64(len(b)) {
			return 0, false
		}
		return uint32(b[at]&0xf) * 4, true
	case bpfIND:
		at += uint64(x)
	default:
		if in.k >= bpfAncillary {
			return 0, true
		}
	}
	if at > uint64(len(b)) {
		return 0, false
	}
	b = b[at:]
	switch {
	case in.op&bpfSize == bpfW && len(b) >= 4:
		return binary.BigEndian.Uint32(b), true
	case in.op&bpfSize == bpfH && len(b) >= 2:
		return uint32(binary.BigEndian.Uint16(b)), true
	case in.op&bpfSize == bpfB && len(b) >= 1:
		return uint32(b[0]), true
	}
	return 0, false
}

func (in bpfInstruction) alu(a, x uint32) (uint32, bool) {
	v := in.k
	if in.op&bpfX != 0 {
		v = x
	}
	switch in.op & 0xf0 {
	case 0x00:
		return a + v, true
	case 0x10:
		return a - v, true
	case 0x20:
		return a * v, true
	case 0x30:
		if v == 0 {
			return 0, false
		}
		return a / v, true
	case 0x40:
		return a | v, true
	case 0x50:
		return a & v, true
	case 0x60:
		return a << v, true
	case 0x70:
		return a >> v, true
	case 0x80:
		return -a, true
	case 0x90:
		if v == 0 {
			return 0, false
		}
		return a % v, true
	default:
		return a ^ v, true
	}
}

func (in bpfInstruction) jump(a, x uint32) int {
	v := in.k
	if in.op&bpfX != 0 {
		v = x
	}
	var yes bool
	switch in.op & 0xf0 {
	case 0x00:
		return int(in.k)
	case 0x10:
		yes = a == v
	case 0x20:
		yes = a > v
	case 0x30:
		yes = a >= v
	default:
		yes = a&v != 0
	}
	if yes {
		return int(in.jt)
	}
	return int(in.jf)
}

// parseBytecode reads what 'tcpdump -ddd' prints: the number of instructions,
// then a line each with code, jt, jf and k in decimal. Commas may stand for line
// ends, as in iptables.
func parseBytecode(s string) (bpfProgram, error) {
	lines := strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == ',' })
	if len(lines) == 0 {
		return nil, errors.New("no instructions")
	}
	n, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || n != len(lines)-1 {
		return nil, fmt.Errorf("%d instructions follow the count %q", len(lines)-1, strings.TrimSpace(lines[0]))
	}
	p := make(bpfProgram, 0, n)
	for i, line := range lines[1:] {
		f := strings.Fields(line)
		if len(f) != 4 {
			return nil, fmt.Errorf("instruction %d has %d numbers, not 4", i, len(f))
		}
		var v [4]uint64
		for k, bits := range []int{16, 8, 8, 32} {
			if v[k], err = strconv.ParseUint(f[k], 10, bits); err != nil {
				return nil, fmt.Errorf("instruction %d: %w", i, err)
			}
		}
		p = append(p, bpfInstruction{uint16(v[0]), uint8(v[1]), uint8(v[2]), uint32(v[3])})
	}
	return p, p.check()
}
