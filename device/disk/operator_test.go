package disk_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/device/kept"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/record"
	"github.com/lunette-io/lunette/transport/loopback"
)

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }
func (l *lines) String() string              { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// An operator is told what a store does wrong, a few times, and how often it has; and neither of what
// initiators do wrong.
func TestErrorsOfTheStoreAreTold(t *testing.T) {
	f := &faulty{Store: memoryStore(t, 1<<20)}
	var log lines
	b := newBench(t, f, func(c *disk.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)).With("unit", "u1") })
	s := b.login(1, loopback.Options{})
	write := cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: 77, Blocks: 1}.Append(nil)
	before := b.disk.Errors()
	do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 1 << 40, Blocks: 1}.Append(nil), nil, 512, scsi.LBAOutOfRange())
	if e := b.disk.Errors(); e.Medium != 0 || e.Refused != before.Refused+1 || log.String() != "" {
		t.Errorf("a command that is wrong: %+v, %q", e, log.String())
	}
	full := fmt.Errorf("/srv/a.img: write 512 bytes: %w: %w", store.ErrOutOfSpace, syscall.ENOSPC)
	f.fail.Store(&full)
	const many = 3 * ratelog.PacedEvents
	for range many {
		do(t, s, write, make([]byte, 512), 0, scsi.SpaceAllocationFailed())
	}
	f.fail.Store(nil)
	do(t, s, write, make([]byte, 512), 0, scsi.Sense{})
	if e := b.disk.Errors(); e.Medium != many || e.Refused != before.Refused+1 {
		t.Errorf("%+v after %d errors of the store", e, many)
	}
	got := log.String()
	if n := strings.Count(got, "\n"); n != ratelog.PacedEvents {
		t.Errorf("%d lines:\n%s", n, got)
	}
	for _, want := range []string{"level=WARN", "no space left", "unit=u1", "operation=write", "lba=77", "errno=ENOSPC", "/srv/a.img"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in:\n%s", want, got)
		}
	}
	b.close()
	if got := log.String(); !strings.Contains(got, fmt.Sprintf("more=%d", many-ratelog.PacedEvents)) {
		t.Errorf("the rest is not told:\n%s", got)
	}
}

// TEST UNIT READY says NOT READY while the store cannot be reached, whoever asks, and GOOD while parts
// of it cannot be read.
func TestReadyFollowsTheStore(t *testing.T) {
	for name, wrap := range map[string]func(*faulty) store.Store{
		"waiting":    func(f *faulty) store.Store { return f },
		"submitting": func(f *faulty) store.Store { return newSubmitting(f) },
	} {
		t.Run(name, func(t *testing.T) {
			f := &faulty{Store: memoryStore(t, 1<<20)}
			b := newBench(t, wrap(f), nil)
			s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
			ready, read := cdb.AppendTestUnitReady(nil), cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1}.Append(nil)
			bad, away := store.ErrMedium, store.ErrUnavailable
			f.fail.Store(&bad)
			do(t, s, read, nil, 512, scsi.UnrecoveredReadError(0))
			do(t, s, ready, nil, 0, scsi.Sense{})
			f.fail.Store(&away)
			do(t, s, ready, nil, 0, scsi.Sense{}) // nobody has noticed yet
			do(t, s, read, nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
			for range 3 {
				do(t, s, ready, nil, 0, scsi.NotReady(scsi.ASCBecomingReady))
				do(t, other, ready, nil, 0, scsi.NotReady(scsi.ASCBecomingReady))
			}
			f.fail.Store(nil)
			do(t, other, ready, nil, 0, scsi.Sense{})
			f.fail.Store(&away)
			do(t, s, read, nil, 512, scsi.NotReady(scsi.ASCBecomingReady))
			f.fail.Store(&bad) // it is there again, and some of it is lost
			do(t, s, ready, nil, 0, scsi.Sense{})
			do(t, other, ready, nil, 0, scsi.Sense{})
			f.fail.Store(nil)
		})
	}
}

func TestRotation(t *testing.T) {
	turning := storeThatTurns{memoryStore(t, 1<<20)}
	for _, test := range []struct {
		s    store.Store
		rate uint16
		want uint16
	}{
		{memoryStore(t, 1<<20), 0, page.NonRotating}, {memoryStore(t, 1<<20), 7200, 7200},
		{turning, 0, 0}, {storeThatTurns{memoryStore(t, 1<<20)}, page.NonRotating, page.NonRotating},
	} {
		b := newBench(t, test.s, func(c *disk.Config) { c.Rotation = test.rate })
		s := b.login(1, loopback.Options{})
		p := do(t, s, cdb.Inquiry{VPD: true, Page: 0xb1, Allocation: 255}.Append(nil), nil, 255, scsi.Sense{})
		if got := binary.BigEndian.Uint16(p[4:]); got != test.want {
			t.Errorf("rotation %d is told as %d, want %d", test.rate, got, test.want)
		}
	}
}

