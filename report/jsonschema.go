package report

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report/internal/jsonschema"
)

// This file makes schema/finwait-1.schema.json out of the structs of schema.go,
// their doc tags and the words of the core. A document of the format json, and
// each line of NDJSON, validate against it.

type (
	object = jsonschema.Object
	member = jsonschema.Member
)

const (
	timePattern   = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z$`
	tunnelPattern = `^[0-9a-f]{16}$`
)

// Schema is the JSON Schema (draft 2020-12) of the reports, indented, with a
// line end. It is the same on every call.
func Schema() ([]byte, error) {
	var g generator
	alternatives := []object{}
	for _, v := range []any{Document{}, Capture{}, Connection{}, Summary{}, Event{}} {
		alternatives = append(alternatives, g.of(reflect.TypeOf(v)))
	}
	return jsonschema.Document(SchemaID, object{
		{"description", "A report of finwait: a document of the format json, or one line of the format ndjson."},
		{"oneOf", alternatives},
	}, &g.defs)
}

type generator struct {
	defs jsonschema.Definitions
}

// schemaWords are the values of the string types of schema.go.
var schemaWords = map[reflect.Type][]string{
	reflect.TypeFor[State]():     stateNames(),
	reflect.TypeFor[Evidence]():  {"observed", "confirmed", "delivered", "presumed", "assumed", "timer"},
	reflect.TypeFor[OpenKind]():  openNames(),
	reflect.TypeFor[CloseKind](): closeNames(),
	reflect.TypeFor[SideName]():  Names[reassembly.Side](4),
	reflect.TypeFor[Severity]():  Severities,
	reflect.TypeFor[Family]():    anomaly.Families(),
	reflect.TypeFor[FindingID](): anomaly.IDs(),
	reflect.TypeFor[Where]():     {"before-tap", "after-tap", "never-sent", "capture-missed", "undetermined", "on-path", "at-receiver"},
	reflect.TypeFor[Certainty](): {"certain", "likely", "possible"},
	reflect.TypeFor[EventKind](): eventKinds(),
}

// special are the types with a form of their own in JSON.
var special = map[reflect.Type]object{
	reflect.TypeFor[Time]():    {{"type", "string"}, {"format", "date-time"}, {"pattern", timePattern}},
	reflect.TypeFor[Seconds](): {{"type", "number"}},
	reflect.TypeFor[Number]():  {{"type", []string{"integer", "null"}}, {"minimum", 1}},
	reflect.TypeFor[Tunnel]():  {{"type", "string"}, {"pattern", tunnelPattern}},
	reflect.TypeFor[TimeLeft](): {{"oneOf", []object{
		{{"type", "number"}, {"minimum", 0}},
		{{"type", "array"}, {"items", object{{"type", "number"}, {"minimum", 0}}}, {"minItems", 2}, {"maxItems", 2}},
	}}},
	reflect.TypeFor[StateTimes](): {
		{"type", "object"},
		{"propertyNames", object{{"enum", stateNames()}}},
		{"additionalProperties", object{{"type", "number"}, {"minimum", 0}}},
	},
	reflect.TypeFor[netip.Addr](): {{"anyOf", []object{
		{{"type", "string"}, {"format", "ipv4"}}, {{"type", "string"}, {"format", "ipv6"}}}}},
}

// of gives the schema of a type; structs and words become definitions.
func (g *generator) of(t reflect.Type) object {
	if o, ok := special[t]; ok {
		return o
	}
	if list, ok := schemaWords[t]; ok {
		return g.defs.Define(t, func() object { return object{{"enum", list}} })
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.of(t.Elem())
	case reflect.Slice:
		return object{{"type", "array"}, {"items", g.of(t.Elem())}}
	case reflect.Struct:
		return g.defs.Define(t, func() object { return g.structure(t) })
	case reflect.Bool:
		return object{{"type", "boolean"}}
	case reflect.String:
		return object{{"type", "string"}}
	case reflect.Float64:
		return object{{"type", "number"}}
	case reflect.Int:
		return object{{"type", "integer"}}
	case reflect.Uint8:
		return object{{"type", "integer"}, {"minimum", 0}, {"maximum", 255}}
	case reflect.Uint16:
		return object{{"type", "integer"}, {"minimum", 0}, {"maximum", 65535}}
	case reflect.Uint32, reflect.Uint64:
		return object{{"type", "integer"}, {"minimum", 0}}
	}
	panic(fmt.Sprintf("report: %v has no form in JSON Schema", t))
}

// structure is the schema of a struct. Fields that are never left out are
// required; unknown members are allowed, since optional ones may be added.
func (g *generator) structure(t reflect.Type) object {
	properties, required := object{}, []string{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("json"), ",")
		schema := g.of(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			schema = append(object{{"description", doc}}, schema...)
		}
		if name == "type" || name == "schema" {
			schema = append(schema, member{"const", constant(t, name)})
		}
		properties = append(properties, member{name, schema})
		if flags == "" {
			required = append(required, name)
		}
	}
	return object{{"type", "object"}, {"properties", properties}, {"required", required}}
}

func constant(t reflect.Type, name string) string {
	if name == "schema" {
		return SchemaID
	}
	return strings.ToLower(t.Name())
}
