package report

import (
	"io"

	"github.com/finwait/finwait/reassembly"
)

// Describe writes one connection as the text report lists it: its tuple, its
// findings and the lanes of both endpoints.
func Describe(w io.Writer, l *reassembly.Lifecycle, o TextOptions) error {
	t := newText(w, o, 0)
	return t.connection(t.render(nil, new(Builder).Build(l)))
}
