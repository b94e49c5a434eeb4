package target

import (
	"errors"
	"sync"
)

// A Target is a SCSI target device: units at LUNs, behind one or more ports. Ports and maps
// may come and go while initiators are logged in.
type Target struct {
	Name string

	// mu comes before the mu of a unit and that of an I_T_L nexus. Units are told of what they
	// gain and of changes with it held.
	mu       sync.Mutex
	ports    []*Port
	relative map[string]uint16 // by the name of a port: the identifier that it has or had
	views    *Views            // what initiators see
	nexuses  map[*Nexus]struct{}
	closed   bool
}

// NewTarget makes a target that shows maps to everybody.
func NewTarget(name string, maps ...Mapping) (*Target, error) {
	v, err := NewViews(name, maps)
	if err != nil {
		return nil, err
	}
	return &Target{Name: name, views: v, nexuses: make(map[*Nexus]struct{}), relative: make(map[string]uint16)}, nil
}

// ErrClosed reports a login to a target or a port that is going away.
var ErrClosed = errors.New("target: closed")

// Close lets nobody log in any more. Nexuses that are there are for their transports to end.
func (t *Target) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
}

// Nexuses are the I_T nexuses now, in no order; those that are lost and whose tasks have not
// all ended as well.
func (t *Target) Nexuses() []*Nexus {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Nexus, 0, len(t.nexuses))
	for n := range t.nexuses {
		all = append(all, n)
	}
	return all
}
