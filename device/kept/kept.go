// Package kept keeps the reservations of a logical unit, and its saved mode pages, in records, so that they survive a restart
// and a loss of power: for a unit that this host alone has.
package kept

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
)

// The encoding of what is kept, big endian: magic "LNPR", format 1 (2 bytes), reserved (2), the NAA
// name of the unit (16), and the snapshot, which has a format of its own.
const (
	magic  = "LNPR"
	format = 1
	header = 24
)

// ErrRecord is wrapped by every error about what stands in the record. Who is told of one does not
// serve the unit: the record may have kept somebody out.
var ErrRecord = errors.New("the reservations that were kept cannot be used")

// A Keeper is a [reserve.Keeper] of one host. It writes what APTPL asks for, and nothing else: as
// long as no registration asks for it, nothing is kept, and nothing is written.
type Keeper struct {
	record store.Record
	unit   scsi.NAA
	tell   func(error)

	mu      sync.Mutex
	version uint64 // of the state
	written bool   // the record has a state
}

// New returns the keeper of the unit of that name, in record. tell is called with every error of the
// record during a commit, on the goroutine that commits.
func New(record store.Record, unit scsi.NAA, tell func(error)) *Keeper {
	return &Keeper{record: record, unit: unit, tell: tell}
}

// Load implements [reserve.Keeper]: whoever opens a unit turns it on.
func (k *Keeper) Load(context.Context) (reserve.Snapshot, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	b, err := k.record.Load()
	if err != nil {
		return reserve.Snapshot{}, fmt.Errorf("%w: %w: get the file back from a backup, or remove it if those that they kept out may write", ErrRecord, err)
	}
	if b == nil {
		return reserve.Snapshot{}, nil
	}
	p, err := k.decode(b)
	if err != nil {
		return reserve.Snapshot{}, fmt.Errorf("%w: %s: %w", ErrRecord, k.record.Where(), err)
	}
	s, err := reserve.Restore(p)
	if err == nil {
		_, err = s.Apply(reserve.Change{Op: reserve.PowerOn})
	}
	if err != nil {
		return reserve.Snapshot{}, fmt.Errorf("%w: %s: %w", ErrRecord, k.record.Where(), err)
	}
	k.version, k.written = s.Version(), true
	return s.Snapshot(), nil
}

// Commit implements [reserve.Keeper]. A state that does not persist takes away what was kept: after
// a loss of power there is none (SPC-5 5.14.5).
func (k *Keeper) Commit(_ context.Context, s reserve.Step) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.After.Version != k.version+1 {
		return reserve.ErrStale
	}
	if s.After.Persist || k.written {
		var b []byte
		if s.After.Persist {
			b = encode(k.unit, s.After)
		}
		if err := k.record.Save(b); err != nil {
			k.tell(err)
			return err
		}
		k.written = s.After.Persist
	}
	k.version = s.After.Version
	return nil
}

// Watch implements [reserve.Keeper]: there is no other host.
func (k *Keeper) Watch(uint64, func(reserve.Step, func()) error) (stop func()) { return func() {} }

// PersistsThroughPowerLoss implements [reserve.Keeper].
func (k *Keeper) PersistsThroughPowerLoss() bool { return true }

func encode(unit scsi.NAA, p reserve.Snapshot) []byte {
	b := append(make([]byte, 0, header), magic...)
	b = binary.BigEndian.AppendUint16(b, format)
	b = append(b, 0, 0)
	return p.Append(append(b, unit[:]...))
}

// decode reads what was kept of the unit.
func (k *Keeper) decode(b []byte) (reserve.Snapshot, error) {
	unit, p, err := decode(b)
	if err == nil && unit != k.unit {
		err = fmt.Errorf("they are those of the unit %v, and this one is %v: put the file of this unit there, give the unit its former serial (or naa), or remove the file if those that they kept out may write", unit, k.unit)
	}
	return p, err
}

func decode(b []byte) (unit scsi.NAA, p reserve.Snapshot, err error) {
	switch {
	case len(b) < header || string(b[:4]) != magic || b[6] != 0 || b[7] != 0:
		return unit, p, errors.New("what stands there are no reservations")
	case binary.BigEndian.Uint16(b[4:]) != format:
		return unit, p, fmt.Errorf("they are of format %d, and this program knows %d: a newer one wrote them", binary.BigEndian.Uint16(b[4:]), format)
	}
	copy(unit[:], b[8:])
	p, err = reserve.ParseSnapshot(b[header:])
	return unit, p, err
}
