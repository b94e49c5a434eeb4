package virtio

// What is deferred is done when Node.mu has been let go of.
type deferred struct {
	lost []*nexus
}

// run does it. No lock is held.
func (d *deferred) run() {
	for _, nx := range d.lost {
		nx.lose()
	}
}
