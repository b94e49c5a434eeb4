package daemon

import (
	"fmt"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store/record"
)

// unitRecord is where what outlives the process is kept of a unit; empty: nowhere.
func (d *Daemon) unitRecord(unit string) string {
	if d.opts.UnitRecord == nil {
		return ""
	}
	return d.opts.UnitRecord(unit)
}

// keep lets a store have what its place cannot keep, in the record of the unit: a volatile one the identity
// that it had before, and every one a place for reservations.
func (s *stores) keep(b *base, volatile bool, name string) error {
	if s.record == "" {
		return nil
	}
	file := record.At(s.record)
	if b.Reservations == nil {
		b.Reservations = file.Slot(slot("reservations", name))
	}
	if !volatile {
		return nil
	}
	seed, err := file.Get(slot("identity", name))
	switch {
	case err != nil:
		return fmt.Errorf("what it was called: %w", err)
	case len(seed) > 0:
		b.Seed = string(seed)
	default:
		if err := file.Set(slot("identity", name), []byte(b.Seed)); err != nil {
			return fmt.Errorf("what it is called: %w", err)
		}
	}
	b.Caveat = plugin.Notice{}
	return nil
}

// slot is the name of the record of one of several stores.
func slot(what, name string) string {
	if name == "" {
		return what
	}
	return what + "." + name
}
