// Package report tells Lifecycles to people and to programs: as text, as one
// JSON document, as NDJSON.
//
//	reassembly.Lifecycle --Builder--> Connection (schema.go) --+--> NDJSON, in retire order
//	                                                           +--> JSON, sorted   (spool.go)
//	                                                           +--> text, sorted   (spool.go)
//	                     --Totals---> Summary, always last
//
// Read schema.go first: it is the contract with other programs (schema id
// [SchemaID]) and what every format is made of; schema/finwait-1.schema.json is
// generated from it. Then report.go (New, Writer), build.go, append.go.
//
// Every format gives the same bytes for the same capture: nothing here reads a
// clock, the environment or a map in its random order. Memory is bounded:
// formats that sort spill to a temporary file (spool.go).
package report
