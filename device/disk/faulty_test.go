package disk_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// faulty is a store with a cache that counts what makes it durable, and fails on demand.
type faulty struct {
	store.Store
	fail         atomic.Pointer[error]
	from         atomic.Int64 // only from this offset on
	flushes, fua atomic.Int32
	writes       atomic.Int32
}

func (s *faulty) err(off, n int64) error {
	if e := s.fail.Load(); e != nil && off+n > s.from.Load() {
		return fmt.Errorf("at %d: %w", off, *e)
	}
	return nil
}

func (s *faulty) Info() store.Info {
	i := s.Store.Info()
	i.Volatile, i.Cached = false, true
	return i
}

func (s *faulty) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	if err := s.err(off, into.Len()); err != nil {
		return err
	}
	return s.Store.ReadAt(ctx, into, off)
}

func (s *faulty) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	if err := s.err(off, from.Len()); err != nil {
		return err
	}
	s.writes.Add(1)
	if f&store.FUA != 0 {
		s.fua.Add(1)
	}
	return s.Store.WriteAt(ctx, from, off, f)
}

func (s *faulty) Flush(context.Context) error {
	s.flushes.Add(1)
	return s.err(0, 1<<62)
}

func (s *faulty) Trim(ctx context.Context, off, n int64) error {
	if err := s.err(off, n); err != nil {
		return err
	}
	return s.Store.(store.Trimmer).Trim(ctx, off, n)
}

// Each error of a store becomes its sense, with the LBA where it is known, never GOOD
// and never BUSY.
func TestStoreErrors(t *testing.T) {
	t.Run("waiting", func(t *testing.T) {
		f := &faulty{Store: memoryStore(t, 8<<20)}
		storeErrors(t, f, f)
	})
	t.Run("submitting", func(t *testing.T) {
		f := &faulty{Store: memoryStore(t, 8<<20)}
		storeErrors(t, f, newSubmitting(f))
	})
}

