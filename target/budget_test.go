package target_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Tasks take budget in order; a unit that keeps its data holds up no other; the memory that is
// lent is bounded by the budget; and what ends gives its budget to the next.
func TestBudget(t *testing.T) {
	arena := buffer.NewArena(64 << 20)
	var units []*holding
	var maps []target.Mapping
	for i := range 2 {
		h := newHolding()
		h.onStart = func(x *target.Task) bool {
			x.ReceiveDataOut(0, x.HaveOut, func(x *target.Task, l *buffer.Lease, err error) {
				x.Work.Data = l
				if err != nil {
					x.Respond(target.Response{})
					return
				}
				h.mu.Lock()
				h.running[x.Tag+1000] = x
				h.mu.Unlock()
			})
			return true
		}
		units = append(units, h)
		lun, _ := scsi.FlatLUN(uint32(i))
		maps = append(maps, target.Mapping{LUN: lun, Unit: target.NewUnit("u", h)})
	}
	tgt, err := target.NewTarget("t", maps...)
	if err != nil {
		t.Fatal(err)
	}
	port, err := tgt.AddPort(target.PortConfig{Name: "p"})
	if err != nil {
		t.Fatal(err)
	}
	const solicited = 8 << 10
	s := loopback.Login(port, target.Initiator{Name: "a"}, loopback.Options{Arena: arena, Solicited: solicited})
	var all []loopback.Pending
	start := func(lun scsi.LUN, tag uint64, n int) {
		all = append(all, s.Start(loopback.Command{LUN: lun, CDB: anyCDB, Tag: tag, Out: make([]byte, n)}))
	}
	for tag := range uint64(20) {
		start(maps[0].LUN, tag+1, 4096)
	}
	if !units[0].is(1001) || !units[0].is(1002) || units[0].is(1003) {
		t.Error("not two tasks have the budget of a channel that has room for two")
	}
	if n := arena.Outstanding(); n != 2*4096 {
		t.Errorf("%d bytes are lent", n)
	}
	start(maps[1].LUN, 100, 1024)
	if !units[1].is(1100) {
		t.Error("a unit that keeps its data holds up another")
	}
	start(maps[1].LUN, 101, 1024)
	if units[1].is(1101) {
		t.Error("a unit takes more than its own part while others wait")
	}
	if r := s.Manage(target.AbortTask, 0, 4); r != target.FunctionComplete {
		t.Errorf("abort of a task that waits for budget: %v", r)
	}
	end := func(h *holding, tag uint64) {
		h.mu.Lock()
		x := h.running[tag+1000]
		delete(h.running, tag+1000)
		h.mu.Unlock()
		if x == nil {
			t.Fatalf("task %d has no data", tag)
		}
		x.Work.Data.Release()
		x.Respond(target.Response{Moves: x.HaveOut})
	}
	end(units[1], 100)
	if !units[1].is(1101) {
		t.Error("the budget of a task that has ended is lost")
	}
	end(units[1], 101)
	for tag := uint64(1); tag <= 20; tag++ {
		if tag != 4 {
			end(units[0], tag)
		}
	}
	for _, p := range all {
		p.Wait(t.Context())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := arena.Close(); err != nil {
		t.Error(err)
	}
}

// What came along with a command is there later, whenever the device server asks for it.
func TestFirstIsRetained(t *testing.T) {
	out := bytes.Repeat([]byte("0123456789abcdef"), 64)
	for _, attr := range []target.Attr{target.Simple, target.Ordered} {
		for _, first := range []int64{16, int64(len(out))} {
			b := newBench(t)
			s := b.login(t, "a", loopback.Options{First: first})
			hold := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
			own := bytes.Clone(out)
			p := s.Start(loopback.Command{CDB: anyCDB, Out: own, Tag: 2, Attr: attr})
			clear(own[:first]) // the transport uses its memory again
			copy(own[first:], out[first:])
			b.h.end(t, 1)
			hold.Wait(t.Context())
			b.h.mu.Lock()
			x := b.h.running[2]
			b.h.mu.Unlock()
			x.ReceiveDataOut(0, 100, func(x *target.Task, l *buffer.Lease, err error) {
				got := make([]byte, 100)
				l.Read(0, got)
				l.Release()
				if err != nil || !bytes.Equal(got, out[:100]) {
					t.Errorf("%v first %d: %q %v", attr, first, got, err)
				}
				x.ReceiveDataOut(100, int64(len(out)-100), func(x *target.Task, l *buffer.Lease, err error) {
					got := make([]byte, len(out)-100)
					l.Read(0, got)
					l.Release()
					if err != nil || !bytes.Equal(got, out[100:]) {
						t.Errorf("%v first %d, rest: %v", attr, first, err)
					}
				})
			})
			b.h.end(t, 2)
			p.Wait(t.Context())
			if s.Copied() == 0 {
				t.Error("the copies are not counted")
			}
		}
	}
}
