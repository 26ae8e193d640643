package report

import (
	"net/netip"
	"slices"
	"strings"
)

// This file is the last object of every report: totals over the whole capture,
// whatever was selected for listing. totals.go fills it.

// Summary is the last object of a report.
type Summary struct {
	Type     string  `json:"type" doc:"Always summary."`
	Start    Time    `json:"start,omitzero" doc:"First packet of the capture."`
	End      Time    `json:"end,omitzero" doc:"Last packet of the capture."`
	Duration Seconds `json:"duration_s" doc:"Time between them."`

	Connections uint64 `json:"connections" doc:"Connections in the capture."`
	Listed      uint64 `json:"listed" doc:"Connections that this report lists."`
	Packets     uint64 `json:"packets" doc:"Packets of all connections."`
	Bytes       uint64 `json:"bytes" doc:"Payload bytes of all connections."`

	Opens    []Count        `json:"opens" doc:"Connections by how they opened."`
	Closes   []Count        `json:"closes" doc:"Connections by how they closed."`
	States   []StateCount   `json:"states" doc:"Endpoints by the state they were last in."`
	Severity []Count        `json:"severities" doc:"Findings by severity, worst first."`
	Findings []FindingCount `json:"findings" doc:"Findings by rule, worst first."`
	Affected uint64         `json:"connections_with_findings" doc:"Connections with a finding above info."`

	TimeWait TimeWaitHolders `json:"time_wait" doc:"Who held TIME-WAIT when the trace ended."`
	Reused   Reused          `json:"reused" doc:"Tuples that were used again."`

	PortPressure     []PortPressure `json:"port_pressure" doc:"How many ports of a client towards a service were in TIME-WAIT at once, most first; at most 100."`
	MorePortPressure uint64         `json:"more_port_pressure,omitzero" doc:"Pairs beyond those listed."`
	Taps             []Tap          `json:"taps" doc:"Where the tap stands between two hosts, those with most connections first; at most 100."`
	MoreTaps         uint64         `json:"more_taps,omitzero" doc:"Pairs beyond those listed."`

	Undetermined uint64  `json:"undetermined_endpoints" doc:"Endpoints whose state the packets do not decide."`
	OneSided     uint64  `json:"one_sided" doc:"Connections with packets of one direction only."`
	RoleGuessed  uint64  `json:"role_guessed" doc:"Connections of which no SYN was seen."`
	MPTCP        uint64  `json:"mptcp" doc:"Subflows of Multipath TCP."`
	Quality      Quality `json:"quality" doc:"What the capture lacks."`
}

// Count is a number of connections or findings of one kind.
type Count struct {
	Kind  string `json:"kind" doc:"The kind."`
	Count uint64 `json:"count" doc:"How many."`
}

// StateCount is the number of endpoints in a state.
type StateCount struct {
	State  State  `json:"state" doc:"The state."`
	Client uint64 `json:"client" doc:"Clients in it."`
	Server uint64 `json:"server" doc:"Servers in it."`
}

// FindingCount is the number of findings of a rule.
type FindingCount struct {
	ID          FindingID `json:"id" doc:"Rule."`
	Family      Family    `json:"family" doc:"Family of the rule."`
	Severity    Severity  `json:"severity" doc:"Worst severity it was found with."`
	Count       uint64    `json:"count" doc:"Findings."`
	Connections uint64    `json:"connections" doc:"Connections that have one or more."`
}

// TimeWaitHolders says who held TIME-WAIT when the trace ended.
type TimeWaitHolders struct {
	Endpoints uint64       `json:"endpoints" doc:"Endpoints in TIME-WAIT at the end of the trace."`
	Entered   uint64       `json:"entered" doc:"Endpoints that entered TIME-WAIT at all."`
	Hosts     []HolderHost `json:"hosts" doc:"The hosts that held most, most first; at most 100."`
	MoreHosts uint64       `json:"more_hosts,omitzero" doc:"Hosts beyond those listed."`

	Peak       uint64            `json:"peak" doc:"Most endpoints in TIME-WAIT at once."`
	PeakAt     Time              `json:"peak_at,omitzero" doc:"When that was first so, to the second or coarser in long traces."`
	Population []PopulationPoint `json:"population" doc:"Endpoints in TIME-WAIT over time; at most 60 points, each the greatest of its stretch."`
}

