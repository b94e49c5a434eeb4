package srp_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// managed performs a function in the background.
func managed(t *testing.T, c *initiator.Conn, f iu.Function, lun scsi.LUN, tag uint64) func() iu.Code {
	t.Helper()
	done := make(chan iu.Code, 1)
	go func() {
		code, err := c.Manage(f, lun, tag)
		if err != nil {
			code = 0xff
		}
		done <- code
	}()
	return func() iu.Code {
		t.Helper()
		select {
		case code := <-done:
			return code
		case <-time.After(transporttest.Patience):
			t.Fatal("no answer to task management")
			return 0
		}
	}
}

// held starts commands that the unit holds.
func held(t *testing.T, s *transporttest.SRP, c *initiator.Conn, n int) []*initiator.Command {
	t.Helper()
	before := s.Units[0].Held.Load()
	all := make([]*initiator.Command, n)
	for i := range all {
		all[i] = &initiator.Command{CDB: read(0, 512, transporttest.Hold), In: make([]byte, 512)}
		if err := c.Submit(all[i]); err != nil {
			t.Fatal(err)
		}
	}
	transporttest.Eventually(t, "they are held", func() bool { return s.Units[0].Held.Load() == before+int64(n) })
	return all
}

// ended waits until the tasks with a tag, or all if it is 0, have been aborted or are not there: on
// the way to it are those that are held.
func ended(t *testing.T, s *transporttest.SRP, cfg initiator.Config, tag uint64) {
	t.Helper()
	f := target.QueryTask
	if tag == 0 {
		f = target.QueryTaskSet
	}
	transporttest.Eventually(t, "it is aborted", func() (yes bool) {
		for _, n := range s.Target.Nexuses() {
			if n.Initiator.Port == scsi.SRPPort(cfg.Initiator) {
				n.Manage(f, 0, tag, func(r target.FunctionResult) { yes = r == target.FunctionComplete })
			}
		}
		return yes
	})
}

// An aborted command has no response; its credit comes with that of the function.
func TestAbortTask(t *testing.T) { over(t, testAbortTask) }

func testAbortTask(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	var delta atomic.Int64
	cfg.Received = func(b []byte) {
		if x, err := iu.ParseResponse(b); err == nil && x.HasCode {
			delta.Store(int64(x.Delta))
		}
	}
	c := s.Dial(cfg)
	all := held(t, s, c, 3)
	wait := managed(t, c, iu.AbortTask, 0, all[1].Tag)
	ended(t, s, cfg, all[1].Tag)
	s.Units[0].Release()
	if code := wait(); code != iu.CodeComplete {
		t.Error(code)
	}
	for i, k := range all {
		if err := c.Finish(k); (i == 1) != errors.Is(err, initiator.ErrAborted) || (i != 1 && err != nil) {
			t.Error(i, err)
		}
	}
	if delta.Load() < 1 {
		t.Error("no credits with the answer")
	}
	quiet(t, s, cfg, c)
	if x := session(t, s, cfg).Channels[0]; x.Aborted != 1 || x.Requests != 4 {
		t.Errorf("%+v", x)
	}
	ready(t, c)
}

func TestFunctions(t *testing.T) { over(t, testFunctions) }

func testFunctions(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	all := held(t, s, c, 1)
	for _, x := range []struct {
		f    iu.Function
		lun  scsi.LUN
		tag  uint64
		want iu.Code
	}{
		{iu.AbortTask, 0, 4711, iu.CodeComplete},            // not there: as good as aborted
		{iu.AbortTask, 9 << 48, 4711, iu.CodeInvalid},       // no unit
		{iu.AbortTask, 1 << 48, all[0].Tag, iu.CodeInvalid}, // not of that unit
		{iu.AbortTaskSet, 9 << 48, 0, iu.CodeInvalid},       //
		{iu.AbortTaskSet, 1 << 48, 0, iu.CodeComplete},      //
		{iu.ClearTaskSet, 0x4001 << 48, 0, iu.CodeComplete}, //
		{iu.LogicalUnitReset, 1 << 48, 0, iu.CodeComplete},  //
		{iu.ClearACA, 0, 0, iu.CodeNotSupported},            // NormACA is 0
		{0x20, 0, 0, iu.CodeNotSupported}, {0, 0, 0, iu.CodeNotSupported}, {0x03, 0, 0, iu.CodeNotSupported},
	} {
		code, err := c.Manage(x.f, x.lun, x.tag)
		if err != nil || code != x.want {
			t.Errorf("%v of LUN %v, tag %d: %v, %v; want %v", x.f, x.lun, x.tag, code, err, x.want)
		}
	}
	if n := s.Units[1].Events[target.LogicalUnitReset].Load(); n != 1 {
		t.Errorf("%d resets", n)
	}
	s.Units[0].Release()
	if err := c.Finish(all[0]); err != nil {
		t.Error(err)
	}
	quiet(t, s, cfg, c)
}

