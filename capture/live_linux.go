package capture

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// This file is what Linux tells of its interfaces.

// hasAFPacket says whether the system has AF_PACKET sockets.
const hasAFPacket = true

// linkTypes of interfaces by their ARPHRD_ number. Those of others are read
// without their link header, behind a cooked one.
var linkTypes = map[uint16]uint32{
	unix.ARPHRD_ETHER:              LinkEthernet,
	unix.ARPHRD_LOOPBACK:           LinkEthernet,
	unix.ARPHRD_NONE:               LinkRaw,
	unix.ARPHRD_RAWIP:              LinkRaw,
	unix.ARPHRD_TUNNEL:             LinkRaw,
	unix.ARPHRD_TUNNEL6:            LinkRaw,
	unix.ARPHRD_SIT:                LinkRaw,
	unix.ARPHRD_IPGRE:              LinkRaw,
	unix.ARPHRD_IP6GRE:             LinkRaw,
	unix.ARPHRD_IEEE80211_RADIOTAP: LinkRadiotap,
}

// interfaceLinkType gives the LINKTYPE_ number of an interface's frames.
func interfaceLinkType(name string) uint32 {
	if name == AnyInterface {
		return LinkSLL2
	}
	if tagged := switchTagLinkType(name); tagged != LinkNone {
		return tagged
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return LinkNone
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	request, err := unix.NewIfreq(name)
	if err != nil || unix.IoctlIfreq(fd, unix.SIOCGIFHWADDR, request) != nil {
		return LinkNone
	}
	if link, ok := linkTypes[request.Uint16()]; ok {
		return link
	}
	return LinkSLL2
}

// switchTagLinkType is the link type of the port of a switch chip whose frames
// carry the chip's tag, LinkNone of any other interface.
func switchTagLinkType(name string) uint32 {
	if strings.ContainsAny(name, "/\x00") {
		return LinkNone
	}
	tag, err := os.ReadFile("/sys/class/net/" + name + "/dsa/tagging")
	if err != nil {
		return LinkNone
	}
	switch strings.TrimSpace(string(tag)) {
	case "brcm":
		return LinkBRCMTag
	case "brcm-prepend":
		return LinkBRCMPrepend
	case "dsa":
		return LinkDSA
	case "edsa":
		return LinkEDSA
	}
	return LinkNone
}

// interfaceDrops is what an interface, or all of them, ever lost of what it
// received: dropped by the driver or for lack of its own buffers.
func interfaceDrops(name string) (sum uint64) {
	// The file of the thread's own network namespace, not of the process's.
	text, err := os.ReadFile("/proc/thread-self/net/dev")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		which, numbers, ok := strings.Cut(line, ":")
		if !ok || name != AnyInterface && strings.TrimSpace(which) != name {
			continue
		}
		// bytes packets errs drop fifo …
		f := strings.Fields(numbers)
		for _, i := range []int{3, 4} {
			if i < len(f) {
				n, err := strconv.ParseUint(f[i], 10, 64)
				if err == nil {
					sum += n
				}
			}
		}
	}
	return sum
}
