package daemon

import (
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/daemon/plugin"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
)

// A unitRecord is the file of what outlives the process of a unit, and has no place beside its data.
type unitRecord struct {
	mu sync.Mutex // one user of the file at a time
	do func(func(path string) error) error
}

// unitRecord is that of a unit; nil: there is none.
func (d *Daemon) unitRecord(unit string) *unitRecord {
	if d.opts.UnitRecord == nil {
		return nil
	}
	return &unitRecord{do: d.opts.UnitRecord(unit)}
}

func (r *unitRecord) use(do func(*record.File) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.do(func(path string) error { return do(record.At(path)) })
}

// A slot is one record in the file of a unit. It implements [store.Record].
type slot struct {
	*unitRecord
	name string
}

// Load implements [store.Record].
func (s slot) Load() (b []byte, err error) {
	err = s.use(func(f *record.File) error { b, err = f.Get(s.name); return err })
	return b, err
}

// Save implements [store.Record].
func (s slot) Save(b []byte) error {
	return s.use(func(f *record.File) error { return f.Set(s.name, b) })
}

// Where implements [store.Record].
func (s slot) Where() (path string) {
	_ = s.use(func(f *record.File) error { path = f.Path(); return nil })
	return path
}

// keep lets a store have what its place cannot keep, in the record of the unit: a volatile one the identity
// that it had before, and every one places for reservations and saved mode pages, by that identity.
func (s *stores) keep(b *base, volatile bool, name string) error {
	if s.record == nil {
		return nil
	}
	if volatile {
		if err := s.identify(b, slot{s.record, slotName("identity", name)}); err != nil {
			return err
		}
	}
	whose := sha256.Sum256([]byte(b.Seed))
	if b.Reservations == nil {
		b.Reservations = slot{s.record, slotName(fmt.Sprintf("reservations-%x", whose[:8]), name)}
	}
	b.Modes = slot{s.record, slotName(fmt.Sprintf("modes-%x", whose[:8]), name)}
	return nil
}

// identify gives a volatile store the identity that it had, or keeps the one that it has.
func (s *stores) identify(b *base, kept store.Record) error {
	seed, err := kept.Load()
	switch {
	case err != nil:
		return fmt.Errorf("what it was called: %w", err)
	case len(seed) > 0:
		b.Seed = string(seed)
	default:
		if err := kept.Save([]byte(b.Seed)); err != nil {
			return fmt.Errorf("what it is called: %w", err)
		}
	}
	b.Caveat = plugin.Notice{}
	return nil
}

// slotName is the name of the record of one of several stores.
func slotName(what, name string) string {
	if name == "" {
		return what
	}
	return what + "." + name
}
