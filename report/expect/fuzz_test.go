package expect

import (
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
)

// FuzzParse: an expectation file may hold anything, and no fault of it is without
// a place or a message.
func FuzzParse(f *testing.F) {
	f.Add([]byte(full))
	f.Add([]byte("a: &a [*a]\ncaptures: *a"))
	f.Add([]byte("defaults: {client: {path: &p [SYN-SENT]}, server: {path: *p}, packets: &n 3, duration: {min: *n}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		defer fuzzlimit.Watch(t, len(src))()
		file, err := Parse("x.yaml", src)
		if err != nil {
			if err.Error() == "x.yaml: " {
				t.Errorf("%q: no message", src)
			}
			return
		}
		c := NewChecker("a.pcap", file, Options{FailOn: FailOn{"info"}})
		c.Add(conn(1, "10.0.0.1:1"))
		c.Close(9)
	})
}
