package reassembly

import "testing"

// TestRestartsFoldedAway: a TIME-WAIT that is restarted more often than the log
// is long is told of what the log still has.
func TestRestartsFoldedAway(t *testing.T) {
	const client, server = 1, 2
	at := int64(1_000_000_000)
	number := uint64(0)
	told, asked := 0, 0
	tracker := NewTracker(Options{
		Emit:  func(*Lifecycle) { told++ },
		Check: func(c *Case) { c.TimeWait(Client); asked++ },
	})
	send := func(from, to byte, seq, ack uint32, flags uint8) {
		at += 1_000_000
		number++
		tracker.Add(&Segment{Time: at, Packet: MakePacket(0, number), Src: IP{15: from}, Dst: IP{15: to}, SrcPort: uint16(from), DstPort: uint16(to),
			Seq: seq, Ack: ack, Flags: flags, Window: 1000, TTL: 64})
	}
	send(client, server, 100, 0, FlagSYN)
	send(server, client, 500, 101, FlagSYN|FlagACK)
	send(client, server, 101, 501, FlagACK)
	send(client, server, 101, 501, FlagFIN|FlagACK)
	send(server, client, 501, 102, FlagACK)
	for range 3 * DefaultLogLimit {
		send(server, client, 501, 102, FlagFIN|FlagACK)
		send(client, server, 102, 502, FlagACK)
	}
	tracker.Close()
	if told != 1 || asked != 1 {
		t.Errorf("%d connections told, %d asked", told, asked)
	}
}
