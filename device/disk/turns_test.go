package disk_test

import (
	"context"
	"fmt"
	"maps"
	"sync/atomic"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// metered is a store that has nothing but calls, of which those that touch all of the medium each
// wait for a token.
type metered struct {
	store.Store
	tokens chan struct{}
	calls  *atomic.Int64
	wrote  *atomic.Int64 // how many calls there were at the first small write
}

func (s metered) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	if into.Len() > 4096 {
		<-s.tokens
		s.calls.Add(1)
	}
	return s.Store.ReadAt(ctx, into, off)
}

func (s metered) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	if from.Len() > 4096 {
		<-s.tokens
		s.calls.Add(1)
	} else {
		s.wrote.CompareAndSwap(0, s.calls.Load())
	}
	return s.Store.WriteAt(ctx, from, off, f)
}

// While one initiator has all of a unit verified, or written, by sixty-four commands, another one's
// write waits for few calls of the store, and so does its own verification.
func TestLongWorkTakesTurns(t *testing.T) {
	const size = 256 << 20
	for name, c := range map[string]loopback.Command{
		"verify":     {CDB: cdb.Verify{Opcode: scsi.OpVerify16, Blocks: size / 512}.Append(nil)},
		"write same": {CDB: cdb.WriteSame{Opcode: scsi.OpWriteSame16, Blocks: size / 512}.Append(nil), Out: random(512, 1)},
	} {
		for _, workers := range []int{1, 16} {
			t.Run(fmt.Sprintf("%s, %d workers", name, workers), func(t *testing.T) {
				st := metered{memoryStore(t, size), make(chan struct{}), new(atomic.Int64), new(atomic.Int64)}
				b := newBench(t, st, func(c *disk.Config) { c.Workers = workers })
				greedy := b.login(1, loopback.Options{})
				modest := loopback.Login(b.port, target.Initiator{Name: "iqn.other", Port: scsi.ISCSIPort("iqn.other", [6]byte{5: 2})},
					loopback.Options{Arena: b.arena})
				b.all = append(b.all, modest)
				_, _ = modest.Run(loopback.Command{CDB: cdb.AppendTestUnitReady(nil)}) // takes the unit attention
				var all []loopback.Pending
				for i := range 64 {
					c.Tag = uint64(i + 1)
					all = append(all, greedy.Start(c))
				}
				step := func() { st.tokens <- struct{}{} }
				for range 10 {
					step()
				}
				p := modest.Start(loopback.Command{Tag: 1, CDB: writeCDB(8, 8), Out: make([]byte, 4096)})
				before := st.calls.Load()
				done := make(chan error, 1)
				go func() { _, err := p.Wait(t.Context()); done <- err }()
				for ended := false; !ended; {
					select {
					case err := <-done:
						if err != nil {
							t.Error(err)
						}
						ended = true
					case st.tokens <- struct{}{}:
					}
				}
				// A step has four calls. With many workers one is free.
				if n := st.wrote.Load() - before; n > 8 {
					t.Errorf("a write of another initiator waits for %d calls", n)
				}
				stop := make(chan struct{})
				go func() { // let what is under way end
					for {
						select {
						case st.tokens <- struct{}{}:
						case <-stop:
							return
						}
					}
				}()
				if r := greedy.Manage(target.AbortTaskSet, 0, 0); r != target.FunctionComplete {
					t.Errorf("abort: %v", r)
				}
				for _, p := range all {
					_, _ = p.Wait(t.Context())
				}
				close(stop)
				if n := st.calls.Load(); n > 1500 {
					t.Errorf("%d calls for commands that were aborted", n)
				}
			})
		}
	}
}

// What is made zero or given back goes in pieces, which end where the store can give back.
func TestSweepsGoInPieces(t *testing.T) {
	c := counted{newSubmitting(memoryStore(t, 64<<20)), make(map[string]int)}
	b := newBench(t, c, nil)
	s := b.login(1, loopback.Options{})
	const blocks = 64<<20/512 - 8
	list := cdb.AppendUnmapList(nil, cdb.UnmapRange{LBA: 8, Blocks: blocks}, cdb.UnmapRange{LBA: 32<<20/512 - 1, Blocks: 2})
	for _, test := range []struct {
		cdb, out []byte
		expect   map[string]int
	}{
		{cdb.WriteSame{Opcode: scsi.OpWriteSame16, LBA: 8, Blocks: blocks, NoData: true}.Append(nil), nil, map[string]int{"zero 0": 4}},
		{cdb.Unmap{Length: uint16(len(list))}.Append(nil), list, map[string]int{"trim 0": 6}},
	} {
		clear(c.count)
		do(t, s, writeCDB(8, 8), random(4096, 1), 0, scsi.Sense{})
		delete(c.count, "write 0")
		do(t, s, test.cdb, test.out, 0, scsi.Sense{})
		if !maps.Equal(c.count, test.expect) {
			t.Errorf("%v, want %v", c.count, test.expect)
		}
		if got := do(t, s, readCDB(8, 8), nil, 4096, scsi.Sense{}); !isZeroBytes(got) {
			t.Error("it is not zero")
		}
	}
}

func isZeroBytes(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
