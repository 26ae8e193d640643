package report

// Sorter sorts payloads, however many: what does not fit into its memory waits
// in a temporary file. It is not safe for use by several goroutines.
type Sorter struct{ s spool }

// NewSorter makes a Sorter that holds about limit bytes in memory (0:
// DefaultSpill); dir is where its file goes, "" for the system's directory.
func NewSorter(limit int, dir string) *Sorter {
	if limit <= 0 {
		limit = DefaultSpill
	}
	return &Sorter{spool{limit: limit, dir: dir}}
}

// Add keeps a copy of a payload. Lower keys come first, equal ones by id.
func (s *Sorter) Add(key, id uint64, payload []byte) error { return s.s.add(key, id, payload) }

// Each gives the payloads in order until do fails. A payload is valid during
// the call only.
func (s *Sorter) Each(do func(payload []byte) error) error { return s.s.each(do) }

// Close gives the temporary file back.
func (s *Sorter) Close() { s.s.close() }