// TestAbortDuringRead aborts writes whose data has been asked for: the answer comes when the
// Reads have ended, and the memory with it.
func TestAbortDuringRead(t *testing.T) {
	for _, w := range []transporttest.Way{transporttest.Lend, transporttest.Lease, transporttest.Later} {
		synctest.Test(t, func(t *testing.T) { testAbortDuringRead(t, w) })
	}
}

func testAbortDuringRead(t *testing.T, w transporttest.Way) {
	s, n := simulate(t, srp.Config{})
	cfg := s.Config(1)
	cfg.Segment, cfg.Reads = 4096, 2 // most wait for others: they are taken back
	c := s.Dial(cfg)
	ready(t, c)
	n.Break(func(e sim.Event) (f sim.Fate) {
		if e.Op == rdma.Read {
			f.Late = 20 * time.Millisecond
		}
		return f
	})
	k := initiator.Command{CDB: write(0, 64<<10, w), Out: pattern(64<<10, 1)}
	_ = c.Submit(&k)
	transporttest.Eventually(t, "it is read", func() bool { return session(t, s, cfg).Channels[0].Stats.Reads > 0 })
	code, err := c.Manage(iu.AbortTask, 0, k.Tag)
	if err != nil || code != iu.CodeComplete {
		t.Fatal(code, err)
	}
	if a, b := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); a != b {
		t.Errorf("%d commands started, %d ended", a, b)
	}
	if err := c.Finish(&k); !errors.Is(err, initiator.ErrAborted) {
		t.Error(err)
	}
	n.Break(nil)
	quiet(t, s, cfg, c)
	ready(t, c)
	s.Close()
}

// TestAbortOfTheUnseen aborts commands whose descriptor table has been asked for, by their own
// channel and by another: the function waits until the target has the commands, and ends them.
func TestAbortOfTheUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { testAbortOfTheUnseen(t, false) })
	synctest.Test(t, func(t *testing.T) { testAbortOfTheUnseen(t, true) })
}

func testAbortOfTheUnseen(t *testing.T, byAnother bool) {
	s, n := simulate(t, srp.Config{Solicited: 64 << 10})
	cfg := s.Config(1)
	cfg.Segment, cfg.Inline, cfg.Action = 4096, -1, iu.Multi
	c := s.Dial(cfg)
	by := c
	if byAnother {
		by = s.Dial(cfg)
	}
	ready(t, c)
	n.Break(func(e sim.Event) (f sim.Fate) {
		if e.Op == rdma.Read && e.Len <= 256 {
			f.Late = 20 * time.Millisecond
		} else if e.Op == rdma.Read {
			f.Late = 50 * time.Millisecond
		}
		return f
	})
	all := make([]initiator.Command, 6)
	for i := range all {
		all[i] = initiator.Command{CDB: write(0, 64<<10, transporttest.Lease), Out: pattern(64<<10, 1)}
		_ = c.Submit(&all[i])
	}
	transporttest.Eventually(t, "they are there", func() bool { return session(t, s, cfg).Channels[0].Open == 6 })
	if n := s.Units[0].Started.Load(); n != 1 { // TEST UNIT READY: each table is on its way
		t.Fatalf("%d commands started", n)
	}
	for _, i := range []int{5, 4} {
		if code, err := by.Manage(iu.AbortTask, 0, all[i].Tag); err != nil || code != iu.CodeComplete {
			t.Fatal(code, err)
		}
	}
	if code, err := by.Manage(iu.LogicalUnitReset, 0, 0); err != nil || code != iu.CodeComplete {
		t.Fatal(code, err)
	}
	if n := session(t, s, cfg).Channels[0].Stats.Reads; n > 6+16 { // tables, and the data of the first
		t.Errorf("%d Reads", n)
	}
	c.Aborted(func(*initiator.Command) bool { return true })
	for i := range all {
		if err := c.Finish(&all[i]); !errors.Is(err, initiator.ErrAborted) {
			t.Error(i, err)
		}
	}
	n.Break(nil)
	ready(t, c)
	ready(t, by)
}

