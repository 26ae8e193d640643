package capture

import (
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// InterfaceInfo is one interface of a capture file. Only pcapng tells more than
// the link type, the snaplen and the resolution.
type InterfaceInfo struct {
	Section     int // index of the section, 0 for the first
	Index       int // number within the section
	Name        string
	Description string
	LinkType    uint32
	SnapLen     uint32 // 0: no limit
	Resolution  uint64 // units a second, 1e6 for microseconds
	Offset      int64  // seconds added to each time
	Packets     uint64
	Received    uint64 // as the last statistics block tells, valid with HasReceived
	Dropped     uint64 // lost for lack of room or by the operating system, as the file tells; valid with HasDropped
	HasReceived bool
	HasDropped  bool

	statistics     uint64 // lost in all, as the last statistics tell
	betweenPackets uint64 // lost in all, as the packets' options tell
}

// FileInfo is what is known of one file. It is complete once the Reader has
// passed the file's end.
type FileInfo struct {
	Path        string // as given or found; "-" for standard input
	Container   string // "pcap", "pcapng", "snoop"
	Compression string // "", "gzip", "zstd", "lz4", "xz"
	Version     string // of the container, "2.4"
	ByteOrder   string // "little-endian", "big-endian"; of the first section
	Sections    int
	Interfaces  []InterfaceInfo
	LinkTypes   []uint32 // each once, in order of appearance
	SnapLen     uint32   // largest of the interfaces, 0: no limit
	Size        int64    // bytes on disk, -1 if unknown
	Packets     uint64
	FirstTime   int64    // ns, valid with Packets > 0; of the first packet, not the smallest
	LastTime    int64    // of the last packet
	Dropped     uint64   // packets that the file says were lost, all interfaces
	Commented   uint64   // comments on packets
	HasDropped  bool     // the file tells about drops at all
	Names       []Name   // that the file gives to addresses (pcapng); each pair once, at most maxNames
	Comments    []string // on sections and interfaces (pcapng); at most maxComments
	Warnings    []string
	Damage      *Error // nil: read to a clean end (or not yet read)

	from io.Reader // what is read in place of Path; nil: Path
	told *told     // of a file of segments, what it tells of its captures
}

// Name is a name that a capture file gives to an address; nothing vouches for it.
type Name struct {
	IP   netip.Addr
	Name string // printable, at most 255 bytes
}

const (
	maxWarnings = 20
	maxComments = 16
	maxNames    = 1 << 13
	maxName     = 255 // of DNS, RFC 1035 section 2.3.4
)

// comment keeps what the file says of itself.
func (i *FileInfo) comment(s string) {
	if s != "" && len(i.Comments) < maxComments {
		i.Comments = append(i.Comments, s)
	}
}

func (i *FileInfo) warn(format string, a ...any) {
	if len(i.Warnings) < maxWarnings {
		i.Warnings = append(i.Warnings, fmt.Sprintf(format, a...))
	}
}

func (i *FileInfo) warnOnce(s string) {
	if !slices.Contains(i.Warnings, s) {
		i.warn("%s", s)
	}
}

// reset forgets what a first look at the file told, before it is read in earnest.
func (i *FileInfo) reset() { *i = FileInfo{Path: i.Path, Size: i.Size, told: i.told} }

// count is how many captures the file stands for.
func (i *FileInfo) count() int { return len(i.captures()) }

// captures are those that a file of segments was made from; any other is one
// itself. What is wrong with the file of segments is told of the first of them.
func (i *FileInfo) captures() []FileInfo {
	if i.told == nil {
		return []FileInfo{*i}
	}
	list := slices.Clone(i.told.files)
	if i.Damage != nil {
		list[0].Damage = i.Damage
	}
	list[0].Warnings = slices.Concat(list[0].Warnings, i.Warnings)
	return list
}

// settle adds up the drops. Statistics and packet options count the same losses,
// so the larger is taken, not their sum.
func (i *FileInfo) settle() {
	i.Dropped, i.HasDropped = 0, false
	for k := range i.Interfaces {
		in := &i.Interfaces[k]
		in.Dropped = max(in.statistics, in.betweenPackets)
		i.Dropped += in.Dropped
		i.HasDropped = i.HasDropped || in.HasDropped
	}
	if len(i.Interfaces) == 1 {
		i.Interfaces[0].Packets = i.Packets
	}
}

// listDir gives the captures directly in a directory, in the order in which a
// person would number them (cap2 before cap10), and the names of its other files.
func listDir(dir string) (found []candidate, other []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, systemError(dir, err)
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return naturalCompare(a.Name(), b.Name()) })
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		c, st, err := stat(path)
		if err != nil || strings.HasPrefix(e.Name(), ".") || !st.Mode().IsRegular() {
			if err != nil || !st.IsDir() {
				other = append(other, path)
			}
			continue
		}
		if !looksLikeCapture(path) {
			other = append(other, path)
			continue
		}
		found = append(found, c)
	}
	return found, other, nil
}

// SortPaths puts paths into the order in which Open takes the files of a
// directory.
func SortPaths(paths []string) { slices.SortFunc(paths, naturalCompare) }

// naturalCompare orders strings with runs of digits compared as numbers.
func naturalCompare(a, b string) int {
	full := strings.Compare(a, b)
	for a != "" && b != "" {
		da, db := digits(a), digits(b)
		if da > 0 && db > 0 {
			na, nb := strings.TrimLeft(a[:da], "0"), strings.TrimLeft(b[:db], "0")
			if len(na) != len(nb) {
				return len(na) - len(nb)
			}
			if c := strings.Compare(na, nb); c != 0 {
				return c
			}
			a, b = a[da:], b[db:]
			continue
		}
		if a[0] != b[0] {
			return int(a[0]) - int(b[0])
		}
		a, b = a[1:], b[1:]
	}
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return full
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
