package disk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func readCDB(lba uint64, blocks uint32) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpRead16, LBA: lba, Blocks: blocks}.Append(nil)
}

func writeCDB(lba uint64, blocks uint32) []byte {
	return cdb.ReadWrite{Opcode: scsi.OpWrite16, LBA: lba, Blocks: blocks}.Append(nil)
}

// random is n bytes that follow from seed.
func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Large reads come in pieces, of which few are in memory at a time, however slowly they are
// taken; what is written in pieces is read back whole.
func TestStreaming(t *testing.T) {
	for _, opt := range []loopback.Options{{}, {Pace: true}, {Later: true, Piece: 4096}} {
		b := newBench(t, newSubmitting(memoryStore(t, 8<<20)), nil)
		s := b.login(1, opt)
		for i, blocks := range []uint32{1, 8, 256, 512, 513, 1000, 2048, 5000} {
			data := random(int(blocks)*512, uint64(i))
			do(t, s, writeCDB(3, blocks), data, 0, scsi.Sense{})
			if got := do(t, s, readCDB(3, blocks), nil, len(data), scsi.Sense{}); !bytes.Equal(got, data) {
				t.Errorf("%+v: %d blocks are not what was written", opt, blocks)
			}
			// An initiator with less room gets the start of it.
			room := len(data)*2/3 + 7
			r, got, err := s.Do(t.Context(), 0, readCDB(3, blocks), nil, room)
			if err != nil || r.Status != scsi.Good || !bytes.Equal(got, data[:min(room, len(data))]) {
				t.Errorf("%+v: %d blocks, room for %d: %v %v", opt, blocks, room, r.Status, err)
			}
		}
		b.close()
	}
}

// A large read has no more than three pieces of 256 KiB in memory.
func TestStreamingMemory(t *testing.T) {
	b := newBench(t, newSubmitting(memoryStore(t, 8<<20)), nil)
	s := b.login(1, loopback.Options{Pace: true})
	for range 20 {
		do(t, s, readCDB(0, 8192), nil, 4<<20, scsi.Sense{})
	}
	if _, peak, _ := b.arena.Stats(); peak > 3*256<<10 {
		t.Errorf("%d bytes at most", peak)
	}
}

// What a store has under way and cannot take back keeps its memory, and its task, until it has ended;
// the abort is answered then.
func TestAbortInFlight(t *testing.T) {
	for name, c := range map[string]loopback.Command{
		"read":        {CDB: readCDB(0, 8), In: make([]byte, 4096)},
		"large read":  {CDB: readCDB(0, 4096), In: make([]byte, 2<<20)},
		"write":       {CDB: writeCDB(0, 8), Out: make([]byte, 4096)},
		"large write": {CDB: writeCDB(0, 4096), Out: make([]byte, 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			st := newSubmitting(memoryStore(t, 4<<20))
			st.Deafen()
			b := newBench(t, st, nil)
			s := b.login(1, loopback.Options{})
			st.Hold()
			p := s.Start(c)
			st.Await(1)
			held := b.arena.Outstanding()
			answered := make(chan target.FunctionResult, 1)
			go func() { answered <- s.Manage(target.AbortTask, 0, p.Tag()) }()
			select {
			case r := <-answered:
				t.Fatalf("the abort was answered while the store had the memory: %v", r)
			case <-time.After(20 * time.Millisecond):
			}
			if n := b.arena.Outstanding(); held == 0 || n != held {
				t.Errorf("%d bytes are lent, there were %d", n, held)
			}
			st.Release()
			if r := <-answered; r != target.FunctionComplete {
				t.Errorf("abort: %v", r)
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v, want ErrDropped", err)
			}
			if n := b.arena.Outstanding(); n != 0 {
				t.Errorf("%d bytes are still lent", n)
			}
		})
	}
}

// What a store has under way and can take back ends with the abort, whatever the storage does.
func TestAbortCancels(t *testing.T) {
	list := cdb.AppendUnmapList(nil, cdb.UnmapRange{Blocks: 8}, cdb.UnmapRange{LBA: 8, Blocks: 8})
	for name, c := range map[string]loopback.Command{
		"read":              {CDB: readCDB(0, 8), In: make([]byte, 4096)},
		"large read":        {CDB: readCDB(0, 4096), In: make([]byte, 2<<20)},
		"read with FUA":     {CDB: cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 8, FUA: true}.Append(nil), In: make([]byte, 4096)},
		"write":             {CDB: writeCDB(0, 8), Out: make([]byte, 4096)},
		"large write":       {CDB: writeCDB(0, 4096), Out: make([]byte, 2<<20)},
		"write with FUA":    {CDB: cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 8, FUA: true}.Append(nil), Out: make([]byte, 4096)},
		"synchronize cache": {CDB: cdb.Cache{Opcode: scsi.OpSynchronizeCache16}.Append(nil)},
		"unmap":             {CDB: cdb.Unmap{Length: uint16(len(list))}.Append(nil), Out: list},
		"write same":        {CDB: cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 8, NoData: true}.Append(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			st := newSubmitting(memoryStore(t, 4<<20))
			b := newBench(t, st, nil)
			s := b.login(1, loopback.Options{})
			st.Hold()
			p := s.Start(c)
			st.Await(1)
			if r := s.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
				t.Errorf("abort: %v", r)
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v, want ErrDropped", err)
			}
			if n := b.arena.Outstanding(); n != 0 {
				t.Errorf("%d bytes are still lent", n)
			}
			st.Release()
		})
	}
}

