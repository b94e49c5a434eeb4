package target

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lunette-io/lunette/scsi"
)

// A Port is a SCSI target port: where one transport meets one target.
type Port struct {
	Target   *Target
	Protocol scsi.Protocol
	// Relative is the RELATIVE TARGET PORT IDENTIFIER (SAM-5 4.6.5), from 1, unique in the
	// target.
	Relative uint16
	// Group is the target port group (SPC-5 5.18); 0 when there is none.
	Group uint16
	// Name is the SCSI name of the port, e.g. "iqn.2026-11.io.lunette:disk,t,0x0001".
	Name string

	removed bool // The target's mu guards it.
}

// A PortConfig says what AddPort makes.
type PortConfig struct {
	Protocol scsi.Protocol
	Group    uint16
	Name     string
}

// AddPort adds a port. The target chooses its relative identifier: the one that a port of the
// same name had before, or the lowest that no port has had.
func (t *Target) AddPort(cfg PortConfig) (*Port, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrClosed
	}
	if slices.ContainsFunc(t.ports, func(p *Port) bool { return p.Name == cfg.Name }) {
		return nil, fmt.Errorf("target %s: there is a port %s already", t.Name, cfg.Name)
	}
	relative, known := t.relative[cfg.Name]
	if !known {
		if len(t.relative) >= 1<<16-1 {
			return nil, errors.New("target: no relative port identifier is left")
		}
		relative = uint16(len(t.relative) + 1)
		t.relative[cfg.Name] = relative
	}
	p := &Port{Target: t, Protocol: cfg.Protocol, Relative: relative, Group: cfg.Group, Name: cfg.Name}
	t.ports = append(t.ports, p)
	return p, nil
}

// RemovePort lets nobody log in by p any more. Its nexuses are for its transport to end.
func (t *Target) RemovePort(p *Port) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.removed = true
	t.ports = slices.DeleteFunc(t.ports, func(o *Port) bool { return o == p })
}

// Ports are the target's ports, in the order of their coming.
func (t *Target) Ports() []*Port {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.ports)
}

// Login makes an I_T nexus, which sees the units that the target shows to the initiator. The
// caller makes its channels, and ends it with Lost. The only error is ErrClosed.
func (p *Port) Login(from Initiator) (*Nexus, error) {
	t := p.Target
	n := &Nexus{Port: p, Initiator: from}
	n.absent = newITL(n, 0, nil)
	n.view.Store(&view{})
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || p.removed {
		return nil, ErrClosed
	}
	n.show(t.views.of(&from))
	t.nexuses[n] = struct{}{}
	return n, nil
}
