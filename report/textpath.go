package report

import (
	"fmt"
	"math"
	"strings"
)

// This file is what the text report says of captures of several points.

// points tells how the captures go together.
func (t *text) points(points []Point) {
	for i := range points {
		p := &points[i]
		t.row(clean(p.Name), p.Sentence(points[0].Name))
		for _, note := range p.Notes {
			t.row("", t.paint(yellow, clean(note)))
		}
	}
}

// Sentence tells how the capture of a point goes with that of the first.
func (p *Point) Sentence(first string) string {
	words := []string{fmt.Sprintf("%s of %s shared", thousands(uint64(p.Shared)), plural(uint64(p.Flows), "flow"))}
	if p.Clock != nil {
		words = append(words, p.Clock.words(first))
	}
	if p.Host == "" {
		words = append(words, "between both ends")
	}
	return strings.Join(words, "; ")
}

// words tells the clock in a sentence.
func (c *PointClock) words(first string) string {
	if c.Uncertainty == nil {
		return fmt.Sprintf("clock %s that of %s, as far as one direction tells", ahead(c.Offset), clean(first))
	}
	text := fmt.Sprintf("clock %s that of %s, give or take %s", ahead(c.Offset), clean(first), span(*c.Uncertainty))
	if c.Drift != 0 {
		text += fmt.Sprintf(", and %s %.1f ppm (%.1f to %.1f)", gains(c.Drift), math.Abs(c.Drift), c.DriftLeast, c.DriftMost)
	}
	return text
}

func ahead(offset Seconds) string {
	switch {
	case offset > 0:
		return span(offset) + " ahead of"
	case offset < 0:
		return span(-offset) + " behind"
	}
	return "equal to"
}

func gains(drift float64) string {
	if drift < 0 {
		return "loses"
	}
	return "gains"
}

// path tells what became of a connection's packets.
func (t *text) path(p *Path) {
	for _, s := range p.Sentences() {
		t.printf("  %s\n", s)
	}
}

// Sentences tell what became of a connection's packets; none with one point.
func (p *Path) Sentences() (list []string) {
	if p == nil {
		return nil
	}
	for _, from := range [...]struct {
		name string
		c    *Crossed
	}{{"client", &p.Client}, {"server", &p.Server}} {
		c := from.c
		words := []string{fmt.Sprintf("%s sent %s", from.name, plural(c.Delivered+c.Lost+c.Unknown, "packet"))}
		for _, n := range [...]struct {
			n    uint64
			what string
		}{{c.Lost - c.Assumed, "lost on the path"}, {c.Assumed, "lost on the path if the capture behind was running"}, {c.Copies, "delivered twice"}, {c.Reordered, "overtaken"}, {c.Delayed, "delayed"}, {c.Forged, "put in on the path"},
			{c.Unknown, "of unknown fate"}, {c.Missed, "missed by its own capture"}} {
			if n.n > 0 {
				words = append(words, fmt.Sprintf("%s %s", thousands(n.n), n.what))
			}
		}
		if c.Delay.Samples > 0 {
			words = append(words, fmt.Sprintf("one way in %s to %s, %s on average", span(c.Delay.Min), span(c.Delay.Max), span(c.Delay.Mean)))
		}
		list = append(list, strings.Join(words, ", "))
	}
	return list
}
