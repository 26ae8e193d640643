package expect

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/finwait/finwait/report"
)

// This file reads YAML into the structs of schema.go, by reflection over the
// parsed nodes, so that every fault has its line and column and nothing that is
// not understood passes in silence.

// Error is a fault in an expectation file.
type Error struct {
	File      string
	Line, Col int // from 1; 0 where the file as a whole is at fault
	Msg       string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Col, e.Msg)
}

// Load reads an expectation file. The error is an *Error, or that of the system.
func Load(path string) (*File, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(path, src)
}

// yamlLine finds the line that the YAML parser names in its errors.
var yamlLine = regexp.MustCompile(`^yaml: (?:unmarshal errors:\s*)?line (\d+): (.*)`)

// Parse reads an expectation file. name is used in errors, and its folder is
// where the paths in the file start.
func Parse(name string, src []byte) (*File, error) {
	f := &File{Name: name}
	var doc yaml.Node
	if err := yaml.Unmarshal(src, &doc); err != nil {
		e := &Error{File: name, Msg: strings.TrimPrefix(err.Error(), "yaml: ")}
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
			e.Line, _ = strconv.Atoi(m[1]) // the pattern lets only digits through
			e.Col, e.Msg = 1, m[2]
		}
		return nil, e
	}
	if len(doc.Content) == 0 {
		return nil, &Error{File: name, Msg: "the file is empty"}
	}
	if err := decode(doc.Content[0], reflect.ValueOf(f).Elem(), "the file"); err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.File = name
		}
		return nil, err
	}
	if f.Schema != "" && f.Schema != SchemaID {
		return nil, &Error{File: name, Msg: fmt.Sprintf("schema %q is not %s", f.Schema, SchemaID)}
	}
	return f, nil
}

func at(n *yaml.Node, format string, args ...any) error {
	return &Error{Line: n.Line, Col: n.Column, Msg: fmt.Sprintf(format, args...)}
}

// fromNode is a type with a form of its own.
type fromNode interface{ fromNode(n *yaml.Node) error }

// decode fills v from n; what names the place for messages.
func decode(n *yaml.Node, v reflect.Value, what string) error {
	n = resolved(n)
	if n.Tag == "!!null" {
		return nil // `findings:` with nothing behind it says nothing
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		return decode(n, v.Elem(), what)
	}
	if own, ok := v.Addr().Interface().(fromNode); ok {
		return own.fromNode(n)
	}
	switch v.Kind() {
	case reflect.Struct:
		return decodeStruct(n, v, what)
	case reflect.Slice:
		return decodeList(n, v, what)
	case reflect.Map:
		return decodeMap(n, v, what)
	case reflect.String:
		return decodeWord(n, v, what)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil {
			return at(n, "%s is true or false", what)
		}
		v.SetBool(b)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || i < 1 {
			return at(n, "%s is a number from 1", what)
		}
		v.SetInt(int64(i))
	case reflect.Uint64:
		u, err := strconv.ParseUint(n.Value, 10, 64)
		if n.Kind != yaml.ScalarNode || err != nil {
			return at(n, "%s is a number", what)
		}
		v.SetUint(u)
	}
	return nil
}

// resolved is what an alias (*name) stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// field is a key of a mapping and where its value goes.
type field struct {
	key   string
	value reflect.Value
}

// fields lists the keys of a struct; embedded ones count as its own.
func fields(v reflect.Value) (list []field) {
	for i := range v.NumField() {
		key, flag, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case flag == "inline":
			list = append(list, fields(v.Field(i))...)
		case key != "-" && key != "":
			list = append(list, field{key, v.Field(i)})
		}
	}
	return list
}

func decodeStruct(n *yaml.Node, v reflect.Value, what string) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s is a mapping (key: value)", what)
	}
	known := fields(v)
	var keys []string
	for _, f := range known {
		keys = append(keys, f.key)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return at(key, "%s stands twice", key.Value)
		}
		seen[key.Value] = true
		found := false
		for _, f := range known {
			if f.key == key.Value {
				found = true
				if err := decode(value, f.value, key.Value); err != nil {
					return err
				}
			}
		}
		if !found {
			return at(key, "%s has no key %q%s; the keys are %s", what, key.Value,
				report.DidYouMean(key.Value, keys), strings.Join(keys, ", "))
		}
	}
	if line := v.FieldByName("Line"); line.IsValid() {
		line.SetInt(int64(n.Line))
	}
	return nil
}

