// Package jsonschema holds what package report and its sub-packages share to make
// JSON Schemas (draft 2020-12) out of their structs.
package jsonschema

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Object is a JSON object that keeps the order of its members.
type Object []Member

// Member is a key, which is a string, and its value. It is an array so that
// members can be written {"type", "string"}.
type Member [2]any

// MarshalJSON prints the members in their order, and leaves <, > and & as they are.
func (o Object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, m := range o {
		if i > 0 {
			b = append(b, ',')
		}
		for j, v := range m {
			text, err := marshal(v)
			if err != nil {
				return nil, err
			}
			if j > 0 {
				b = append(b, ':')
			}
			b = append(b, text...)
		}
	}
	return append(b, '}'), nil
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// Definitions are the $defs of a schema, each made once.
type Definitions struct {
	list  Object
	known map[reflect.Type]bool
}

// Define gives a reference to the definition of t, which schema makes at the
// first call. It may refer to t itself.
func (d *Definitions) Define(t reflect.Type, schema func() Object) Object {
	if !d.known[t] {
		if d.known == nil {
			d.known = map[reflect.Type]bool{}
		}
		d.known[t] = true
		body := schema() // other definitions come first
		d.list = append(d.list, Member{t.Name(), body})
	}
	return Object{{"$ref", "#/$defs/" + t.Name()}}
}

// Document is a whole schema, indented, with a line end: root, in front of it the
// draft and the title, behind it the definitions.
func Document(title string, root Object, d *Definitions) ([]byte, error) {
	all := append(Object{{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", title}}, root...)
	text, err := marshal(append(all, Member{"$defs", d.list}))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}
