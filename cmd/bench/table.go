package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
)

// This file prints what was measured.

// report is all that was measured; -json writes it as it is.
type report struct {
	Time    string   `json:"time"`
	CPUs    int      `json:"cpus"`
	Finwait string   `json:"finwait"`
	Full    bool     `json:"full"`
	Rounds  int      `json:"rounds"`
	Idle    int64    `json:"idle_rss_anon_bytes"`
	Targets []target `json:"targets"`
	Works   []*work  `json:"works"`
}

func (r *report) table(out io.Writer) {
	fmt.Fprintf(out, "%s, %d CPUs, %d rounds, medians and (least to greatest)\n", cmp.Or(r.Finwait, "finwait"), r.CPUs, r.Rounds)
	if len(r.Targets) > 0 {
		if !r.Full {
			fmt.Fprintln(out, "small captures: a tenth of what the targets name (-full has them)")
		}
		fmt.Fprintln(out)
		t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
		fmt.Fprintln(t, "TARGET\tCAPTURE\tWANTED\tMEASURED\tSPREAD\tMET\tBY CPU TIME")
		for i := range r.Targets {
			x := &r.Targets[i]
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.What, x.Work.describe(), x.wanted(), x.measured(), x.Got.span(), x.met(), dash(x.CPU.Median, "%.2f x"))
		}
		t.Flush()
	}
	fmt.Fprintln(out)
	t := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "CAPTURE\tPROGRAM\tTIME ms\tx TCPDUMP\tMpkt/s\tns/PACKET\tCPU ms\tRSS MiB\tANON MiB\tBYTES/CONN")
	for _, w := range r.Works {
		for _, s := range w.Series {
			if len(s.Samples) > 0 {
				w.line(t, s, r.Idle)
			}
		}
	}
	t.Flush()
	fmt.Fprintf(out, "\nanonymous memory of finwait while it waits: %.1f MiB; BYTES/CONN is what is above it\n", float64(r.Idle)/(1<<20))
}

func (w *work) line(t io.Writer, s *series, idle int64) {
	times := spreadOf(s.each(func(x *Sample) float64 { return float64(x.Wall) / 1e6 }))
	ns := w.nsPacket(s)
	mib := func(v []float64) string { return dash(spreadOf(v).Median/(1<<20), "%.1f") }
	against, rate, cost := "", "", ""
	if !w.Stream && s.Name != nothing {
		if c := w.find(copying); s.Name != copying && len(c.Samples) > 0 {
			x := w.ratio(s.Name, copying)
			against = fmt.Sprintf("%.2f %s", x.Median, x.span())
		}
		rate, cost = fmt.Sprintf("%.2f", 1e3/ns.Median), fmt.Sprintf("%.1f", ns.Median)
	}
	fmt.Fprintf(t, "%s\t%s\t%.1f %s\t%s\t%s\t%s\t%.0f\t%s\t%s\t%s\n", w.describe(), s.Name, times.Median, times.span(), against, rate, cost,
		spreadOf(s.each(cpu)).Median/1e3,
		mib(s.each(func(x *Sample) float64 { return float64(x.MaxRSS) })),
		mib(s.each(func(x *Sample) float64 { return float64(x.Anon) })),
		dash(w.perConnection(s.Name, idle).Median, "%.0f"))
}

// lines writes a line with tabs for each program: medians, bare numbers.
func (r *report) lines(out io.Writer) {
	fmt.Fprintln(out, "work\tprogram\tpackets\tconnections\trounds\twall_ns\twall_min_ns\twall_max_ns\tcpu_us\tns_packet\tx_tcpdump\tmax_rss_bytes\trss_anon_bytes\tbytes_connection")
	for _, w := range r.Works {
		for _, s := range w.Series {
			x := spreadOf(s.each(wall))
			fmt.Fprintf(out, "%s\t%s\t%d\t%d\t%d\t%.0f\t%.0f\t%.0f\t%.0f\t%.2f\t%.3f\t%.0f\t%.0f\t%.1f\n", w.Name, s.Name, w.Size.Packets, w.Size.Connections,
				x.N, x.Median, x.Min, x.Max, spreadOf(s.each(cpu)).Median, w.nsPacket(s).Median, w.ratio(s.Name, copying).Median,
				spreadOf(s.each(func(x *Sample) float64 { return float64(x.MaxRSS) })).Median,
				spreadOf(s.each(func(x *Sample) float64 { return float64(x.Anon) })).Median, w.perConnection(s.Name, r.Idle).Median)
		}
	}
}

// describe is the capture in a few words.
func (w *work) describe() string {
	text := fmt.Sprintf("%s %s conns", w.Spec.Kind, short(w.Size.Connections))
	if w.Spec.Kind == "bulk" {
		text += ", " + short(w.Size.Packets) + " packets"
	}
	if w.Spec.Kind == "mix" && w.Spec.Snap == 0 {
		text += ", payload"
	}
	if w.Stream {
		text += ", a pipe"
	}
	return text
}

func short(n int) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.3gM", float64(n)/1e6)
	case n >= 1000:
		return fmt.Sprintf("%.3gk", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}

func dash(v float64, format string) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

func (s spread) span() string {
	if s.N < 2 {
		return ""
	}
	return fmt.Sprintf("(%.3g to %.3g)", s.Min, s.Max)
}

func (t *target) wanted() string {
	switch {
	case t.Limit == 0:
		return "told only"
	case t.AtLeast:
		return fmt.Sprintf("at least %g %s", t.Limit, t.Unit)
	}
	return fmt.Sprintf("at most %g %s", t.Limit, t.Unit)
}

func (t *target) measured() string {
	if t.Got.N == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%.3g %s", t.Got.Median, t.Unit)
}
