package target_test

import (
	"errors"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

func TestAbortStarted(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	p := s.Start(loopback.Command{CDB: anyCDB, Tag: 7})
	done := manage(s, target.AbortTask, 0, 7)
	never(t, done, "the answer came before the end of the task")
	if got := soon(t, manage(s, target.QueryTask, 0, 7)); got != target.FunctionComplete {
		t.Errorf("query of a task that is being aborted: %v", got)
	}
	b.h.end(t, 7)
	if got := soon(t, done); got != target.FunctionComplete {
		t.Errorf("%v", got)
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("an aborted task was answered: %v", err)
	}
	if got := soon(t, manage(s, target.AbortTask, 0, 7)); got != target.NoSuchTask {
		t.Errorf("abort of a task that is gone: %v", got)
	}
}

// Two functions at once concern one task: both wait for its end.
func TestAbortTwice(t *testing.T) {
	b := newBench(t)
	b.unit.ShareTaskSet(true)
	s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
	p := s.Start(loopback.Command{CDB: anyCDB, Tag: 7})
	all := []<-chan target.FunctionResult{
		manage(s, target.AbortTask, 0, 7),
		manage(s, target.AbortTask, 0, 7),
		manage(other, target.ResetLogicalUnit, 0, 0),
		manage(s, target.AbortTaskSet, 0, 0),
		manage(other, target.ClearTaskSet, 0, 0),
	}
	for i, c := range all {
		never(t, c, "function "+string(rune('0'+i))+" did not wait")
	}
	b.h.end(t, 7)
	for i, c := range all {
		if got := soon(t, c); got != target.FunctionComplete {
			t.Errorf("function %d: %v", i, got)
		}
	}
	if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
}

// A task that waits behind an ORDERED one ends at once, and so does the wait of what
// is behind it.
func TestAbortWaiting(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	first := s.Start(loopback.Command{CDB: anyCDB, Tag: 1})
	ordered := s.Start(loopback.Command{CDB: anyCDB, Tag: 2, Attr: target.Ordered})
	behind := s.Start(loopback.Command{CDB: anyCDB, Tag: 3})
	if b.h.is(2) || b.h.is(3) {
		t.Fatal("ORDERED did not wait")
	}
	if got := soon(t, manage(s, target.QueryTask, 0, 2)); got != target.FunctionSucceeded {
		t.Errorf("query of a waiting task: %v", got)
	}
	if got := soon(t, manage(s, target.AbortTask, 0, 2)); got != target.FunctionComplete {
		t.Errorf("%v", got)
	}
	if _, err := ordered.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
	if !b.h.is(3) {
		t.Error("the task behind still waits")
	}
	if b.h.is(2) {
		t.Error("the aborted task has started")
	}
	for i, p := range []loopback.Pending{first, behind} {
		b.h.end(t, uint64(1+2*i))
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Abort ends a ReceiveDataOut that nobody answers.
func TestAbortBlocked(t *testing.T) {
	for name, opt := range map[string]loopback.Options{
		"never": {Never: true},
		"later": {Later: true, Piece: 16},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			got := make(chan error, 1)
			b.h.onStart = func(x *target.Task) bool {
				x.ReceiveDataOut(0, 1<<20, func(x *target.Task, _ *buffer.Lease, err error) {
					got <- err
					x.Respond(target.Response{})
				})
				return true
			}
			s := b.login(t, "a", opt)
			p := s.Start(loopback.Command{CDB: anyCDB, Out: make([]byte, 1<<20), Tag: 1})
			if r := soon(t, manage(s, target.AbortTask, 0, 1)); r != target.FunctionComplete {
				t.Errorf("%v", r)
			}
			if err := soon(t, got); !errors.Is(err, target.ErrAborted) {
				t.Errorf("the transfer ended with %v", err)
			}
			if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestReset(t *testing.T) {
	for f, want := range map[target.Function]target.Event{
		target.ResetLogicalUnit: target.LogicalUnitReset,
		target.ResetTarget:      target.TargetReset,
	} {
		b := newBench(t)
		s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
		mine, theirs := s.Start(loopback.Command{CDB: anyCDB, Tag: 1}), other.Start(loopback.Command{CDB: anyCDB, Tag: 2})
		done := manage(s, f, 0, 0)
		b.h.end(t, 1)
		never(t, done, "the reset did not wait for the other nexus")
		if len(b.h.all()) != 0 {
			t.Error("the unit heard of the reset before its tasks had ended")
		}
		b.h.end(t, 2)
		if r := soon(t, done); r != target.FunctionComplete {
			t.Errorf("%v", r)
		}
		if got := b.h.all(); len(got) != 1 || got[0].e != want || got[0].x != s.Nexus.ITLs()[0] {
			t.Errorf("events %v", got)
		}
		for _, p := range []loopback.Pending{mine, theirs} {
			if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestClearTaskSet(t *testing.T) {
	b := newBench(t)
	b.unit.ShareTaskSet(true)
	s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
	b.login(t, "c", loopback.Options{})
	mine, theirs := s.Start(loopback.Command{CDB: anyCDB, Tag: 1}), other.Start(loopback.Command{CDB: anyCDB, Tag: 2})
	done := manage(s, target.ClearTaskSet, 0, 0)
	b.h.end(t, 1)
	never(t, done, "it did not wait for the other nexus")
	b.h.end(t, 2)
	soon(t, done)
	for _, p := range []loopback.Pending{mine, theirs} {
		if _, err := p.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
			t.Errorf("%v", err)
		}
	}
	// Only the nexus that lost a task to another is told.
	if got := b.h.all(); len(got) != 1 || got[0].e != target.CommandsCleared || got[0].x != other.Nexus.ITLs()[0] {
		t.Errorf("events %v", got)
	}
}

// With a task set for each nexus CLEAR TASK SET leaves the tasks of others alone (SAM-5 7.5).
func TestClearOwnTaskSet(t *testing.T) {
	b := newBench(t)
	s, other := b.login(t, "a", loopback.Options{}), b.login(t, "b", loopback.Options{})
	mine, theirs := s.Start(loopback.Command{CDB: anyCDB, Tag: 1}), other.Start(loopback.Command{CDB: anyCDB, Tag: 2})
	done := manage(s, target.ClearTaskSet, 0, 0)
	b.h.end(t, 1)
	soon(t, done)
	if _, err := mine.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("%v", err)
	}
	b.h.end(t, 2)
	if r, err := theirs.Wait(t.Context()); err != nil || r.Err() != nil {
		t.Errorf("%+v %v", r, err)
	}
}

func TestLost(t *testing.T) {
	b := newBench(t)
	s := loopback.Login(b.port, target.Initiator{Name: "a"}, loopback.Options{})
	running, ordered := s.Start(loopback.Command{CDB: anyCDB, Tag: 1}), s.Start(loopback.Command{CDB: anyCDB, Tag: 2, Attr: target.Ordered})
	gone := make(chan error, 1)
	go func() { gone <- s.Close() }()
	if _, err := ordered.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("waiting: %v", err)
	}
	never(t, gone, "the nexus went before its task had ended")
	if _, err := s.Run(loopback.Command{CDB: anyCDB, Tag: 3}); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("a task of a lost nexus: %v", err)
	}
	if b.h.attached != 1 {
		t.Error("detached with a task left")
	}
	b.h.end(t, 1)
	if _, err := running.Wait(t.Context()); !errors.Is(err, loopback.ErrDropped) {
		t.Errorf("running: %v", err)
	}
	if err := soon(t, gone); err != nil {
		t.Error(err)
	}
	if b.h.attached != 0 || len(b.port.Target.Nexuses()) != 0 || len(b.unit.ITLs()) != 0 {
		t.Error("the nexus is still known")
	}
	if got := b.unit.Totals().Commands; got != 3 {
		t.Errorf("%d commands counted after the nexus has gone, want 3", got)
	}
}

func TestFunctionsWithoutTasks(t *testing.T) {
	b := newBench(t)
	s := b.login(t, "a", loopback.Options{})
	for f, want := range map[target.Function]target.FunctionResult{
		target.AbortTask:       target.NoSuchTask,
		target.AbortTaskSet:    target.FunctionComplete,
		target.ClearTaskSet:    target.FunctionComplete,
		target.ClearACA:        target.FunctionUnsupported,
		target.QueryTask:       target.FunctionComplete,
		target.QueryTaskSet:    target.FunctionComplete,
		target.QueryAsyncEvent: target.FunctionUnsupported,
		target.ResetNexus:      target.FunctionComplete,
		target.Function(99):    target.FunctionUnsupported,
	} {
		if got := soon(t, manage(s, f, 0, 5)); got != want {
			t.Errorf("function %v: %v, want %v", f, got, want)
		}
	}
	absent, _ := scsi.FlatLUN(5)
	if got := soon(t, manage(s, target.ResetLogicalUnit, absent, 0)); got != target.IncorrectLUN {
		t.Errorf("reset of no unit: %v", got)
	}
}