func storeErrors(t *testing.T, f *faulty, st store.Store) {
	commands := []struct {
		name      string
		c, out    []byte
		in        int
		bad       scsi.ASC // for an error that the store does not explain
		lba, from uint64
	}{
		{"read", cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 8, Blocks: 8}.Append(nil), nil, 4096, scsi.ASCUnrecoveredReadError, 8, 0},
		{"large read", cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 8, Blocks: 2048}.Append(nil), nil, 1 << 20, scsi.ASCUnrecoveredReadError, 8 + 512, (8 + 600) * 512},
		{"write", cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 8, Blocks: 8}.Append(nil), make([]byte, 4096), 0, scsi.ASCWriteError, 8, 0},
		{"large write", cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 8, Blocks: 4096}.Append(nil), make([]byte, 2<<20), 0, scsi.ASCWriteError, 8 + 2048, (8 + 3000) * 512},
		{"verify", cdb.Verify{Opcode: scsi.OpVerify16, LBA: 8, Blocks: 8}.Append(nil), nil, 0, scsi.ASCUnrecoveredReadError, 8, 0},
		{"compare", cdb.Verify{Opcode: scsi.OpVerify16, LBA: 8, Blocks: 8, ByteCheck: 1}.Append(nil), make([]byte, 4096), 0, scsi.ASCUnrecoveredReadError, 8, 0},
		{"compare and write", cdb.CompareAndWrite{LBA: 8, Blocks: 1}.Append(nil), make([]byte, 1024), 0, scsi.ASCUnrecoveredReadError, 8, 0},
		{"or", cdb.ReadWrite{Opcode: scsi.OpORWrite16, LBA: 8, Blocks: 1}.Append(nil), make([]byte, 512), 0, scsi.ASCUnrecoveredReadError, 8, 0},
		{"write same", cdb.WriteSame{Opcode: scsi.OpWriteSame16, LBA: 8, Blocks: 8}.Append(nil), []byte{511: 1}, 0, scsi.ASCWriteError, 8, 0},
		{"synchronize", cdb.Cache{Opcode: scsi.OpSynchronizeCache16, LBA: 8, Blocks: 8}.Append(nil), nil, 0, scsi.ASCWriteError, 8, 0},
		{"unmap", cdb.Unmap{Length: 24}.Append(nil), cdb.AppendUnmapList(nil, cdb.UnmapRange{LBA: 8, Blocks: 8}), 0, scsi.ASCWriteError, 8, 0},
	}
	b := newBench(t, st, nil)
	s := b.login(1, loopback.Options{})
	if _, thin := store.As[store.Trimmer](st); !thin {
		commands = commands[:len(commands)-1]
	}
	for _, e := range []struct {
		err  error
		want scsi.Sense
	}{
		{store.ErrOutOfSpace, scsi.SpaceAllocationFailed()},
		{store.ErrReadOnly, scsi.WriteProtected()},
		{store.ErrMiscompare, scsi.NewSense(scsi.KeyMiscompare, scsi.ASCMiscompareDuringVerify)},
		{store.ErrClosed, scsi.NotReady(scsi.ASCNotReadyCauseNotReportable)},
		{store.ErrUnavailable, scsi.NotReady(scsi.ASCBecomingReady)},
		{context.DeadlineExceeded, scsi.NotReady(scsi.ASCBecomingReady)},
		{context.Canceled, scsi.AbortedCommand(scsi.ASCNoAdditionalSense)},
		{store.ErrMedium, scsi.NewSense(scsi.KeyMediumError, 0)},
		{errors.New("something"), scsi.NewSense(scsi.KeyMediumError, 0)},
	} {
		for _, c := range commands {
			f.fail.Store(&e.err)
			f.from.Store(int64(c.from))
			want := e.want
			if want.Key == scsi.KeyMediumError {
				want.ASC = c.bad
			}
			r, _, err := s.Do(t.Context(), 0, c.c, c.out, c.in)
			if err != nil || r.Status != scsi.CheckCondition || r.Sense.Key != want.Key || r.Sense.ASC != want.ASC {
				t.Errorf("%v in %s: %v %v %v, want %v", e.err, c.name, r.Status, r.Sense, err, want)
			}
			if want.Key == scsi.KeyMediumError && (!r.Sense.InfoValid || r.Sense.Info != c.lba) {
				t.Errorf("%v in %s: %v, want LBA %d", e.err, c.name, r.Sense, c.lba)
			}
			f.fail.Store(nil)
			if r, _, err := s.Do(t.Context(), 0, c.c, c.out, c.in); err != nil || r.Status != scsi.Good && r.Sense.Key != scsi.KeyMiscompare {
				t.Errorf("%s afterwards: %v %v %v", c.name, r.Status, r.Sense, err)
			}
		}
	}
	log := do(t, s, cdb.LogSense{Control: cdb.LogCumulative, Page: 0x02, Pointer: 6, Allocation: 255}.Append(nil), nil, 255, scsi.Sense{})
	if log[15] == 0 {
		t.Errorf("write errors are not counted: %x", log)
	}
}

