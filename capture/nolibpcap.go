//go:build !cgo || nolibpcap

package capture

// HasLibpcap says whether this build can compile filter expressions.
const HasLibpcap = false

// LibpcapVersion names the libpcap that is linked, "" if there is none.
func LibpcapVersion() string { return "" }

func compileExpression(expr string, _ uint32) (bpfProgram, error) {
	return nil, &Error{Op: "filter", Err: ErrNoLibpcap, Detail: "filter expressions need it",
		Hint: "use --host, --port or --net, or give --filter-bytecode the output of 'tcpdump -ddd'"}
}
