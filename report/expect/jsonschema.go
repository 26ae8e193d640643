package expect

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/finwait/finwait/report"
)

// This file makes schema/finwait-expect-1.schema.json out of the structs of
// schema.go, so that editors check and complete expectation files.

type object = map[string]any

// Schema is the JSON Schema (draft 2020-12) of expectation files, indented, with
// a line end. It is the same on every call.
func Schema() ([]byte, error) {
	defs := object{}
	root := schemaOf(reflect.TypeFor[File](), defs)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = SchemaID
	root["$defs"] = defs
	text, err := json.Marshal(root)
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

func schemaOf(t reflect.Type, defs object) object {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), defs)
	}
	define := func(body func() object) object {
		if _, ok := defs[t.Name()]; !ok {
			defs[t.Name()] = nil // it may speak of itself
			defs[t.Name()] = body()
		}
		return object{"$ref": "#/$defs/" + t.Name()}
	}
	switch t {
	case reflect.TypeFor[Count]():
		return define(func() object { return boundSchema(object{"type": "integer", "minimum": 0}) })
	case reflect.TypeFor[Span]():
		return define(func() object {
			return boundSchema(object{"type": []string{"number", "string"}, "pattern": `^[0-9.]+(ns|us|µs|ms|s|m|h)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`})
		})
	case reflect.TypeFor[Path]():
		return define(func() object {
			step := object{"type": "string", "pattern": "^(" + strings.Join(words[stateType], "|") + ")(/(" +
				strings.Join(words[reflect.TypeFor[report.Evidence]()], "|") + "))?$"}
			return object{"oneOf": []object{{"type": "string"}, {"type": "array", "items": step}}}
		})
	}
	if list, ok := words[t]; ok {
		return define(func() object { return object{"enum": list} })
	}
	switch t.Kind() {
	case reflect.Struct:
		return define(func() object {
			s := structSchema(t, defs)
			if t == reflect.TypeFor[Finding]() {
				s["required"] = []string{"id"}
				return object{"oneOf": []object{{"type": "string"}, s}}
			}
			return s
		})
	case reflect.Slice:
		item := schemaOf(t.Elem(), defs)
		list := object{"type": "array", "items": item}
		if t.Elem().Kind() == reflect.Struct && t.Elem() != reflect.TypeFor[Finding]() {
			return list
		}
		return object{"anyOf": []object{item, list}} // one alone needs no brackets
	case reflect.Map:
		return object{"type": "object", "propertyNames": schemaOf(t.Key(), defs), "additionalProperties": schemaOf(t.Elem(), defs)}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Int, reflect.Uint64:
		return object{"type": "integer", "minimum": 1}
	}
	return object{"type": "string"}
}

func structSchema(t reflect.Type, defs object) object {
	properties := object{}
	addProperties(t, properties, defs)
	return object{"type": "object", "properties": properties, "additionalProperties": false}
}

func addProperties(t reflect.Type, properties, defs object) {
	for i := range t.NumField() {
		f := t.Field(i)
		key, flag, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case flag == "inline":
			addProperties(f.Type, properties, defs)
		case key != "" && key != "-":
			s := schemaOf(f.Type, defs)
			s["description"] = f.Tag.Get("doc")
			properties[key] = s
		}
	}
}

func boundSchema(value object) object {
	return object{"oneOf": []object{value, {"type": "object", "additionalProperties": false,
		"properties": object{"min": value, "max": value}}}}
}
