package verdict

import (
	"encoding/xml"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// This file is the schema of Ant's JUnit reports (JUnit.xsd of Windy Road) as a
// table, and a validator for it.

// junitElement is an element of the schema: its attributes with the form that
// each must have, and its children in order.
type junitElement struct {
	required map[string]string
	optional map[string]string
	children []junitChild
	text     bool
}

type junitChild struct {
	name   string // several with |: a choice
	always bool
	many   bool
}

const (
	anyText  = `(?s).*`
	token    = `\S(?:.*\S)?` // xs:token of at least one character
	integer  = `-?\d+`
	decimal  = `-?\d+(?:\.\d*)?`
	dateTime = `\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}`
)

var junitSchema = map[string]junitElement{
	"testsuites": {children: []junitChild{{"testsuite", false, true}}},
	"testsuite": {
		required: map[string]string{"name": token, "timestamp": dateTime, "hostname": token, "tests": integer, "failures": integer,
			"errors": integer, "time": decimal, "package": anyText, "id": integer},
		optional: map[string]string{"skipped": integer},
		children: []junitChild{{"properties", true, false}, {"testcase", false, true}, {"system-out", true, false}, {"system-err", true, false}},
	},
	"properties": {children: []junitChild{{"property", false, true}}},
	"property":   {required: map[string]string{"name": token, "value": anyText}},
	"testcase": {
		required: map[string]string{"name": anyText, "classname": anyText, "time": decimal},
		children: []junitChild{{"skipped|error|failure", false, false}},
	},
	"skipped":    {},
	"error":      {required: map[string]string{"type": anyText}, optional: map[string]string{"message": anyText}, text: true},
	"failure":    {required: map[string]string{"type": anyText}, optional: map[string]string{"message": anyText}, text: true},
	"system-out": {text: true},
	"system-err": {text: true},
}

// open is an element whose end is not reached, and how far its children are.
type open struct {
	name   string
	next   int
	seen   bool // the child at next stood there once
	schema junitElement
}

// validJUnit holds a document against the schema.
func validJUnit(r io.Reader) error {
	d := xml.NewDecoder(r)
	stack := []*open{{name: "the document", schema: junitElement{children: []junitChild{{"testsuites", true, false}}}}}
	for {
		t, err := d.Token()
		if err == io.EOF {
			return stack[0].end()
		}
		if err != nil {
			return err
		}
		top := stack[len(stack)-1]
		switch t := t.(type) {
		case xml.StartElement:
			if err := top.child(t.Name.Local); err != nil {
				return err
			}
			e := &open{name: t.Name.Local, schema: junitSchema[t.Name.Local]}
			if err := e.attributes(t.Attr); err != nil {
				return err
			}
			stack = append(stack, e)
		case xml.EndElement:
			if err := top.end(); err != nil {
				return err
			}
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if !top.schema.text && strings.TrimSpace(string(t)) != "" {
				return fmt.Errorf("%s: text %q", top.name, t)
			}
		}
	}
}

func (e *open) child(name string) error {
	for ; e.next < len(e.schema.children); e.next++ {
		c := e.schema.children[e.next]
		if slices.Contains(strings.Split(c.name, "|"), name) {
			if e.seen && !c.many {
				return fmt.Errorf("%s: a second %s", e.name, name)
			}
			e.seen = true
			return nil
		}
		if c.always && !e.seen {
			return fmt.Errorf("%s: %s where %s must stand", e.name, name, c.name)
		}
		e.seen = false
	}
	return fmt.Errorf("%s: %s does not belong here", e.name, name)
}

func (e *open) end() error {
	for i, c := range e.schema.children {
		if c.always && (i > e.next || i == e.next && !e.seen) {
			return fmt.Errorf("%s: %s is missing", e.name, c.name)
		}
	}
	return nil
}

func (e *open) attributes(list []xml.Attr) error {
	found := map[string]bool{}
	for _, a := range list {
		form, ok := e.schema.required[a.Name.Local]
		if !ok {
			form, ok = e.schema.optional[a.Name.Local]
		}
		if !ok {
			return fmt.Errorf("%s: attribute %s", e.name, a.Name.Local)
		}
		if !regexp.MustCompile("^(?:" + form + ")$").MatchString(a.Value) {
			return fmt.Errorf("%s: %s=%q", e.name, a.Name.Local, a.Value)
		}
		found[a.Name.Local] = true
	}
	for name := range e.schema.required {
		if !found[name] {
			return fmt.Errorf("%s: attribute %s is missing", e.name, name)
		}
	}
	return nil
}
