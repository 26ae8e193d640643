package main

import (
	"os"

	"golang.org/x/term"
)

// terminalWidth is the width of a terminal in columns; ok is false if f is none.
func terminalWidth(f *os.File) (width int, ok bool) {
	fd := int(f.Fd())
	if !term.IsTerminal(fd) {
		return 0, false
	}
	width, _, err := term.GetSize(fd)
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}

// wantColor follows https://no-color.org: NO_COLOR counts when it is not empty.
func wantColor(terminal, off bool) bool {
	return terminal && !off && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
