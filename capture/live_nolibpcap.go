//go:build !cgo || nolibpcap

package capture

func openLiveLibpcap(o *LiveOptions) (liveBackend, error) {
	return nil, &Error{Op: "open", File: o.Interface, Err: ErrNoLibpcap, Hint: "capture with --backend " + BackendAFPacket + " on Linux"}
}
