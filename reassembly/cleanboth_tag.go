//go:build bothways

package reassembly

import (
	"fmt"
	"os"
)

func init() {
	bothWays = mustEqual
	atClose = func(told, clean int) {
		fmt.Fprintf(os.Stderr, "%d connections, %d of them by the clean path\n", told, clean)
	}
}
