package devicetest

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// memory keeps what outlives a unit: saved mode pages, and reservations, as bytes.
type memory struct {
	mu    sync.Mutex
	pages []byte
	state []byte
}

type modeMemory struct{ *memory }

func (m modeMemory) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pages, nil
}

func (m modeMemory) Save(_ context.Context, pages []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pages = slices.Clone(pages)
	return nil
}

type reservationMemory struct{ *memory }

// Load is a power on.
func (m reservationMemory) Load(context.Context) (reserve.Snapshot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.state == nil {
		return reserve.Snapshot{}, nil
	}
	p, err := reserve.ParseSnapshot(m.state)
	if err != nil {
		return reserve.Snapshot{}, err
	}
	s, err := reserve.Restore(p)
	if err != nil {
		return reserve.Snapshot{}, err
	}
	if _, err := s.Apply(reserve.Change{Op: reserve.PowerOn}); err != nil {
		return reserve.Snapshot{}, err
	}
	return s.Snapshot(), nil
}

func (m reservationMemory) Commit(_ context.Context, s reserve.Step) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state = s.After.Append(nil)
	return nil
}

func (m reservationMemory) Watch(uint64, func(reserve.Step, func()) error) (stop func()) {
	return func() {}
}

func (m reservationMemory) PersistsThroughPowerLoss() bool { return true }

// newKept is a bench whose unit keeps what it has to in m. The caller closes it.
func (b *bench) newKept(m *memory) *bench {
	return newBenchOf(b.T, b.d, func(arena *buffer.Arena) Unit {
		return b.d.NewKept(b.T, arena, Kept{Modes: modeMemory{m}, Reservations: reservationMemory{m}})
	})
}

// savedModes: what MODE SELECT saves is there after a reset and after a loss of power, and
// what it does not save is not.
func (b *bench) savedModes() {
	var m memory
	on := b.newKept(&m)
	s, other := on.login(1, loopback.Options{}), on.login(2, loopback.Options{})
	saved := make(map[Mode][]byte)
	for _, code := range b.d.Modes {
		current, mask := on.modePage(s, cdb.PageCurrent, code), on.modePage(s, cdb.PageChangeable, code)
		at := slices.IndexFunc(mask[code.header():], func(c byte) bool { return c != 0 }) + code.header()
		changes := at >= code.header()
		if ps := current[0]&0x80 != 0; ps != changes {
			b.Errorf("page %v is savable: %v, something of it changes: %v", code, ps, changes)
		}
		if !changes {
			continue
		}
		p := slices.Clone(current)
		p[at] ^= mask[at] & -mask[at] // its lowest bit that changes
		if r := on.modeSelect(s, scsi.OpModeSelect10, p); r.Status != scsi.Good {
			b.Fatalf("page %v: %v", code, r.Sense)
		}
		if got := on.modePage(s, cdb.PageSaved, code); !bytes.Equal(got, current) {
			b.Errorf("page %v is saved as %x without SP", code, got)
		}
		on.calm(other)
		if r := on.modeSave(s, scsi.OpModeSelect6, p, true); r.Status != scsi.Good {
			b.Fatalf("page %v: %v", code, r.Sense)
		}
		on.attention(other) // the values are what they were
		for _, pc := range []cdb.PageControl{cdb.PageSaved, cdb.PageCurrent} {
			if got := on.modePage(s, pc, code); !bytes.Equal(got, p) {
				b.Errorf("page %v: values %d are %x, want %x", code, pc, got, p)
			}
		}
		saved[code] = p
		// SP alone saves what is current.
		if r := on.modeSelect(s, scsi.OpModeSelect10, current); r.Status != scsi.Good {
			b.Fatalf("page %v: %v", code, r.Sense)
		}
		s.Manage(target.ResetLogicalUnit, 0, 0)
		on.calm(s)
		on.calm(other)
		if got := on.modePage(s, cdb.PageCurrent, code); !bytes.Equal(got, p) {
			b.Errorf("page %v is %x after a reset, want %x", code, got, p)
		}
		on.good(s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Save: true}.Append(nil), nil, 0)
	}
	if len(saved) == 0 {
		b.Error("no page can be saved")
	}
	on.close()
	again := b.newKept(&m)
	defer again.close()
	s = again.login(1, loopback.Options{})
	for code, p := range saved {
		if got := again.modePage(s, cdb.PageCurrent, code); !bytes.Equal(got, p) {
			b.Errorf("page %v is %x after power on, want %x", code, got, p)
		}
		if got := again.modePage(s, cdb.PageDefault, code); bytes.Equal(got, p) {
			b.Errorf("page %v: the default is %x", code, got)
		}
	}
}

// powerLoss: registrations with APTPL, and their reservation, are there after a loss of
// power; the last registration decides.
func (b *bench) powerLoss() {
	var m memory
	for _, persist := range []bool{true, false} {
		on := b.newKept(&m)
		s, other := on.login(1, loopback.Options{}), on.login(2, loopback.Options{})
		list := cdb.PersistentList{ActionKey: 5, Persist: persist}.Append(nil)
		ignore := cdb.PersistentOut{Action: scsi.ActionRegisterAndIgnoreExistingKey, Length: uint32(len(list))}.Append(nil)
		on.good(s, ignore, list, 0)
		on.outGood(s, scsi.ActionReserve, scsi.ExclusiveAccess, 5, 0)
		on.close()

		on = b.newKept(&m)
		s, other = on.login(1, loopback.Options{}), on.login(2, loopback.Options{})
		keys := on.good(s, cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 255}.Append(nil), nil, 255)
		if left := len(keys) == 16; left != persist || binary.BigEndian.Uint32(keys) != 0 {
			b.Errorf("APTPL=%v: keys %x", persist, keys)
		}
		if r := on.do(other, b.d.Write, make([]byte, b.d.WriteLen), 0); (r.Status == scsi.ReservationConflict) != persist {
			b.Errorf("APTPL=%v: another nexus writes with %v", persist, r.Status)
		}
		on.close()
	}
}
