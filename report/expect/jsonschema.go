package expect

import (
	"reflect"
	"strings"

	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/internal/jsonschema"
)

// This file makes schema/finwait-expect-1.schema.json out of the structs of
// schema.go, so that editors check and complete expectation files.

type (
	object = jsonschema.Object
	member = jsonschema.Member
)

// Schema is the JSON Schema (draft 2020-12) of expectation files, indented, with
// a line end. It is the same on every call.
func Schema() ([]byte, error) {
	var defs jsonschema.Definitions
	root := schemaOf(reflect.TypeFor[File](), &defs)
	return jsonschema.Document(SchemaID, root, &defs)
}

func schemaOf(t reflect.Type, defs *jsonschema.Definitions) object {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), defs)
	}
	switch t {
	case reflect.TypeFor[Count]():
		return defs.Define(t, func() object { return boundSchema(object{{"type", "integer"}, {"minimum", 0}}) })
	case reflect.TypeFor[Span]():
		return defs.Define(t, func() object {
			return boundSchema(object{{"type", []string{"number", "string"}}, {"pattern", `^[0-9.]+(ns|us|µs|ms|s|m|h)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`}})
		})
	case reflect.TypeFor[Path]():
		return defs.Define(t, func() object {
			step := object{{"type", "string"}, {"pattern", "^(" + strings.Join(words[stateType], "|") + ")(/(" +
				strings.Join(words[reflect.TypeFor[report.Evidence]()], "|") + "))?$"}}
			return object{{"oneOf", []object{{{"type", "string"}}, {{"type", "array"}, {"items", step}}}}}
		})
	}
	if list, ok := words[t]; ok {
		return defs.Define(t, func() object { return object{{"enum", list}} })
	}
	switch t.Kind() {
	case reflect.Struct:
		return defs.Define(t, func() object {
			s := structSchema(t, defs)
			if t == reflect.TypeFor[Finding]() {
				s = append(s, member{"required", []string{"id"}})
				return object{{"oneOf", []object{{{"type", "string"}}, s}}}
			}
			return s
		})
	case reflect.Slice:
		item := schemaOf(t.Elem(), defs)
		list := object{{"type", "array"}, {"items", item}}
		if t.Elem().Kind() == reflect.Struct && t.Elem() != reflect.TypeFor[Finding]() {
			return list
		}
		return object{{"anyOf", []object{item, list}}} // one alone needs no brackets
	case reflect.Map:
		return object{{"type", "object"}, {"propertyNames", schemaOf(t.Key(), defs)}, {"additionalProperties", schemaOf(t.Elem(), defs)}}
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.Int, reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 1}}
	}
	return object{{"type", "string"}}
}

func structSchema(t reflect.Type, defs *jsonschema.Definitions) object {
	return object{{"type", "object"}, {"properties", properties(t, object{}, defs)}, {"additionalProperties", false}}
}

// properties adds those of t to list; what is inline counts as its own.
func properties(t reflect.Type, list object, defs *jsonschema.Definitions) object {
	for i := range t.NumField() {
		f := t.Field(i)
		key, flag, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case flag == "inline":
			list = properties(f.Type, list, defs)
		case key != "" && key != "-":
			s := append(object{{"description", f.Tag.Get("doc")}}, schemaOf(f.Type, defs)...)
			list = append(list, member{key, s})
		}
	}
	return list
}

func boundSchema(value object) object {
	return object{{"oneOf", []object{value, {{"type", "object"}, {"properties", object{{"min", value}, {"max", value}}}, {"additionalProperties", false}}}}}
}
