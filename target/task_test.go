package target_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestResidual(t *testing.T) {
	for _, c := range []struct{ wantIn, haveOut, moves, residual, in int64 }{
		{wantIn: 512, moves: 512, residual: 0, in: 512},
		{wantIn: 10000, moves: 512, residual: 9488, in: 512},
		{wantIn: 200, moves: 512, residual: -312, in: 200},
		{wantIn: 0, moves: 512, residual: -512, in: 0},
		{haveOut: 1024, moves: 512, residual: 512},
		{haveOut: 512, moves: 1024, residual: -512},
		{wantIn: 512, moves: 0, residual: 512, in: 0},
	} {
		b := newBench(t)
		b.h.onStart = func(x *target.Task) bool {
			r := target.Response{Moves: c.moves}
			if c.haveOut == 0 && c.moves > 0 {
				r.DataIn = buffer.Of(bytes.Repeat([]byte{1}, int(c.moves)))
			}
			x.Respond(r)
			return true
		}
		s := b.login(t, "a", loopback.Options{})
		r, err := s.Run(loopback.Command{CDB: anyCDB, WantIn: c.wantIn, HaveOut: c.haveOut, In: make([]byte, c.wantIn)})
		if err != nil || r.Residual != c.residual || r.In != c.in {
			t.Errorf("%+v: residual %d, %d bytes in, %v", c, r.Residual, r.In, err)
		}
	}
}

// Data-in that starts beyond the initiator's buffer goes nowhere, and is given back.
func TestDataInBeyondTheBuffer(t *testing.T) {
	b := newBench(t)
	var pool buffer.Pool
	owner := reclaimer{&pool}
	b.h.onStart = func(x *target.Task) bool {
		x.Respond(target.Response{Moves: 600, At: 512, DataIn: pool.Get(owner, buffer.Segment{Mem: make([]byte, 88)})})
		return true
	}
	s := b.login(t, "a", loopback.Options{})
	if r, err := s.Run(loopback.Command{CDB: anyCDB, In: make([]byte, 512)}); err != nil || r.Residual != -88 || r.In != 0 {
		t.Errorf("%+v %v", r, err)
	}
	if n := pool.Outstanding(); n != 0 {
		t.Errorf("%d leases are not given back", n)
	}
}

type reclaimer struct{ pool *buffer.Pool }

func (r reclaimer) Reclaim(l *buffer.Lease) { r.pool.Put(l) }

func TestAbsentUnit(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	absent, _ := scsi.FlatLUN(3)
	do := func(in int, c ...byte) (loopback.Result, []byte) {
		t.Helper()
		r, data, err := s.Do(t.Context(), absent, c, nil, in)
		if err != nil {
			t.Fatal(err)
		}
		return r, data
	}
	if r, data := do(255, 0x12, 0, 0, 0, 255, 0); r.Status != scsi.Good || len(data) != 36 || data[0] != 0x7f {
		t.Errorf("INQUIRY: %+v %x", r, data)
	}
	if r, data := do(255, 0x12, 0, 0, 0, 5, 0); len(data) != 5 || r.Residual != 250 {
		t.Errorf("INQUIRY of 5 bytes: %+v %x", r, data)
	}
	if r, _ := do(255, 0x12, 1, 0x83, 0, 255, 0); r.Sense.ASC != scsi.ASCLogicalUnitNotSupported {
		t.Errorf("VPD page: %+v", r)
	}
	if r, data := do(255, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0); r.Status != scsi.Good || len(data) != 16 {
		t.Errorf("REPORT LUNS: %+v %x", r, data)
	}
	for desc := range byte(2) {
		r, data := do(255, 0x03, desc, 0, 0, 255, 0)
		sense, err := scsi.ParseSense(data)
		if r.Status != scsi.Good || err != nil || sense.ASC != scsi.ASCLogicalUnitNotSupported {
			t.Errorf("REQUEST SENSE: %+v %x", r, data)
		}
	}
	for _, op := range []byte{0x00, 0x28, 0x2a, 0x5f, 0xff} {
		if r, _ := do(0, op, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0); r.Status != scsi.CheckCondition ||
			r.Sense.Key != scsi.KeyIllegalRequest || r.Sense.ASC != scsi.ASCLogicalUnitNotSupported {
			t.Errorf("%02x: %+v", op, r)
		}
	}
}

// There is no memory for the data that came with a task that has to wait: it ends with TASK
// SET FULL, and the others go on.
func TestNoMemoryToWait(t *testing.T) {
	b := newBench(t)
	arena := buffer.NewArena(buffer.MaxBlock)
	all, err := arena.Get(buffer.MaxBlock)
	if err != nil {
		t.Fatal(err)
	}
	s := b.login(t, "a", loopback.Options{Arena: arena, First: -1})
	first := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	if r, err := s.Run(loopback.Command{CDB: anyCDB, Tag: 2, Attr: target.Ordered, Out: make([]byte, 512)}); err != nil || r.Status != scsi.TaskSetFull {
		t.Errorf("%+v %v", r, err)
	}
	after := s.Start(loopback.Command{CDB: anyCDB, Tag: 3})
	if !b.h.is(3) {
		t.Error("a task waits for an ORDERED one that was refused")
	}
	for _, tag := range []uint64{1, 3} {
		b.h.end(t, tag)
	}
	first.Wait(t.Context())
	after.Wait(t.Context())
	all.Release()
}