// TestAbortOfTheSlow aborts commands whose data-in is not all posted: no response comes any more.
func TestAbortOfTheSlow(t *testing.T) {
	for _, w := range []transporttest.Way{transporttest.Lease, transporttest.Pieces} {
		s, n := simulate(t, srp.Config{})
		cfg := s.Config(1)
		cfg.Segment = 1024
		c := s.Dial(cfg)
		o := cfg
		o.Action = iu.Multi
		d := s.Dial(o)
		ready(t, c)
		g := new(sim.Gate)
		n.Break(func(e sim.Event) (f sim.Fate) {
			if e.Op == rdma.Write && e.N > 10 {
				f.Hold = g
			}
			return f
		})
		k := initiator.Command{CDB: read(0, 200<<10, w), In: make([]byte, 200<<10)}
		_ = c.Submit(&k)
		transporttest.Eventually(t, "it is sent", func() bool { return session(t, s, cfg).Channels[0].Stats.Writes > 10 })
		// By the other channel, which is not held up.
		wait := managed(t, d, iu.LogicalUnitReset, 0, 0)
		transporttest.Eventually(t, "it is there", func() bool { return session(t, s, cfg).Channels[1].Open == 1 })
		time.Sleep(5 * time.Millisecond)
		if x := session(t, s, cfg).Channels[1]; x.Open != 1 {
			t.Error("answered while data is under way")
		}
		g.Open()
		if code := wait(); code != iu.CodeComplete {
			t.Fatal(code)
		}
		if x := session(t, s, cfg).Channels[0]; x.Stats.Writes > 2*64+10 {
			t.Errorf("%d Writes", x.Stats.Writes)
		}
		c.Aborted(func(*initiator.Command) bool { return true })
		if err := c.Finish(&k); !errors.Is(err, initiator.ErrAborted) {
			t.Error(err)
		}
		n.Break(nil)
		quiet(t, s, cfg, c, d)
		ready(t, c)
		s.Close()
	}
}

// A task is aborted by another channel of its nexus, if that has none with the tag.
func TestAbortByAnotherChannel(t *testing.T) { over(t, testAbortByAnotherChannel) }

func testAbortByAnotherChannel(t *testing.T, start starter) {
	s := start(t, srp.Config{})
	cfg := s.Config(1)
	c := s.Dial(cfg)
	o := cfg
	o.Action = iu.Multi
	d := s.Dial(o)
	a := held(t, s, c, 3) // tags 1, 2, 3
	b := held(t, s, d, 2) // tags 1, 2
	own := managed(t, d, iu.AbortTask, 0, b[0].Tag)
	transporttest.Eventually(t, "it is there", func() bool { return session(t, s, cfg).Channels[1].Open == 3 })
	other := managed(t, d, iu.AbortTask, 0, a[2].Tag)
	ended(t, s, cfg, a[2].Tag) // and so is that of the one before, since the channel takes one at a time
	s.Units[0].Release()
	if x, y := own(), other(); x != iu.CodeComplete || y != iu.CodeComplete {
		t.Error(x, y)
	}
	c.Aborted(func(k *initiator.Command) bool { return k == a[2] })
	for i, k := range []*initiator.Command{a[0], a[1], b[1]} {
		if err := k2(c, d, i).Finish(k); err != nil {
			t.Error(i, err)
		}
	}
	if err := c.Finish(a[2]); !errors.Is(err, initiator.ErrAborted) {
		t.Error(err)
	}
	if err := d.Finish(b[0]); !errors.Is(err, initiator.ErrAborted) {
		t.Error(err)
	}
	quiet(t, s, cfg, c, d)
}

func k2(c, d *initiator.Conn, i int) *initiator.Conn {
	if i == 2 {
		return d
	}
	return c
}

// Commands that another initiator's reset has ended get no response: their credits come alone.
func TestResetByAnother(t *testing.T) { over(t, testResetByAnother) }

func testResetByAnother(t *testing.T, start starter) {
	s := start(t, srp.Config{Credits: 8})
	cfg := s.Config(1)
	c, d := s.Dial(cfg), s.Dial(s.Config(2))
	for range 3 {
		all := held(t, s, c, 7)
		wait := managed(t, d, iu.LogicalUnitReset, 0, 0)
		ended(t, s, cfg, 0)
		s.Units[0].Release()
		if code := wait(); code != iu.CodeComplete {
			t.Fatal(code)
		}
		c.Aborted(func(*initiator.Command) bool { return true })
		for _, k := range all {
			if err := c.Finish(k); !errors.Is(err, initiator.ErrAborted) {
				t.Error(err)
			}
		}
		quiet(t, s, cfg, c)
		ready(t, c)
	}
}

// An initiator that does not answer a CRED_REQ gets its credits with responses.
func TestNoAnswerToCredits(t *testing.T) { over(t, testNoAnswerToCredits) }

func testNoAnswerToCredits(t *testing.T, start starter) {
	s := start(t, srp.Config{Credits: 8})
	cfg := s.Config(1)
	asked := make(chan bool, 10)
	cfg.Received = func(b []byte) {
		if iu.Opcode(b[0]) == iu.OpCreditRequest {
			asked <- true
			b[0] = 0x7f // not answered
		}
	}
	c, d := s.Dial(cfg), s.Dial(s.Config(2))
	all := held(t, s, c, 2)
	wait := managed(t, d, iu.LogicalUnitReset, 0, 0)
	ended(t, s, cfg, 0)
	s.Units[0].Release()
	wait()
	c.Aborted(func(*initiator.Command) bool { return true })
	for _, k := range all {
		_ = c.Finish(k)
	}
	select {
	case <-asked:
	case <-time.After(transporttest.Patience):
		t.Fatal("no CRED_REQ")
	}
	for range 5 {
		ready(t, c)
	}
	if x := session(t, s, cfg).Channels[0]; x.Credits+x.Due != 8 {
		t.Errorf("%+v", x)
	}
}
