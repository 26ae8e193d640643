//go:build !linux

package capture

// hasAFPacket says whether the system has AF_PACKET sockets.
const hasAFPacket = false

func openAFPacket(o *LiveOptions) (liveBackend, *Filter, error) {
	return nil, nil, &Error{Op: "open", File: o.Interface, Err: ErrBackend, Detail: "AF_PACKET is Linux's",
		Hint: "build with libpcap and use --backend " + BackendLibpcap}
}

// interfaceLinkType is not told by the system without opening the interface.
func interfaceLinkType(string) uint32 { return LinkNone }

func switchTagLinkType(string) uint32 { return LinkNone }

func interfaceDrops(string) uint64 { return 0 }