// hung is a store whose calls wait until their context ends: a network's, whose server is gone.
type hung struct {
	store.Store
	armed *atomic.Bool // the next call hangs
	begun chan struct{}
}

func (s hung) wait(ctx context.Context) error {
	if !s.armed.CompareAndSwap(true, false) {
		return nil
	}
	close(s.begun)
	<-ctx.Done()
	return fmt.Errorf("the server is gone: %w", ctx.Err())
}

func (s hung) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Store.ReadAt(ctx, into, off)
}

func (s hung) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	if err := s.wait(ctx); err != nil {
		return err
	}
	return s.Store.WriteAt(ctx, from, off, f)
}

func (s hung) Flush(ctx context.Context) error { return s.wait(ctx) }

func (s hung) Info() store.Info { return trying{s.Store}.Info() }

// A call that waits on a worker ends with the abort of its command.
func TestAbortEndsCalls(t *testing.T) {
	for name, c := range map[string]loopback.Command{
		"read":              {CDB: readCDB(0, 8), In: make([]byte, 4096)},
		"write":             {CDB: writeCDB(0, 8), Out: make([]byte, 4096)},
		"verify":            {CDB: cdb.Verify{Opcode: scsi.OpVerify16, Blocks: 8}.Append(nil)},
		"compare and write": {CDB: cdb.CompareAndWrite{Blocks: 1}.Append(nil), Out: make([]byte, 1024)},
		"write same":        {CDB: cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 8}.Append(nil), Out: bytes.Repeat([]byte{1}, 512)},
		"or":                {CDB: cdb.ReadWrite{Opcode: scsi.OpORWrite16, Blocks: 8}.Append(nil), Out: make([]byte, 4096)},
		"synchronize cache": {CDB: cdb.Cache{Opcode: scsi.OpSynchronizeCache16}.Append(nil)},
		"stop":              {CDB: cdb.StartStop{}.Append(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			st := hung{memoryStore(t, 4<<20), new(atomic.Bool), make(chan struct{})}
			b := newBench(t, st, func(c *disk.Config) { c.Workers = 1 })
			s := b.login(1, loopback.Options{})
			st.armed.Store(true)
			p := s.Start(c)
			<-st.begun
			if r := s.Manage(target.AbortTask, 0, p.Tag()); r != target.FunctionComplete {
				t.Errorf("abort: %v", r)
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v, want ErrDropped", err)
			}
			do(t, s, readCDB(0, 8), nil, 4096, scsi.Sense{}) // the worker is free
		})
	}
}

// Reads and writes of all sizes are aborted at every moment of their life.
func TestAbortStorm(t *testing.T) {
	for _, opt := range []loopback.Options{{}, {Pace: true}, {Later: true, Piece: 20000}} {
		t.Run(fmt.Sprintf("%+v", opt), func(t *testing.T) {
			b := newBench(t, newSubmitting(dawdling{waiting{memoryStore(t, 8<<20)}}), nil)
			s := b.login(1, opt)
			functions := []target.Function{target.AbortTask, target.AbortTaskSet, target.ResetLogicalUnit, target.ResetNexus}
			in, out := make([]byte, 8*2<<20), make([]byte, 2<<20)
			for round := range 60 {
				var all sync.WaitGroup
				for n := range 8 {
					blocks := []uint32{8, 300, 1024, 4096}[n%4]
					c := loopback.Command{Tag: uint64(1000 + 10*round + n), CDB: readCDB(uint64(n), blocks), In: in[n*2<<20:][:blocks*512]}
					if n >= 4 {
						c = loopback.Command{Tag: c.Tag, CDB: writeCDB(uint64(n), blocks), Out: out[:blocks*512]}
					}
					p := s.Start(c)
					all.Go(func() {
						if r, err := p.Wait(t.Context()); err == nil && r.Status != scsi.Good && r.Sense.Key != scsi.KeyUnitAttention || err != nil && !errors.Is(err, loopback.ErrDropped) {
							t.Errorf("%v %v %v", r.Status, r.Sense, err)
						}
					})
					if n%2 == round%2 {
						all.Go(func() {
							time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
							s.Manage(functions[(n+round)%len(functions)], 0, c.Tag)
						})
					}
				}
				all.Wait()
			}
			if n := b.arena.Outstanding(); n != 0 {
				t.Errorf("%d bytes are not given back", n)
			}
			if err := s.Broken(); err != nil {
				t.Error(err)
			}
		})
	}
}

