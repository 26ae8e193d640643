package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// Settings is what a person asks for. The fields travel to the workers as JSON.
type Settings struct {
	Input  []string // patterns, each for a filesystem of Beam: /data/*.pcap, gs://bucket/*.pcap.zst, s3://…
	Output string   // directory, of any such filesystem
	Shards int      // files that the connections are written to

	MSL, HalfOpen, Idle, HalfClosed time.Duration
	KeyVLAN, NoKeyTunnel            bool

	ReadMemory int // bytes of batches that a worker's thread holds while it reads
	FlowMemory int // bytes of one flow's batches that are held before they go to a temporary file
}

const (
	defaultShards     = 16
	defaultReadMemory = 64 << 20
	defaultFlowMemory = 16 << 20
)

func (s *Settings) register(f *flag.FlagSet) {
	f.Func("input", "captures: `PATTERN`s with * and ?, separated by commas (repeatable)", func(v string) error {
		for p := range strings.SplitSeq(v, ",") {
			if p = strings.TrimSpace(p); p != "" {
				s.Input = append(s.Input, p)
			}
		}
		return nil
	})
	f.StringVar(&s.Output, "output", "", "`DIRECTORY` for the results")
	f.IntVar(&s.Shards, "shards", defaultShards, "write the connections to `N` files")
	f.DurationVar(&s.MSL, "msl", reassembly.DefaultMSL, "maximum segment `LIFETIME`: TIME-WAIT lasts twice as long")
	f.DurationVar(&s.HalfOpen, "half-open-timeout", reassembly.DefaultHalfOpenTimeout, "end a connection whose handshake never completed after a silence of this `DURATION`")
	f.DurationVar(&s.Idle, "idle-timeout", reassembly.DefaultIdleTimeout, "end an open connection after a silence of this `DURATION`")
	f.DurationVar(&s.HalfClosed, "half-closed-timeout", reassembly.DefaultHalfClosedTimeout, "end a connection with one FIN after a silence of this `DURATION`")
	f.BoolVar(&s.KeyVLAN, "key-vlan", false, "the VLAN tells connections apart too")
	f.BoolVar(&s.NoKeyTunnel, "key-no-tunnel", false, "tunnels do not tell connections apart")
	f.IntVar(&s.ReadMemory, "read-memory", defaultReadMemory, "`BYTES` of batches that one thread holds while it reads")
	f.IntVar(&s.FlowMemory, "flow-memory", defaultFlowMemory, "`BYTES` of one flow's segments that are held in memory; more go to a temporary file")
}

func (s *Settings) check() error {
	switch {
	case len(s.Input) == 0:
		return errors.New("--input: which captures?")
	case s.Output == "":
		return errors.New("--output: where do the results go?")
	case s.Shards < 1:
		return fmt.Errorf("--shards: %d is not above zero", s.Shards)
	case s.ReadMemory < 1 || s.FlowMemory < 1:
		return errors.New("--read-memory and --flow-memory must be above zero")
	}
	for name, d := range map[string]time.Duration{"msl": s.MSL, "half-open-timeout": s.HalfOpen, "idle-timeout": s.Idle, "half-closed-timeout": s.HalfClosed} {
		if d <= 0 {
			return fmt.Errorf("--%s: %s is not above zero", name, d)
		}
	}
	return nil
}

// core is how flows are told apart and judged.
func (s *Settings) core() reassembly.Options {
	return reassembly.Options{
		MSL: s.MSL, HalfOpenTimeout: s.HalfOpen, IdleTimeout: s.Idle, HalfClosedTimeout: s.HalfClosed,
		KeyVLAN: s.KeyVLAN, NoKeyTunnel: s.NoKeyTunnel, Check: anomaly.Check,
	}
}
