package diff

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/finwait/finwait/report"
)

// ErrNotReport says that the input is JSON, but no report of finwait.
var ErrNotReport = errors.New("not a report of finwait")

// Read reads the connections of a report: one JSON document, or NDJSON.
func Read(r io.Reader) ([]*report.Connection, error) {
	d := json.NewDecoder(r)
	var list []*report.Connection
	known := false
	for n := 1; ; n++ {
		var raw json.RawMessage
		if err := d.Decode(&raw); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
		var head struct {
			Type, Schema string
			Connections  json.RawMessage // a list in a document, a number in a summary
		}
		if err := json.Unmarshal(raw, &head); err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
		if head.Schema != "" && head.Schema != report.SchemaID {
			return nil, fmt.Errorf("object %d: schema %q is not %s", n, head.Schema, report.SchemaID)
		}
		known = known || head.Schema != ""
		if head.Type == "" && head.Connections != nil {
			var all []*report.Connection
			if err := json.Unmarshal(head.Connections, &all); err != nil {
				return nil, fmt.Errorf("object %d: %w", n, err)
			}
			list = append(list, all...)
		}
		if head.Type != report.TypeConnection {
			continue
		}
		c := new(report.Connection)
		if err := json.Unmarshal(raw, c); err != nil {
			return nil, fmt.Errorf("object %d: %w", n, err)
		}
		known, list = true, append(list, c)
	}
	if !known {
		return nil, ErrNotReport
	}
	return list, nil
}
