package report

import (
	"bytes"
	"encoding/json"
	"io"
)

// This file writes the two JSON formats. They consist of the same objects.

// lines is NDJSON: an object a line.
type lines struct{ w io.Writer }

func (n *lines) begin(c *Capture, _ *Summary) error { return n.object(c) }
func (n *lines) end(s *Summary) error               { return n.object(s) }
func (n *lines) renderer() renderer                 { return jsonRenderer{end: "\n"} }

func (n *lines) connection(line []byte) error {
	_, err := n.w.Write(line)
	return err
}

func (n *lines) object(v any) error {
	text, err := marshal(v)
	if err != nil {
		return err
	}
	return n.connection(append(text, '\n'))
}

// jsonRenderer prints the object of a connection.
type jsonRenderer struct{ end string }

func (r jsonRenderer) render(b []byte, c *Connection) []byte {
	return append(c.AppendJSON(b), r.end...)
}

// document is one JSON document. Each connection stands on a line of its own,
// so that a diff of two reports shows which connections changed.
type document struct {
	w   io.Writer
	any bool
}

func (d *document) begin(c *Capture, _ *Summary) error {
	text, err := marshal(c)
	if err != nil {
		return err
	}
	return d.write(`{"schema":"`+SchemaID+`",`+"\n"+`"capture":`, text, ",\n"+`"connections":[`)
}

func (d *document) renderer() renderer { return jsonRenderer{} }

func (d *document) connection(object []byte) error {
	before := ",\n"
	if !d.any {
		before, d.any = "\n", true
	}
	return d.write(before, object, "")
}

func (d *document) end(s *Summary) error {
	text, err := marshal(s)
	if err != nil {
		return err
	}
	before := "],\n" + `"summary":`
	if d.any {
		before = "\n" + before
	}
	return d.write(before, text, "}\n")
}

func (d *document) write(before string, object []byte, after string) error {
	if _, err := io.WriteString(d.w, before); err != nil {
		return err
	}
	if _, err := d.w.Write(object); err != nil {
		return err
	}
	_, err := io.WriteString(d.w, after)
	return err
}

// marshal is json.Marshal but leaves <, > and & as they are: reports are not
// pasted into HTML, and "->" is easier to read than "-\u003e".
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
