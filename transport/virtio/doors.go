package virtio

import (
	"fmt"
	"log/slog"

	"github.com/lunette-io/lunette/internal/ratelog"
)

// portalMultiple is how many times what is free of all nexuses one portal may have: a host sees many targets, and portals are no strangers to each other.
const portalMultiple = 16

// doorLogs are what the log is told of often, one by one and then counted.
type doorLogs struct {
	crowded ratelog.Owners // targets that a guest does not see
	broken  ratelog.Owners // drivers that have broken the rules
}

// tell tells the log once a second of what it was not told one by one.
func (d *doorLogs) tell(log *slog.Logger) {
	d.crowded.Flush(log, "more targets that guests do not see")
	d.broken.Flush(log, "more guests' drivers that have broken the rules of virtio's SCSI host")
}

// book counts a nexus of p, or says why not. n.mu is held.
func (n *Node) book(p *Portal) error {
	if n.doors.Take(p, 1) {
		return nil
	}
	if has := n.doors.Of(p); has > 0 {
		return fmt.Errorf("limits.connections: this portal has %d virtio sessions, which is its share of %d, of which %d are taken", has, n.doors.Size(), n.doors.Taken())
	}
	return fmt.Errorf("limits.connections: there are %d virtio sessions", n.doors.Taken())
}
