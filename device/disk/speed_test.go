package disk_test

import (
	"context"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/storetest"
	"github.com/lunette-io/lunette/transport/loopback"
)

// trying is a store that never waits, and lends nothing: a file in the page cache.
type trying struct{ store.Store }

func (s trying) TryReadAt(into *buffer.Lease, off int64) (bool, error) {
	return s.Store.(store.Tryer).TryReadAt(into, off)
}

func (s trying) TryWriteAt(from *buffer.Lease, off int64) (bool, error) {
	return s.Store.(store.Tryer).TryWriteAt(from, off)
}

func (s trying) Info() store.Info {
	i := s.Store.Info()
	i.Volatile, i.Cached = false, true
	return i
}

// waiting is a store that always waits: a file on a disk.
type waiting struct{ store.Store }

func (s waiting) Info() store.Info { return trying(s).Info() }

func (s waiting) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	return s.Store.ReadAt(ctx, into, off)
}

// dawdling is a store that waits for longer, after it has read and before it writes: what
// must be atomic has time to go wrong.
type dawdling struct{ waiting }

func (s dawdling) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	err := s.Store.ReadAt(ctx, into, off)
	time.Sleep(20 * time.Microsecond)
	return err
}

func (s dawdling) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	time.Sleep(20 * time.Microsecond)
	return s.Store.WriteAt(ctx, from, off, f)
}

// submitting is a store that waits by itself, and lends nothing: a file past the page cache.
type submitting struct{ *storetest.Late }

func (s submitting) Info() store.Info { return trying{s.Late}.Info() }

func newSubmitting(s store.Store) submitting { return submitting{storetest.NewLate(s)} }

// missing is a store that waits by itself after it has been tried: a file whose data is not
// in the page cache.
type missing struct{ submitting }

func (missing) TryReadAt(*buffer.Lease, int64) (bool, error)  { return false, nil }
func (missing) TryWriteAt(*buffer.Lease, int64) (bool, error) { return false, nil }

// kinds are the ways that data can take.
func kinds(t testing.TB, size int64) map[string]store.Store {
	return map[string]store.Store{
		"lending": memoryStore(t, size),
		"trying":  trying{memoryStore(t, size)},
		"waiting": waiting{memoryStore(t, size)},

		"submitting": newSubmitting(memoryStore(t, size)),
		"missing":    missing{newSubmitting(memoryStore(t, size))},

		"comparing": storetest.NewComparing(memoryStore(t, size)),
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("leases are not recycled under the race detector")
	}
	for _, opt := range []loopback.Options{{}, {First: -1}} {
		for name, st := range kinds(t, 8<<20) {
			b := newBench(t, st, nil)
			s := b.login(1, opt)
			out, in := make([]byte, 4096), make([]byte, 4096)
			read := loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 8, Blocks: 8}.Append(nil), In: in}
			write := loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpWrite10, LBA: 8, Blocks: 8}.Append(nil), Out: out}
			large := loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 2048}.Append(nil), In: make([]byte, 1<<20)}
			for what, c := range map[string]loopback.Command{"read": read, "write": write, "large read": large} {
				run := func() {
					if r, err := s.Run(c); err != nil || r.Status != scsi.Good {
						t.Fatal(r, err)
					}
				}
				for range 10 {
					run()
				}
				if n := testing.AllocsPerRun(500, run); n != 0 {
					t.Errorf("%s, %+v: %v allocations for a %s", name, opt, n, what)
				}
			}
			b.close()
		}
	}
}

func BenchmarkRead4K(b *testing.B) {
	for name, st := range kinds(b, 8<<20) {
		b.Run(name, func(b *testing.B) {
			s := newBench(b, st, nil).login(1, loopback.Options{})
			c := loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: 8, Blocks: 8}.Append(nil), In: make([]byte, 4096)}
			b.ReportAllocs()
			for b.Loop() {
				s.Run(c)
			}
		})
	}
}

func BenchmarkWrite4K(b *testing.B) {
	for name, st := range kinds(b, 8<<20) {
		b.Run(name, func(b *testing.B) {
			s := newBench(b, st, nil).login(1, loopback.Options{First: -1})
			c := loopback.Command{CDB: cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: 8, Blocks: 8}.Append(nil), Out: make([]byte, 4096)}
			b.ReportAllocs()
			for b.Loop() {
				s.Run(c)
			}
		})
	}
}