// PopulationPoint is how many there were at a time.
type PopulationPoint struct {
	At    Time   `json:"at" doc:"When."`
	Count uint64 `json:"count" doc:"How many."`
}

// PortPressure is how near a client came to running out of ports towards a
// service, because its connections were in TIME-WAIT.
type PortPressure struct {
	Client netip.Addr `json:"client" doc:"Address of the client."`
	Server Address    `json:"server" doc:"The service."`
	Peak   uint64     `json:"peak" doc:"Most of its ports in TIME-WAIT at once."`
	PeakAt Time       `json:"peak_at" doc:"When that was first so."`
	Share  float64    `json:"share" doc:"Share of the 28,232 ephemeral ports that Linux has by default."`
	Alarm  bool       `json:"alarm,omitzero" doc:"Above 70 %: the finding port-pressure."`
}

// Tap is where the tap stands between two hosts.
type Tap struct {
	Client      netip.Addr `json:"client" doc:"Address of the client."`
	Server      netip.Addr `json:"server" doc:"Address of the server."`
	Connections uint64     `json:"connections" doc:"Connections between them."`
	Place       string     `json:"place" doc:"client, middle, server or unknown: by offload super-segments, the halves of the round trip and TTLs."`
	ClientHops  *int       `json:"client_hops,omitempty" doc:"Routers between tap and client, by the TTL."`
	ServerHops  *int       `json:"server_hops,omitempty" doc:"Routers between tap and server, by the TTL."`
	ClientRTT   Seconds    `json:"client_rtt_s,omitzero" doc:"Least round trip from the tap to the client."`
	ServerRTT   Seconds    `json:"server_rtt_s,omitzero" doc:"Least round trip from the tap to the server."`
}

// HolderHost is one host that held TIME-WAIT.
type HolderHost struct {
	IP       netip.Addr `json:"ip" doc:"Address of the host."`
	Held     uint64     `json:"held" doc:"Endpoints in TIME-WAIT at the end of the trace."`
	Entered  uint64     `json:"entered" doc:"Endpoints that entered TIME-WAIT at all."`
	MostLeft Seconds    `json:"most_left_s" doc:"The longest that one of them still lasts."`
	Peak     uint64     `json:"peak" doc:"Most of its endpoints in TIME-WAIT at once."`
	PeakAt   Time       `json:"peak_at,omitzero" doc:"When that was first so."`
}

// Reused counts tuples that were used again.
type Reused struct {
	Connections  uint64      `json:"connections" doc:"Connections on a tuple that the capture has seen before."`
	Services     []ReusePair `json:"services" doc:"Where it happened most, most first; at most 100."`
	MoreServices uint64      `json:"more_services,omitzero" doc:"Pairs beyond those listed."`
}

// ReusePair is a client host and a service whose tuples were used again.
type ReusePair struct {
	Client      netip.Addr `json:"client" doc:"Host of the client."`
	Server      Address    `json:"server" doc:"The service."`
	Connections uint64     `json:"connections" doc:"Connections between them on a tuple used before."`
}

