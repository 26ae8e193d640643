// Command finwait tells the life of every TCP connection in packet captures.
//
// Read root.go for the commands, read.go for what happens to a capture, exit.go
// for the exit statuses.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}
