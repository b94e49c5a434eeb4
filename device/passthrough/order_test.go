package passthrough

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// twoRules has WRITE(6) and READ(6) as positioned commands, and READ(10) and WRITE(10) as ones that are not.
func twoRules() *table {
	row := func(op scsi.Opcode, alone bool, x transfer) rule {
		return rule{op: op, name: op.String(), access: reserve.Reading, alone: alone, data: x}
	}
	t := newTable([]rule{
		row(scsi.OpRead6, true, in(2, 3)), row(scsi.OpWrite6, true, out(2, 3)),
		row(scsi.OpRead10, false, inBlocks(7, 2)), row(scsi.OpWrite10, false, outBlocks(7, 2)),
		row(scsi.OpTestUnitReady, false, nothing()),
	}, nobodys)
	return t
}

// outcome waits for a command, and returns its status; -1: it was aborted.
func outcome(p loopback.Pending) int {
	r, err := p.Wait(context.Background())
	switch {
	case errors.Is(err, loopback.ErrDropped):
		return -1
	case err != nil:
		return -2
	}
	return int(r.Status)
}

// lbas are the addresses of the READ(10) that the device has got, in order.
func lbas(all []sgtest.Entry) (n []uint32) {
	for _, e := range all {
		n = append(n, binary.BigEndian.Uint32(e.CDB[2:]))
	}
	return n
}

// An initiator that floods the unit keeps nobody waiting: the lines take turns.
func TestTurns(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{Depth: 4})
	b.u.policy.table = twoRules()
	flood, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Forget()
	gate := k.Hold(sgtest.Op(scsi.OpRead10))
	var all []loopback.Pending
	for i := range 100 {
		all = append(all, flood.Start(loopback.Command{CDB: rw(scsi.OpRead10, uint32(i), 1), In: make([]byte, 512)}))
	}
	for i := range 3 {
		all = append(all, other.Start(loopback.Command{CDB: rw(scsi.OpRead10, uint32(1000+i), 1), In: make([]byte, 512)}))
	}
	if n := gate.Held(); n != 4 {
		t.Errorf("the device has %d commands, want 4", n)
	}
	gate.Open()
	for _, p := range all {
		if got := outcome(p); got != 0 {
			t.Errorf("status %d", got)
		}
	}
	got := lbas(k.Log(sgtest.Op(scsi.OpRead10)))
	for i, n := range []uint32{0, 1, 2, 3} {
		if got[i] != n {
			t.Errorf("the first ones are %v", got[:4])
			break
		}
	}
	for i, n := range got {
		if n >= 1000 && i > 4+2*(int(n)-1000)+2 {
			t.Errorf("the command %d of the other came as number %d", n-1000, i)
		}
	}
	for last, i := -1, 0; i < len(got); i++ { // each initiator's are in order
		if got[i] < 1000 {
			if int(got[i]) <= last {
				t.Fatalf("%v", got)
			}
			last = int(got[i])
		}
	}
	if k.Most() > 4 {
		t.Errorf("%d commands at a time", k.Most())
	}
}

// Positioned commands go one at a time, in the order in which they came; other commands do not wait for them.
func TestPositioned(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	b.u.policy.table = twoRules()
	x, y := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	gate := k.Hold(sgtest.Op(scsi.OpWrite6))
	k.Forget()
	var all []loopback.Pending
	for i := range 20 {
		s := x
		if i%3 == 0 {
			s = y
		}
		all = append(all, s.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 100+i), Out: make([]byte, 100+i)}))
	}
	b.good(x, make([]byte, 6), nil, 0)
	b.good(y, make([]byte, 6), nil, 0)
	for i := range all {
		gate.Wait(1)
		if n := gate.Held(); n != 1 {
			t.Fatalf("the device has %d positioned commands", n)
		}
		gate.Let(1)
		if got := outcome(all[i]); got != 0 {
			t.Errorf("status %d", got)
		}
	}
	for i, o := range k.Objects() {
		if len(o.Data) != 100+i {
			t.Errorf("block %d has %d bytes", i, len(o.Data))
		}
	}
}