// What FUA, WCE and SYNCHRONIZE CACHE promise reaches the store.
func TestDurability(t *testing.T) {
	f := &faulty{Store: memoryStore(t, 1<<20)}
	b := newBench(t, f, nil)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	block := make([]byte, 512)
	count := func(what string, c, out []byte, fua, flushes int32) {
		t.Helper()
		f.fua.Store(0)
		f.flushes.Store(0)
		do(t, s, c, out, 512, scsi.Sense{})
		if f.fua.Load() != fua || f.flushes.Load() != flushes {
			t.Errorf("%s: %d writes with FUA, %d flushes; want %d, %d", what, f.fua.Load(), f.flushes.Load(), fua, flushes)
		}
	}
	write := cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}
	swap := cdb.CompareAndWrite{Blocks: 1}.Append(nil)
	same := cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 1}.Append(nil)
	unmap, list := cdb.Unmap{Length: 24}.Append(nil), cdb.AppendUnmapList(nil, cdb.UnmapRange{Blocks: 1})
	count("write", write.Append(nil), block, 0, 0)
	write.FUA = true
	count("write with FUA", write.Append(nil), block, 1, 0)
	write.FUA = false
	count("compare and write", swap, make([]byte, 1024), 0, 0)
	count("write same", same, []byte{511: 1}, 0, 0)
	count("unmap", unmap, list, 0, 0)
	count("synchronize", cdb.Cache{Opcode: scsi.OpSynchronizeCache10}.Append(nil), nil, 0, 1)
	count("synchronize, IMMED", cdb.Cache{Opcode: scsi.OpSynchronizeCache10, Immed: true}.Append(nil), nil, 0, 1)
	count("read with FUA", cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1, FUA: true}.Append(nil), nil, 0, 1)

	off := page.AppendMode6(nil, page.ModeHeader{}, nil, page.Caching{}.Append(nil))
	off[0] = 0
	count("WCE off", cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(off))}.Append(nil), off, 0, 1)
	if r, _, _ := other.Do(t.Context(), 0, cdb.AppendTestUnitReady(nil), nil, 0); r.Sense.ASC != scsi.ASCModeParametersChanged {
		t.Errorf("the other nexus: %v %v", r.Status, r.Sense)
	}
	count("write through", write.Append(nil), block, 1, 0)
	count("write same through", same, []byte{511: 1}, 0, 1)
	count("unmap through", unmap, list, 0, 1)
	do(t, s, cdb.ReadWrite{Opcode: scsi.OpWrite10, Blocks: 1}.Append(nil), block, 0, scsi.Sense{})
	data := do(t, s, cdb.ReadWrite{Opcode: scsi.OpRead10, Blocks: 1}.Append(nil), nil, 512, scsi.Sense{})
	count("compare and write through", swap, append(data, block...), 1, 0)

	// Without WCE a switch that cannot be made true is refused, and changes nothing.
	on := page.AppendMode6(nil, page.ModeHeader{}, nil, page.Caching{WriteCache: true}.Append(nil))
	on[0] = 0
	do(t, s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(on))}.Append(nil), on, 0, scsi.Sense{})
	bad := store.ErrMedium
	f.fail.Store(&bad)
	do(t, s, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(off))}.Append(nil), off, 0, scsi.WriteError(0))
	f.fail.Store(nil)
	count("write after it", write.Append(nil), block, 0, 0)
	p := do(t, s, cdb.ModeSense{Opcode: scsi.OpModeSense6, DBD: true, Page: 8, Allocation: 255}.Append(nil), nil, 255, scsi.Sense{})
	if p[4+2]&0x04 == 0 {
		t.Error("WCE reads 0 after a change that failed")
	}
}

// Without memory the answer is TASK SET FULL.
func TestNoMemory(t *testing.T) {
	f := &faulty{Store: memoryStore(t, 64<<20)}
	small := buffer.NewArena(buffer.MaxBlock)
	b := newBench(t, f, func(c *disk.Config) { c.Arena = small })
	s := b.login(1, loopback.Options{Never: true, Arena: small})
	other := b.login(2, loopback.Options{Never: true, Arena: small})
	hold := s.Start(loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 2048}.Append(nil), Out: make([]byte, 1<<20)})
	for name, c := range map[string]loopback.Command{
		"read":              {CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 8}.Append(nil), In: make([]byte, 4096)},
		"write":             {CDB: cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 8}.Append(nil), Out: make([]byte, 4096)},
		"verify":            {CDB: cdb.Verify{Opcode: scsi.OpVerify16, Blocks: 8}.Append(nil)},
		"compare and write": {CDB: cdb.CompareAndWrite{Blocks: 1}.Append(nil), Out: make([]byte, 1024)},
		"write same":        {CDB: cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 1}.Append(nil), Out: make([]byte, 512)},
		"mode select":       {CDB: cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 16}.Append(nil), Out: make([]byte, 16)},
	} {
		if r, err := other.Run(c); err != nil || r.Status != scsi.TaskSetFull {
			t.Errorf("%s: %v %v %v", name, r.Status, r.Sense, err)
		}
	}
	s.Manage(target.AbortTask, 0, hold.Tag())
	hold.Wait(t.Context())
}