type storeThatTurns struct{ store.Store }

func (s storeThatTurns) Info() store.Info {
	i := s.Store.Info()
	i.Rotational = true
	return i
}

// register is REGISTER AND IGNORE EXISTING KEY with APTPL.
func register(key uint64, persist bool) (c, list []byte) {
	list = cdb.PersistentList{ActionKey: key, Persist: persist}.Append(nil)
	return cdb.PersistentOut{Action: scsi.ActionRegisterAndIgnoreExistingKey, Length: uint32(len(list))}.Append(nil), list
}

// What APTPL asks for is there when the disk is opened again, with the reservation that keeps others
// out; and the disk is not opened at all if what is kept cannot be read.
func TestReservationsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.img.lunette")
	open := func() *bench {
		return newBench(t, memoryStore(t, 1<<20), func(c *disk.Config) { c.Reservations = record.At(path).Slot("reservations") })
	}
	write := cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}.Append(nil)
	fenced := func(b *bench, want bool) {
		t.Helper()
		s := b.login(2, loopback.Options{})
		if r, _, err := s.Do(t.Context(), 0, write, make([]byte, 512), 0); err != nil || (r.Status == scsi.ReservationConflict) != want {
			t.Errorf("another writes: %v %v, want a conflict: %v", r.Status, err, want)
		}
	}
	for _, persist := range []bool{true, false} {
		b := open()
		s := b.login(1, loopback.Options{})
		capabilities := do(t, s, cdb.PersistentIn{Action: scsi.ActionReportCapabilities, Allocation: 8}.Append(nil), nil, 8, scsi.Sense{})
		if capabilities[2]&1 == 0 {
			t.Errorf("PTPL_C is 0: %x", capabilities)
		}
		c, list := register(5, persist)
		do(t, s, c, list, 0, scsi.Sense{})
		out := cdb.PersistentList{Key: 5}.Append(nil)
		do(t, s, cdb.PersistentOut{Action: scsi.ActionReserve, Type: scsi.ExclusiveAccess, Length: uint32(len(out))}.Append(nil), out, 0, scsi.Sense{})
		fenced(b, true)
		b.close()
		b = open()
		fenced(b, persist)
		b.close()
	}
	b := open()
	c, list := register(6, true)
	do(t, b.login(1, loopback.Options{}), c, list, 0, scsi.Sense{})
	b.close()
	cfg := disk.Config{Store: memoryStore(t, 1<<20), Arena: b.arena, Identity: identity, Reservations: record.At(path).Slot("reservations")}
	cfg.Identity.NAA = scsi.NAA6("another disk")
	if _, err := disk.New(cfg); err == nil || !strings.Contains(err.Error(), kept.ErrRecord.Error()) {
		t.Errorf("with the reservations of another: %v", err)
	}
	if err := cfg.Store.Close(); err != nil {
		t.Error(err)
	}
}

// nowhere is a record that cannot be written.
type nowhere struct{}

func (nowhere) Load() ([]byte, error) { return nil, nil }
func (nowhere) Save([]byte) error     { return fmt.Errorf("x: %w", syscall.ENOSPC) }
func (nowhere) Where() string         { return "x" }

// A registration that cannot be kept is not made.
func TestReservationsThatCannotBeKept(t *testing.T) {
	var log lines
	b := newBench(t, memoryStore(t, 1<<20), func(c *disk.Config) {
		c.Reservations, c.Log = nowhere{}, slog.New(slog.NewTextHandler(&log, nil))
	})
	s := b.login(1, loopback.Options{})
	c, list := register(5, true)
	do(t, s, c, list, 0, scsi.InternalTargetFailure())
	keys := do(t, s, cdb.PersistentIn{Action: scsi.ActionReadKeys, Allocation: 255}.Append(nil), nil, 255, scsi.Sense{})
	if len(keys) != 8 {
		t.Errorf("keys %x", keys)
	}
	if !strings.Contains(log.String(), "errno=ENOSPC") {
		t.Errorf("the log: %s", log.String())
	}
	c, list = register(5, false)
	do(t, s, c, list, 0, scsi.Sense{})
}
