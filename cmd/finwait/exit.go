package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/finwait/finwait/capture"
)

// This file is how the program ends.

// Exit statuses. An interrupt ends with 128 + the number of the signal, after
// the report of what had been read.
const (
	statusOK       = 0
	statusUsage    = 2 // the command line is wrong
	statusInput    = 3 // a capture is unreadable or damaged; what could be read was reported
	statusInternal = 4 // the report, or packets to be kept, could not be written, or the program is at fault
)

// usageError is a fault of the command line.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// statusError ends the program with a status; its text was already told where
// it is empty.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

// status finds the exit status of an error and what to say of it.
func status(err error) (int, string) {
	var usage *usageError
	var told *statusError
	var input *capture.Error
	switch {
	case err == nil, errors.Is(err, syscall.EPIPE): // `finwait | head` got what it wanted
		return statusOK, ""
	case errors.As(err, &told):
		return told.status, told.text
	case errors.As(err, &usage):
		return statusUsage, usage.text
	case errors.As(err, &input):
		return statusInput, input.Error()
	}
	return statusInternal, err.Error()
}

// oneLine is for messages: what a file is called must not break the line.
func oneLine(s string) string {
	return strings.Join(strings.Fields(s), " ")
}
