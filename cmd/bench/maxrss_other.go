//go:build !unix

package main

import "os"

// maxRSS is the most memory that a process had resident; 0: unknown here.
func maxRSS(*os.ProcessState) int64 { return 0 }
