package virtio

// What is deferred is done when Node.mu has been let go of.
type deferred struct {
	lost     []*nexus // that are out of sight
	replaced []*nexus // that others are to take the place of
}

// run does it. No lock is held.
func (d *deferred) run() {
	for _, nx := range d.lost {
		nx.lose()
		nx.vanish()
	}
	for _, nx := range d.replaced {
		nx.lose()
	}
}
