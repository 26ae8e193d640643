package html

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// This file puts the document together.

//go:embed assets
var assets embed.FS

// scripts are joined in this order into one scope.
var scripts = []string{"base.js", "chart.js", "overview.js", "table.js", "diagram.js", "player.js", "ladder.js", "sequence.js", "connection.js", "main.js"}

// The two halves of the frame; the blocks of data stand between them.
var frame = template.Must(template.New("page").Funcs(template.FuncMap{"group": group}).ParseFS(assets, "assets/*.tmpl"))

// page is all that the document tells.
type page struct {
	Options
	Summary    *report.Summary
	Matching   uint64 // connections that the selection lets through
	rows       []*row
	sets       []findingSet
	details    []item[[]byte]
	timeline   timeline
	handshakes *histogram
	several    bool
}

func (p *page) write(to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<16)
	f, err := p.frame()
	if err != nil {
		return err
	}
	if err := frame.ExecuteTemplate(w, "head.html.tmpl", f); err != nil {
		return err
	}
	// bufio.Writer keeps its first error for Flush.
	block := func(id string, text []byte) {
		_, _ = fmt.Fprintf(w, "<script type=\"application/json\" id=\"%s\">", id)
		_, _ = w.Write(text)
		_, _ = io.WriteString(w, "</script>\n")
	}
	names := hosts(p.rows)
	block("meta", embeddable(appendJSON(nil, p.meta(names))))
	block("rows", columns(nil, p.rows, p.several))
	block("series", embeddable(appendJSON(nil, p.series())))
	for _, d := range p.details {
		block("c-"+strconv.FormatUint(d.id, 10), d.value)
	}
	if err := frame.ExecuteTemplate(w, "tail.html.tmpl", f); err != nil {
		return err
	}
	return w.Flush()
}

// meta is what the scripts know beside the rows.
type meta struct {
	Capture   report.Capture      `json:"capture"`
	Summary   *report.Summary     `json:"summary"`
	Sort      report.Order        `json:"sort"`
	Several   bool                `json:"several_files"`
	Matching  uint64              `json:"matching"`
	RowsBegin float64             `json:"rows_begin_s"` // the first row's start after the trace's
	Hosts     []string            `json:"hosts"`
	Sets      []findingSet        `json:"finding_sets"`
	Full      []uint64            `json:"full"`
	States    []string            `json:"states"`
	Opens     []string            `json:"opens"`
	Closes    []string            `json:"closes"`
	StateText map[string]string   `json:"state_texts"`
	Rules     map[string]ruleText `json:"rules"`
	Words     []anomaly.Word      `json:"words"`
}

// ruleText is a rule as `finwait explain` tells it.
type ruleText struct {
	Title      string   `json:"title"`
	RFC        []string `json:"rfc"`
	Meaning    string   `json:"meaning"`
	Causes     string   `json:"causes"`
	FalseAlarm string   `json:"false_alarm"`
	LookNext   string   `json:"look_next"`
}

func (p *page) meta(hosts []string) meta {
	m := meta{
		Capture: p.Capture, Summary: p.Summary, Sort: p.Sort, Several: p.several, Matching: p.Matching, Hosts: hosts, Sets: p.sets,
		Full: []uint64{}, StateText: map[string]string{}, Rules: map[string]ruleText{}, Words: anomaly.Words(),
		States: report.Names[tcpstate.State](tcpstate.NumStates),
		Opens:  report.Names[reassembly.OpenKind](reassembly.NumOpenKinds), Closes: report.Names[reassembly.CloseKind](reassembly.NumCloseKinds),
	}
	if len(p.rows) > 0 {
		m.RowsBegin = reassembly.Seconds(p.rows[0].start - int64(p.Summary.Start))
	}
	if m.Sets == nil {
		m.Sets = []findingSet{}
	}
	for _, d := range p.details {
		m.Full = append(m.Full, d.id)
	}
	for s := range tcpstate.State(tcpstate.NumStates) {
		m.StateText[s.String()] = s.Explain()
	}
	for _, f := range p.Summary.Findings {
		if r, ok := anomaly.Lookup(string(f.ID)); ok {
			meaning, causes, _ := strings.Cut(r.Explanation, " Usual causes: ")
			m.Rules[r.ID] = ruleText{r.Title, r.RFC, meaning, sentence(causes), r.FalseAlarm, r.LookNext}
		}
	}
	return m
}

// ephemeralPorts is how many ports Linux hands out to clients unless told
// otherwise: net.ipv4.ip_local_port_range is 32768 to 60999.
const ephemeralPorts = 60999 - 32768 + 1

// series is what is drawn over all connections.
type series struct {
	Timeline   timeline   `json:"timeline"`
	Handshakes *histogram `json:"handshakes"`
	Ports      int        `json:"ports"`
}

func (p *page) series() series { return series{p.timeline, p.handshakes, ephemeralPorts} }

// frameData is what the templates fill in.
type frameData struct {
	*page
	Policy     string
	Style      template.CSS
	Script     template.JS
	Title      string
	Names      []string
	MoreNames  int
	Lead       string
	Period     string
	Findings   []findingLine
	Bars       []barList
	Quality    []qualityLine
	Assumed    []string
	FullCount  int
	RowsHidden uint64
}

func (p *page) frame() (*frameData, error) {
	style, err := assets.ReadFile("assets/style.css")
	if err != nil {
		return nil, err
	}
	script, err := joined()
	if err != nil {
		return nil, err
	}
	f := &frameData{page: p, Style: template.CSS(style), Script: template.JS(script), FullCount: len(p.details)}
	f.Policy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'",
		digest(script), digest(style))
	f.RowsHidden = p.Matching - uint64(len(p.rows))
	f.describe()
	return f, nil
}

// joined is all scripts in one function, so that they leave nothing on window.
func joined() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("(() => {\n\"use strict\";\n")
	for _, name := range scripts {
		text, err := assets.ReadFile("assets/" + name)
		if err != nil {
			return nil, err
		}
		b.Write(text)
	}
	b.WriteString("})();\n")
	return b.Bytes(), nil
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// group writes a number with commas between thousands.
func group(v any) string {
	text := fmt.Sprint(v)
	var b []byte
	for i := range len(text) {
		if i > 0 && (len(text)-i)%3 == 0 {
			b = append(b, ',')
		}
		b = append(b, text[i])
	}
	return string(b)
}
