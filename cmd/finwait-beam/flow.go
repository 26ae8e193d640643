package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/klauspost/compress/zstd"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// flowFn judges one flow at a time: its batches are put into the order of the
// trace and go through a Tracker. Connections leave it as blocks of lines, each
// block for one shard; totals leave it once a bundle.
type flowFn struct {
	Settings Settings

	world   *world
	shelf   shelf
	tracker *reassembly.Tracker
	names   naming
	builder report.Builder
	totals  *report.Totals
	blocks  [][]byte // by shard, lines that wait
	line    []byte
	packing *zstd.Encoder
	emit    func(int, []byte)

	connections, spilled beam.Counter
}

// blockMost is the size of a block of lines before it is compressed.
const blockMost = 256 << 10

// Setup makes what all flows share.
func (f *flowFn) Setup() error {
	core := f.Settings.core()
	f.names.tell = f.tell
	core.Emit = f.names.add
	f.tracker = reassembly.NewTracker(core)
	f.shelf.limit = f.Settings.FlowMemory
	f.blocks = make([][]byte, f.Settings.Shards)
	f.connections = beam.NewCounter("finwait", "connections")
	f.spilled = beam.NewCounter("finwait", "spilled_flows")
	var err error
	f.packing, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	return err
}

// StartBundle forgets what a bundle that failed has left.
func (f *flowFn) StartBundle(context.Context, func(*[]byte) bool, func(int, []byte), func([]byte)) {
	f.totals = new(report.Totals)
	for i := range f.blocks {
		f.blocks[i] = f.blocks[i][:0]
	}
}

// ProcessElement judges one flow.
func (f *flowFn) ProcessElement(ctx context.Context, flow []byte, batches func(*[]byte) bool, worlds func(*[]byte) bool, emit func(int, []byte), _ func([]byte)) error {
	if f.world == nil {
		var b []byte
		worlds(&b)
		f.world = new(world)
		if err := json.Unmarshal(b, f.world); err != nil {
			return err
		}
		f.builder.SeveralFiles = f.world.Captures > 1
	}
	f.emit = emit
	if err := f.judge(flow, batches); err != nil {
		return err
	}
	if f.shelf.file != nil {
		f.spilled.Inc(ctx, 1)
	}
	f.connections.Inc(ctx, int64(len(f.names.ids)))
	f.shelf.clear()
	return nil
}

// judge gives a flow's segments to the Tracker, and tells its connections.
func (f *flowFn) judge(flow []byte, batches func(*[]byte) bool) error {
	f.shelf.clear()
	f.tracker.Reset()
	f.names.begin(flow)
	for b := []byte(nil); batches(&b); {
		if err := f.shelf.add(b); err != nil {
			return err
		}
	}
	lastFile, base := -1, 0
	err := f.shelf.each(func(s *reassembly.Segment, clock int64, file int) {
		if file != lastFile {
			lastFile, base = file, f.world.base(file)
		}
		s.Packet = reassembly.MakePacket(base+s.Packet.File(), s.Packet.Number())
		f.tracker.Advance(clock)
		f.tracker.Add(s)
	})
	if f.world.End != math.MinInt64 {
		f.tracker.Advance(f.world.End)
	}
	f.tracker.Close()
	f.names.end()
	return err
}

// tell adds a connection to the totals and to its shard's block.
func (f *flowFn) tell(l *reassembly.Lifecycle) {
	f.totals.Add(l)
	f.line = f.builder.Build(l).AppendJSON(f.line[:0])
	shard := int(l.ID % uint64(len(f.blocks)))
	b := binary.AppendUvarint(f.blocks[shard], uint64(l.Start)+1<<63) // signed order as unsigned
	b = binary.AppendUvarint(b, l.ID)
	b = binary.AppendUvarint(b, uint64(len(f.line)))
	f.blocks[shard] = append(b, f.line...)
	if len(f.blocks[shard]) >= blockMost {
		f.send(shard)
	}
}

func (f *flowFn) send(shard int) {
	f.emit(shard, f.packing.EncodeAll(f.blocks[shard], nil))
	f.blocks[shard] = f.blocks[shard][:0]
}

// FinishBundle sends what waits.
func (f *flowFn) FinishBundle(_ context.Context, _ func(*[]byte) bool, emit func(int, []byte), tell func([]byte)) error {
	f.emit = emit
	for i := range f.blocks {
		if len(f.blocks[i]) > 0 {
			f.send(i)
		}
	}
	b, err := f.totals.MarshalBinary()
	if err != nil {
		return err
	}
	tell(b)
	f.totals = new(report.Totals)
	return nil
}