// COMPARE AND WRITE waits for a write of its blocks that the store has under way, and a write of them
// waits for it.
func TestSubmittedWriteAndCompareAndWrite(t *testing.T) {
	st := newSubmitting(memoryStore(t, 4<<20))
	b := newBench(t, st, nil)
	s := b.login(1, loopback.Options{})
	st.Hold()
	write := s.Start(loopback.Command{CDB: writeCDB(0, 8), Out: bytes.Repeat([]byte{1}, 4096)})
	st.Await(1)
	compare := append(bytes.Repeat([]byte{1}, 512), bytes.Repeat([]byte{2}, 512)...)
	swap := s.Start(loopback.Command{CDB: cdb.CompareAndWrite{Blocks: 1}.Append(nil), Out: compare})
	time.Sleep(10 * time.Millisecond) // it waits for the lock by now
	last := s.Start(loopback.Command{CDB: writeCDB(0, 1), Out: bytes.Repeat([]byte{3}, 512)})
	st.Release()
	for _, p := range []loopback.Pending{write, swap, last} {
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Errorf("%v %v %v", r.Status, r.Sense, err)
		}
	}
	got := do(t, s, readCDB(0, 2), nil, 1024, scsi.Sense{})
	if got[0] != 3 || got[511] != 3 || got[512] != 1 {
		t.Errorf("blocks of %d and %d", got[0], got[512])
	}
}

// A store whose calls end later is asked for all that it can do so, with what has to be durable.
func TestWhatIsSubmitted(t *testing.T) {
	st := newSubmitting(memoryStore(t, 4<<20))
	c := counted{st, make(map[string]int)}
	b := newBench(t, c, nil)
	s := b.login(1, loopback.Options{})
	list := cdb.AppendUnmapList(nil, cdb.UnmapRange{Blocks: 8}, cdb.UnmapRange{LBA: 16, Blocks: 8})
	for _, test := range []struct {
		name   string
		cdb    []byte
		out    []byte
		in     int
		expect map[string]int
	}{
		{"write", writeCDB(0, 8), make([]byte, 4096), 0, map[string]int{"write 0": 1}},
		{"write with FUA", cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 8, FUA: true}.Append(nil), make([]byte, 4096), 0, map[string]int{"write 1": 1}},
		{"large write", writeCDB(0, 4096), make([]byte, 2<<20), 0, map[string]int{"write 0": 2}},
		{"write and verify", cdb.Verify{Opcode: scsi.OpWriteAndVerify16, Blocks: 8}.Append(nil), make([]byte, 4096), 0, map[string]int{}},
		{"read", readCDB(0, 8), nil, 4096, map[string]int{"read 0": 1}},
		{"large read", readCDB(0, 1024), nil, 512 << 10, map[string]int{"read 0": 2}},
		{"read with FUA", cdb.ReadWrite{Opcode: scsi.OpRead16, Blocks: 8, FUA: true}.Append(nil), nil, 4096, map[string]int{"flush 0": 1, "read 0": 1}},
		{"synchronize cache", cdb.Cache{Opcode: scsi.OpSynchronizeCache16}.Append(nil), nil, 0, map[string]int{"flush 0": 1}},
		{"unmap", cdb.Unmap{Length: uint16(len(list))}.Append(nil), list, 0, map[string]int{"trim 0": 2}},
		{"write same of zeros", cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 8}.Append(nil), make([]byte, 512), 0, map[string]int{"zero 0": 1}},
		{"write same, may unmap", cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 8, Unmap: true, NoData: true}.Append(nil), nil, 0, map[string]int{"zero 2": 1}},
		{"write same", cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: 8}.Append(nil), bytes.Repeat([]byte{1}, 512), 0, map[string]int{}},
	} {
		clear(c.count)
		do(t, s, test.cdb, test.out, test.in, scsi.Sense{})
		if !maps.Equal(c.count, test.expect) {
			t.Errorf("%s: %v, want %v", test.name, c.count, test.expect)
		}
	}
}

// counted counts requests, by what they do and with which flags; one command runs at a time.
type counted struct {
	submitting
	count map[string]int
}

func (c counted) Submit(r *store.Request) {
	c.count[fmt.Sprint(r.Op, " ", r.Flags)]++
	c.submitting.Submit(r)
}
