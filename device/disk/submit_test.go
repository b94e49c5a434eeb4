package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

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

// What a store has under way keeps its memory, and its task, until it has ended; the abort
// is answered then.
func TestAbortInFlight(t *testing.T) {
	for name, c := range map[string]loopback.Command{
		"read":        {CDB: readCDB(0, 8), In: make([]byte, 4096)},
		"large read":  {CDB: readCDB(0, 4096), In: make([]byte, 2<<20)},
		"write":       {CDB: writeCDB(0, 8), Out: make([]byte, 4096)},
		"large write": {CDB: writeCDB(0, 4096), Out: make([]byte, 2<<20)},
	} {
		t.Run(name, func(t *testing.T) {
			st := newSubmitting(memoryStore(t, 4<<20))
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

// COMPARE AND WRITE waits for a write of its blocks that the store has under way, and a write
// that finds its blocks locked waits for a worker.
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
	last := s.Start(loopback.Command{CDB: writeCDB(1, 8), Out: bytes.Repeat([]byte{3}, 4096)})
	st.Release()
	for _, p := range []loopback.Pending{write, swap, last} {
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.Good {
			t.Errorf("%v %v %v", r.Status, r.Sense, err)
		}
	}
	got := do(t, s, readCDB(0, 2), nil, 1024, scsi.Sense{})
	if got[0] != 2 || got[511] != 2 || got[512] != 3 {
		t.Errorf("blocks of %d and %d", got[0], got[512])
	}
}

// The store is asked for what is plain, and for nothing that it must not do by itself.
func TestWhatIsSubmitted(t *testing.T) {
	st := newSubmitting(memoryStore(t, 4<<20))
	b := newBench(t, counted{st, t}, nil)
	s := b.login(1, loopback.Options{})
	fua := cdb.ReadWrite{Opcode: scsi.OpWrite16, Blocks: 8, FUA: true}.Append(nil)
	do(t, s, fua, make([]byte, 4096), 0, scsi.Sense{})
	do(t, s, writeCDB(0, 8), make([]byte, 4096), 0, scsi.Sense{})
	do(t, s, cdb.Verify{Opcode: scsi.OpWriteAndVerify16, Blocks: 8}.Append(nil), make([]byte, 4096), 0, scsi.Sense{})
	do(t, s, readCDB(0, 8), nil, 4096, scsi.Sense{})
}

// counted refuses requests that would have to be durable.
type counted struct {
	submitting
	t *testing.T
}

func (c counted) Submit(r *store.Request) {
	if r.Flags != 0 {
		c.t.Errorf("a request with flags %d", r.Flags)
	}
	c.submitting.Submit(r)
}
