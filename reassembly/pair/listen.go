package pair

import "github.com/finwait/finwait/reassembly"

// This file: flows that an end's own capture lacks altogether. Either it was not
// taken there, or chose other packets, or none of the flow's arrived.

// service is an end of flows: an address and a port.
type service struct {
	ip   reassembly.IP
	port uint16
}

// endNear is the end of a flow that is near capture k, the first or the last,
// and 0 if that is the flow's a.
func (f *flow) endNear(k int) (service, int) {
	if (f.vote > 0) == (k == 0) {
		return service{f.key.a, f.key.aPort}, 0
	}
	return service{f.key.b, f.key.bPort}, 1
}

// listen finds the flows that capture k, of an end's own host, lacks although it
// listened for them: their end there sent nothing that another capture has, and
// the capture either has other flows of that address and port, so that no
// choice of packets left them out, or it is empty, and who named it says that it
// was listening.
func (s *survey) listen(k int) {
	t := &s.taps[k]
	if t.Own == reassembly.None || t.full {
		return
	}
	known := map[service]bool{}
	for _, l := range t.flows {
		if l.flow.shared() {
			end, _ := l.flow.endNear(k)
			known[end] = true
		}
	}
	for o := range s.taps {
		if o == k {
			continue
		}
		for _, l := range s.taps[o].flows {
			end, x := l.flow.endNear(k)
			if l.flow.locals[k] == nil && !l.sent[x] && (t.segments == 0 || known[end]) {
				l.flow.absent |= 1 << k
			}
		}
	}
}
