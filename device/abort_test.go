package device_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

var send16 = []byte{0x0a, 0, 0, 0, 16, 0}

// manage performs a function without waiting for its result.
func manage(s *loopback.Session, f target.Function, tag uint64) <-chan target.FunctionResult {
	c := make(chan target.FunctionResult, 1)
	s.Nexus.Manage(f, 0, tag, func(r target.FunctionResult) { c <- r })
	return c
}

func (b *bench) complete(c <-chan target.FunctionResult) {
	b.Helper()
	select {
	case r := <-c:
		if r != target.FunctionComplete {
			b.Errorf("the function ended with %v", r)
		}
	case <-time.After(5 * time.Second):
		b.Fatal("the function does not end")
	}
}

func (b *bench) dropped(p loopback.Pending) {
	b.Helper()
	if r, err := p.Wait(b.Context()); !errors.Is(err, loopback.ErrDropped) {
		b.Errorf("%v %v, want no response", r.Status, err)
	}
}

var functions = []target.Function{
	target.AbortTask, target.AbortTaskSet, target.ClearTaskSet, target.ResetLogicalUnit, target.ResetTarget, target.ResetNexus,
}

// Step one of a parameter list: the data does not come. The abort ends the wait.
func TestAbortWithoutData(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{Never: true})
	for _, f := range functions {
		for _, c := range [][]byte{
			send16,
			cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 16}.Append(nil),
			cdb.PersistentOut{Length: 24}.Append(nil),
		} {
			p := s.Start(loopback.Command{CDB: c, Out: make([]byte, 24), Tag: 7})
			b.complete(manage(s, f, 7))
			b.dropped(p)
			if n := b.arena.Outstanding(); n != 0 {
				t.Errorf("%v of %x: %d bytes are not given back", f, c, n)
			}
			b.calm(s)
		}
	}
}

// Step two: the command is on a worker. The function waits for its end, and a second
// one for what is still in the queue of the workers.
func TestAbortOnWorker(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	for _, f := range functions {
		entered, leave := make(chan struct{}), make(chan struct{})
		block := func() { entered <- struct{}{}; <-leave }
		b.p.storing = block
		b.p.testing.Store(&selfTests{func() error { block(); return nil }})
		store := s.Start(loopback.Command{CDB: send16, Out: make([]byte, 16), Tag: 7})
		test := s.Start(loopback.Command{CDB: cdb.SendDiagnostic{SelfTest: true}.Append(nil), Tag: 8})
		<-entered
		<-entered // two workers are busy, and the third is for others
		b.p.apply = func([]byte) error { return nil }
		queued := s.Start(loopback.Command{CDB: []byte{0x15, 0x10, 0, 0, 4, 0}, Out: header6, Tag: 9})
		var all []<-chan target.FunctionResult
		if f == target.AbortTask {
			for tag := range uint64(3) {
				all = append(all, manage(s, f, 7+tag))
			}
		} else {
			all = append(all, manage(s, f, 0))
		}
		for _, c := range all {
			select {
			case <-c:
				t.Fatalf("%v did not wait for the end of the task", f)
			case <-time.After(5 * time.Millisecond):
			}
		}
		close(leave)
		for _, c := range all {
			b.complete(c)
		}
		for _, p := range []loopback.Pending{store, test, queued} {
			b.dropped(p)
		}
		b.p.storing = nil
		b.p.testing.Store(nil)
		b.calm(s)
	}
}

// Step three: MODE SELECT is applying a page. What it has done stays.
func TestAbortWhileApplying(t *testing.T) {
	b := newBench(t, 0)
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	b.p.apply = func([]byte) error { entered <- struct{}{}; <-leave; return nil }
	list := slices.Concat(header6, box)
	p := s.Start(loopback.Command{CDB: cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(list))}.Append(nil), Out: list, Tag: 7})
	<-entered
	// MODE SENSE does not wait for a page that is being applied, and sees the old values.
	if got := b.modePage(other, boxPage); got[2] != 0 {
		t.Errorf("the page is %x before it is applied", got)
	}
	done := manage(s, target.AbortTask, 7)
	close(leave)
	b.complete(done)
	b.dropped(p)
	if got := b.modePage(s, boxPage); got[2] != box[2] {
		t.Errorf("the page is %x", got)
	}
	b.told(other, scsi.ASCModeParametersChanged)
}

