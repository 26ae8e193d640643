package reassembly

// Every test of this package tells clean connections both ways.
func init() { bothWays = mustEqual }

// AtClose has f told how many connections each Tracker told, and how many of
// them by the clean path.
func AtClose(f func(told, clean int)) { atClose = f }
