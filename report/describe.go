package report

import (
	"io"

	"github.com/finwait/finwait/reassembly"
)

// Describe writes one connection as the text report lists it: its tuple, its
// findings and the lanes of both endpoints.
func Describe(w io.Writer, l *reassembly.Lifecycle, o TextOptions) error {
	t := newText(w, o, 0)
	if err := t.connection(new(Builder).Build(l).AppendJSON(nil)); err != nil {
		return err
	}
	return t.flush()
}