// Quality is what the capture lacks and what was not used. Frames is always
// Segments plus the sum of Skipped.
type Quality struct {
	Frames      uint64    `json:"frames" doc:"Frames read."`
	Segments    uint64    `json:"segments" doc:"Frames that gave a TCP segment."`
	Skipped     []Count   `json:"skipped" doc:"Frames that gave none, by reason."`
	Marks       []Count   `json:"marks" doc:"Segments that were used but are not whole, and the like, by kind."`
	LinkTypes   []uint32  `json:"unknown_link_types,omitempty" doc:"LINKTYPE_ numbers that are not supported."`
	Links       []Link    `json:"unknown_links,omitempty" doc:"The same with their names and numbers of frames."`
	Dropped     *uint64   `json:"dropped,omitempty" doc:"Packets that the capture says it lost; absent if it does not say."`
	Setback     Seconds   `json:"largest_setback_s,omitzero" doc:"Largest step backwards in time."`
	Damage      []Problem `json:"damage,omitempty" doc:"Files that could not be read to their end."`
	Warnings    []Problem `json:"warnings,omitempty" doc:"What else was noticed of the files."`
	Interrupted bool      `json:"interrupted,omitzero" doc:"Reading was stopped before the end of the capture."`

	OneWay      uint64  `json:"one_way,omitzero" doc:"Connections with packets of one direction only, without SYNs that nothing answered."`
	OneWayShare float64 `json:"one_way_share,omitzero" doc:"Share that these are of all connections but for the unanswered SYNs, 0 to 1."`
	Acked       uint64  `json:"acked_bytes,omitzero" doc:"Bytes of all connections that were seen to be acknowledged; SYN and FIN count as one."`
	Unseen      uint64  `json:"unseen_bytes,omitzero" doc:"Of them, bytes that the capture does not have."`
	UnseenShare float64 `json:"unseen_share,omitzero" doc:"Share that these are, 0 to 1."`

	Files []FileFacts `json:"files,omitempty" doc:"What is known of each file once it was read."`

	Names     []Name `json:"names,omitempty" doc:"Names that the files give to addresses (name resolution blocks of pcapng), by address; nothing was looked up. At most 4096."`
	MoreNames uint64 `json:"more_names,omitzero" doc:"Names beyond those listed."`
}

// Name is a name of an address.
type Name struct {
	IP   netip.Addr `json:"ip" doc:"Address."`
	Name string     `json:"name" doc:"What the file calls it."`
}

// NamesOf gives the names of an address, with commas between; "" if it has none.
func (q *Quality) NamesOf(ip netip.Addr) string {
	i, found := slices.BinarySearchFunc(q.Names, ip, func(n Name, ip netip.Addr) int { return n.IP.Compare(ip) })
	if !found {
		return ""
	}
	var list []string
	for ; i < len(q.Names) && q.Names[i].IP == ip; i++ {
		list = append(list, q.Names[i].Name)
	}
	return strings.Join(list, ", ")
}

// Link is a link type.
type Link struct {
	Number uint32 `json:"number" doc:"LINKTYPE_ number."`
	Name   string `json:"name" doc:"Its name."`
	Frames uint64 `json:"frames,omitzero" doc:"Frames of it that were skipped."`
}

// FileFacts is what one file is and says of itself.
type FileFacts struct {
	File           int      `json:"file" doc:"Number of the file, as in capture.files."`
	Container      string   `json:"container,omitempty" doc:"pcap, pcapng or snoop."`
	Compression    string   `json:"compression,omitempty" doc:"gzip, zstd, lz4 or xz; absent if it is not compressed."`
	Version        string   `json:"version,omitempty" doc:"Version of the container."`
	ByteOrder      string   `json:"byte_order,omitempty" doc:"little-endian or big-endian; of the first section."`
	Sections       int      `json:"sections,omitzero" doc:"Sections of a pcapng file, where there are several."`
	Interfaces     int      `json:"interfaces,omitzero" doc:"Interfaces of a pcapng file, where there are several."`
	UnitsPerSecond uint64   `json:"units_per_second,omitzero" doc:"Resolution of the time stamps; the finest, where interfaces differ."`
	LinkTypes      []Link   `json:"link_types,omitempty" doc:"Link types of its interfaces."`
	SnapLen        uint32   `json:"snaplen,omitzero" doc:"Most bytes kept of a packet, as the file says; absent: no limit."`
	Packets        uint64   `json:"packets" doc:"Packets read."`
	Start          Time     `json:"start,omitzero" doc:"Time of the first packet in the file."`
	End            Time     `json:"end,omitzero" doc:"Time of the last packet in the file."`
	Received       *uint64  `json:"received,omitempty" doc:"Packets that the interfaces received, as the file says."`
	Dropped        *uint64  `json:"dropped,omitempty" doc:"Packets lost by the capture, as the file says."`
	Comments       []string `json:"comments,omitempty" doc:"Comments on the file and its interfaces; at most 16."`
	PacketComments uint64   `json:"packet_comments,omitzero" doc:"Comments on packets."`
}

// Problem is something about one file.
type Problem struct {
	File string `json:"file" doc:"Path."`
	Text string `json:"text" doc:"What it is."`
}