// A command that waits behind an ORDERED one never runs.
func TestAbortBeforeStart(t *testing.T) {
	b := newBench(t, 0)
	s := b.login(1, loopback.Options{})
	entered, leave := make(chan struct{}), make(chan struct{})
	b.p.storing = func() { entered <- struct{}{}; <-leave }
	first := s.Start(loopback.Command{CDB: send16, Out: []byte("0123456789abcdef"), Attr: target.Ordered, Tag: 1})
	<-entered
	second := s.Start(loopback.Command{CDB: []byte{0xa4, 0x0f, 11: 0}, Tag: 2})
	b.complete(manage(s, target.AbortTask, 2))
	b.dropped(second)
	close(leave)
	if r, err := first.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("%v %v", r.Err(), err)
	}
	if n := b.p.sets.Load(); n != 0 {
		t.Errorf("the aborted command ran %d times", n)
	}
}

// Everything at once, for the race detector: each command ends, and nothing is left.
func TestManyAtOnce(t *testing.T) {
	b := newBench(t, 0)
	opts := []loopback.Options{{}, {First: -1}, {Later: true}, {Later: true, Piece: 4}}
	var all sync.WaitGroup
	sessions := make([]*loopback.Session, len(opts)) // all of them before the first resets anything
	for i, opt := range opts {
		sessions[i] = b.login(byte(i), opt)
	}
	for i, s := range sessions {
		key := cdb.PersistentList{ActionKey: uint64(i + 1)}.Append(nil)
		list := slices.Concat(header6, []byte{boxPage, 3, byte(i + 1), 0, 9})
		commands := []loopback.Command{
			{CDB: send16, Out: make([]byte, 16)},
			{CDB: []byte{0x08, 0, 0, 0, 16, 0}, In: make([]byte, 16)},
			{CDB: cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: uint16(len(list))}.Append(nil), Out: list},
			{CDB: cdb.ModeSense{Opcode: scsi.OpModeSense6, Page: 0x3f, Allocation: 255}.Append(nil), In: make([]byte, 255)},
			{CDB: cdb.PersistentOut{Action: scsi.ActionRegisterAndIgnoreExistingKey, Length: 24}.Append(nil), Out: key},
			{CDB: cdb.PersistentOut{Action: scsi.ActionReserve, Type: scsi.WriteExclusiveAllRegistrants, Length: 24}.Append(nil), Out: key},
			{CDB: cdb.PersistentIn{Action: scsi.ActionReadFullStatus, Allocation: 4096}.Append(nil), In: make([]byte, 4096)},
			{CDB: []byte{0x16, 0, 0, 0, 0, 0}}, {CDB: []byte{0x17, 0, 0, 0, 0, 0}},
			{CDB: cdb.RequestSense{Allocation: 252}.Append(nil), In: make([]byte, 252)},
		}
		all.Go(func() {
			for n := range 300 {
				c := commands[n%len(commands)]
				c.Tag, c.Attr = uint64(n+1), target.Attr(n/7%3)
				p := s.Start(c)
				switch n % 11 {
				case 3:
					s.Manage(target.AbortTask, 0, c.Tag)
				case 6:
					s.Manage(target.ResetLogicalUnit, 0, 0)
				case 9:
					b.p.Announce(scsi.ASCCapacityDataChanged, nil)
				}
				if r, err := p.Wait(t.Context()); err != nil && !errors.Is(err, loopback.ErrDropped) {
					t.Errorf("%x: %v %v", c.CDB, r, err)
				}
			}
		})
	}
	for n := range 100 { // sessions that come and go meanwhile
		if err := b.attach(byte(100+n%3), loopback.Options{}).Close(); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
}