// A command that waits for its data keeps its place before those of its own initiator, and nobody else waits for it.
func TestPlaceBeforeData(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	b.u.policy.table = twoRules()
	never := b.login(1, loopback.Options{Never: true})
	y := b.login(2, loopback.Options{})
	k.Forget()
	first := never.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 100), Out: make([]byte, 100), Tag: 71})
	second := never.Start(loopback.Command{CDB: rw6(scsi.OpRead6, 300), In: make([]byte, 300), Tag: 72})
	b.good(y, rw6(scsi.OpWrite6, 200), make([]byte, 200), 0)
	if n := len(k.Log(sgtest.Op(scsi.OpRead6))); n != 0 {
		t.Error("the READ has passed the WRITE of its own initiator")
	}
	never.Manage(target.AbortTask, 0, 71)
	if got := outcome(first); got != -1 {
		t.Errorf("the WRITE: status %d", got)
	}
	if got := outcome(second); got != int(scsi.CheckCondition) { // there is nothing behind the block
		t.Errorf("the READ: status %d", got)
	}
}

// Positioned commands and others take turns at a device that takes one command at a time.
func TestOneAtATime(t *testing.T) {
	k := sgtest.NewTape(sgtest.Config{Info: sg.Info{Depth: 1}})
	b := newBench(t, k.Device, Config{})
	b.u.policy.table = twoRules()
	x, y := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Forget()
	gate := k.Hold(nil)
	var all []loopback.Pending
	for range 10 {
		all = append(all, x.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 100), Out: make([]byte, 100)}))
		all = append(all, y.Start(loopback.Command{CDB: make([]byte, 6)}))
	}
	gate.Open()
	for _, p := range all {
		if got := outcome(p); got != 0 {
			t.Errorf("status %d", got)
		}
	}
	for i, e := range k.Log(nil) {
		if want := []scsi.Opcode{scsi.OpWrite6, scsi.OpTestUnitReady}[i%2]; e.Op() != want {
			t.Errorf("command %d is %v, want %v", i, e.Op(), want)
		}
	}
	if k.Most() != 1 {
		t.Errorf("%d at a time", k.Most())
	}
}

// What waits for its turn when the initiator goes is sent to nobody.
func TestQueuedAndLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{Depth: 1})
		defer b.close()
		b.u.policy.table = twoRules()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		k.Forget()
		gate := k.Hold(sgtest.Op(scsi.OpRead10))
		held := other.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512)})
		var all []loopback.Pending
		for i := range 10 {
			all = append(all, s.Start(loopback.Command{CDB: rw(scsi.OpRead10, uint32(i+1), 1), In: make([]byte, 512)}))
			all = append(all, s.Start(loopback.Command{CDB: rw(scsi.OpWrite10, uint32(i+1), 1), Out: make([]byte, 512)}))
		}
		b.all = b.all[1:]
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for _, p := range all {
			if got := outcome(p); got != -1 {
				t.Errorf("status %d", got)
			}
		}
		gate.Open()
		if got := outcome(held); got != 0 {
			t.Errorf("status %d", got)
		}
		if n := len(k.Log(nil)); n != 1 {
			t.Errorf("the device has got %d commands", n)
		}
		b.close()
	})
}

// A command that waits for its turn while another initiator reserves the device does not get there any more.
func TestReservedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpRewind))
		rewind := s.Start(loopback.Command{CDB: long(6, byte(scsi.OpRewind))})
		gate.Wait(1)
		write := other.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 512), Out: make([]byte, 512)})
		synctest.Wait()
		b.good(s, long(6, byte(scsi.OpReserve6)), nil, 0)
		gate.Open()
		if got := outcome(rewind); got != int(scsi.Good) {
			t.Errorf("REWIND: status %d", got)
		}
		if got := outcome(write); got != int(scsi.ReservationConflict) || len(k.Objects()) != 0 {
			t.Errorf("WRITE(6): status %d, %d blocks", got, len(k.Objects()))
		}
		b.good(s, long(6, byte(scsi.OpRelease6)), nil, 0)
		b.close()
	})
}
