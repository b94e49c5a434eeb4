package server

import (
	"context"
	"fmt"
	"os/user"
	"strconv"
)

// A peer is who has connected to the socket, as the kernel knows it from then.
type peer struct {
	uid   int
	known bool // false: the kernel did not say
}

// peerKey is the key of the peer among the values of a context.
type peerKey struct{}

// peerOf is the peer of a request; the zero value if nobody knows.
func peerOf(ctx context.Context) peer {
	p, _ := ctx.Value(peerKey{}).(peer)
	return p
}

// mayChange reports whether the peer may do more than look: root, and the user of the daemon.
func (p peer) mayChange(daemon int) bool { return p.known && (p.uid == 0 || p.uid == daemon) }

// String is the peer as the author of changes.
func (p peer) String() string {
	if !p.known {
		return "somebody unknown"
	}
	if u, err := user.LookupId(strconv.Itoa(p.uid)); err == nil && u.Username != "" {
		return fmt.Sprintf("%s (uid %d)", u.Username, p.uid)
	}
	return fmt.Sprintf("uid %d", p.uid)
}