// decodeList reads a list; where a word is enough, one alone is a list of one.
func decodeList(n *yaml.Node, v reflect.Value, what string) error {
	items := n.Content
	if n.Kind != yaml.SequenceNode {
		if n.Kind != yaml.ScalarNode || v.Type().Elem().Kind() == reflect.Struct && v.Type().Elem() != reflect.TypeFor[Finding]() {
			return at(n, "%s is a list (- …)", what)
		}
		items = []*yaml.Node{n}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	for i, item := range items {
		if err := decode(item, v.Index(i), what); err != nil {
			return err
		}
	}
	return nil
}

func decodeMap(n *yaml.Node, v reflect.Value, what string) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s is a mapping (key: value)", what)
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := reflect.New(v.Type().Key()).Elem()
		if err := decode(n.Content[i], key, what); err != nil {
			return err
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := decode(n.Content[i+1], value, what); err != nil {
			return err
		}
		v.SetMapIndex(key, value)
	}
	return nil
}

// decodeWord reads a text; types with a list of words take only those.
func decodeWord(n *yaml.Node, v reflect.Value, what string) error {
	if n.Kind != yaml.ScalarNode {
		return at(n, "%s is a text", what)
	}
	text, err := canonical(v.Type(), n.Value)
	if err != nil {
		return at(n, "%s: %v", what, err)
	}
	v.SetString(text)
	return nil
}

func (f *Finding) fromNode(n *yaml.Node) error {
	type plain Finding // without this method
	if n.Kind == yaml.ScalarNode {
		f.ID, f.Line = n.Value, n.Line
	} else if err := decodeStruct(n, reflect.ValueOf((*plain)(f)).Elem(), "a finding"); err != nil {
		return err
	}
	id, err := findingID(f.ID)
	if err != nil {
		return at(n, "%v", err)
	}
	f.ID = id
	return nil
}

func (p *Path) fromNode(n *yaml.Node) error {
	*p = Path{}
	type word struct {
		text string
		node *yaml.Node
	}
	var words []word
	switch n.Kind {
	case yaml.ScalarNode:
		for _, w := range strings.Fields(n.Value) {
			words = append(words, word{w, n})
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			item = resolved(item)
			words = append(words, word{item.Value, item})
		}
	default:
		return at(n, "a path is a text with states, or a list of them")
	}
	for _, w := range words {
		state, evidence, given := strings.Cut(w.text, "/")
		s, err := canonical(reflect.TypeFor[report.State](), state)
		if err != nil {
			return at(w.node, "path: %v", err)
		}
		if given {
			if evidence, err = canonical(reflect.TypeFor[report.Evidence](), evidence); err != nil {
				return at(w.node, "path: %v", err)
			}
		}
		*p = append(*p, Step{report.State(s), report.Evidence(evidence)})
	}
	return nil
}

func (c *Count) fromNode(n *yaml.Node) error {
	return bounds(n, &c.Min, &c.Max, "a number, or {min: N, max: N}", func(s string) (uint64, error) {
		return strconv.ParseUint(s, 10, 64)
	})
}

func (s *Span) fromNode(n *yaml.Node) error {
	return bounds(n, &s.Min, &s.Max, "a time such as 0.2 or 40ms, or {min: TIME, max: TIME}", func(text string) (time.Duration, error) {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return time.Duration(f * float64(time.Second)), nil
		}
		return time.ParseDuration(text)
	})
}

// bounds reads one value, which is both bounds, or a mapping.
func bounds[T uint64 | time.Duration](n *yaml.Node, least, most **T, form string, parse func(string) (T, error)) error {
	if n.Kind == yaml.ScalarNode {
		v, err := parse(n.Value)
		if err != nil {
			return at(n, "%q is not %s", n.Value, form)
		}
		*least, *most = &v, &v
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return at(n, "%s expected", form)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		v, err := parse(value.Value)
		if err != nil {
			return at(value, "%q is not %s", value.Value, form)
		}
		switch key.Value {
		case "min":
			*least = &v
		case "max":
			*most = &v
		default:
			return at(key, "bounds have no key %q; the keys are min, max", key.Value)
		}
	}
	if *least != nil && *most != nil && **least > **most {
		return at(n, "min is above max")
	}
	return nil
}
