package reassembly

import (
	"fmt"
	"reflect"
)

// This file holds the clean path against the machine: for the tests of this
// package, and for a program built with the tag bothways.

// bothWays, if set, is given each connection that the clean path told, and what
// the machine makes of it.
var bothWays func(clean, machine *Lifecycle)

// mustEqual panics if the two differ.
func mustEqual(clean, machine *Lifecycle) {
	a, b := *clean, *machine
	a.reusable = b.reusable
	if !reflect.DeepEqual(a, b) {
		panic(fmt.Sprintf("the clean path and the machine differ:\n%+v\n%+v", a, b))
	}
}

// atClose, if set, is told how many connections a Tracker told, and how many of
// them by the clean path.
var atClose func(told, clean int)
