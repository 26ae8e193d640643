package reassembly

// Case is what the rules of package anomaly judge: a retired connection with
// the evidence behind its Lifecycle.
type Case struct {
	Life *Lifecycle

	m *machine
	c *conn
	t *Tracker
}
