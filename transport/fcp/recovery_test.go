package fcp

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// conf is the frame FCP_CONF.
func conf() *fc.Frame {
	return &fc.Frame{Header: fc.Header{RCtl: fc.RCtlSolicitedControl, Type: fc.TypeFCP, FCtl: fc.FCtlEndSequence | fc.FCtlLastSequence | fc.FCtlSequenceInitiative}, First: true, Last: true}
}

// TestConfirmed: FCP_CONF is asked for when it was agreed upon, of errors, of units that are not asked twice, and of data that is
// held; then the exchange is closed.
func TestConfirmed(t *testing.T) {
	for _, x := range []struct {
		name   string
		params uint32
		kind   scsi.PeripheralType
		cmd    iu.Command
		asks   bool
		held   int64
	}{
		{"disk", agreed, scsi.TypeDisk, readOf(64, 0), false, 0},
		{"an error", agreed, scsi.TypeDisk, readOf(1, fails), true, 0},
		{"an error, not agreed", iu.ParamRetry, scsi.TypeDisk, readOf(1, fails), false, 0},
		{"much data", agreed, scsi.TypeDisk, readOf(128, 0), true, 64 << 10},
		{"much data in pieces", agreed, scsi.TypeDisk, readOf(128, pieces), false, 0},
		{"much data without SRR", iu.ParamConfirm, scsi.TypeDisk, readOf(128, 0), false, 0},
		{"tape", iu.ParamConfirm, scsi.TypeTape, readOf(1, 0), true, 0},
		{"robot", agreed, scsi.TypeChanger, iu.Command{}, true, 0},
		{"no unit", agreed, scsi.TypeDisk, iu.Command{LUN: 5 << 48}, true, 0},
	} {
		r := newRig(t)
		c := r.login("a", x.params)
		r.unit.kind = x.kind
		e := c.do(x.cmd)
		last := e.in[len(e.in)-1]
		a, err := iu.ParseResponse(last.b)
		if err != nil || a.Confirm != x.asks || (last.FCtl&fc.FCtlSequenceInitiative != 0) != x.asks || (last.FCtl&fc.FCtlLastSequence != 0) == x.asks {
			t.Errorf("%s: %v %+v %+v", x.name, err, a, last.Header)
		}
		if n := c.held.Load(); n != x.held || r.arena.Outstanding() < x.held || x.held == 0 && r.arena.Outstanding() != 0 {
			t.Errorf("%s: %d bytes are held, %d are out", x.name, n, r.arena.Outstanding())
		}
		if s := e.k.status(); s.Complete == x.asks || s.Initiative || s.Transferred != uint32(e.k.sent) {
			t.Errorf("%s: %+v", x.name, s)
		}
		e.give(conf())
		if e.closed != x.asks || !e.finished {
			t.Errorf("%s: closed %v", x.name, e.closed)
		}
		r.close()
	}
}

// TestAskedForAgain: what SRR gets of an exchange that is kept.
func TestAskedForAgain(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", agreed)
	e := c.do(readOf(128, 0))
	first := e.take()
	for _, off := range []uint32{0, 512, 65535} {
		if !e.k.retransmit(fc.RCtlData, off) {
			t.Fatal("data is not to be had")
		}
		all := e.take()
		if len(all) != 2 || all[0].Parameter != off || !bytes.Equal(all[0].b, pattern(64 << 10)[off:]) || !bytes.Equal(all[1].b, first[1].b) || all[1].FCtl != first[1].FCtl {
			t.Errorf("from %d: %d sequences", off, len(all))
		}
	}
	if !e.k.retransmit(fc.RCtlData, 64<<10) || !e.k.retransmit(fc.RCtlStatus, 0) {
		t.Error("the response is not to be had")
	}
	if all := e.take(); len(all) != 2 || all[0].RCtl != fc.RCtlStatus || !bytes.Equal(all[1].b, first[1].b) {
		t.Errorf("%d sequences", len(all))
	}
	// While it waits to be sent, once more changes nothing.
	r.hold = true
	for range 3 {
		if !e.k.retransmit(fc.RCtlData, 0) || !e.k.retransmit(fc.RCtlStatus, 0) {
			t.Error("nothing is to be had")
		}
	}
	r.hold = false
	r.Flush()
	if n := len(e.take()); n != 2 {
		t.Errorf("%d sequences", n)
	}
	for n := 0; e.k.retransmit(fc.RCtlStatus, 0); n++ {
		if n > mostAgain {
			t.Fatal("it is sent again without end")
		}
	}
	e.take()
	e.k.forgotten()
	if !e.closed || c.unconfirmed.Load() != 1 || r.arena.Outstanding() != 0 {
		t.Errorf("closed %v, %d unconfirmed", e.closed, c.unconfirmed.Load())
	}
	// Little data is not held; the response is.
	e = c.do(readOf(8, 0))
	e.take()
	if e.k.retransmit(fc.RCtlData, 0) {
		t.Error("data that has been given back is sent")
	}
	if !e.k.retransmit(fc.RCtlStatus, 0) || e.response().Status != 0 {
		t.Error("the response is not to be had")
	}
	// A write whose FCP_XFER_RDY is asked for, and which has ended.
	e = c.do(writeOf(8, fails))
	e.ready()
	e.give(dataFrames(0, 4096, 1024)...)
	e.response()
	if !e.k.retransmit(fc.RCtlDataDescriptor, 4096) || e.response().Status != uint8(scsi.CheckCondition) {
		t.Error("the response is not to be had")
	}
	// Not agreed.
	e = r.login("b", iu.ParamConfirm).do(readOf(8, 0))
	if e.k.retransmit(fc.RCtlStatus, 0) {
		t.Error("SRR was not agreed upon")
	}
	// The memory that is held is bounded.
	c.held.Add(heldMost - 100<<10)
	for range 5 {
		e = c.do(readOf(128, 0))
		e.take()
	}
	c.held.Add(100<<10 - heldMost)
	if n := c.held.Load(); n != 64<<10 || r.arena.Outstanding() != n {
		t.Errorf("%d bytes are held, %d are out", n, r.arena.Outstanding())
	}
}

// TestStatus: what REC says of a command at each of its steps.
func TestStatus(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", agreed)
	e := c.do(writeOf(2, held))
	if s := e.k.status(); s != (nport.Status{Initiative: true}) {
		t.Errorf("at the unit: %+v", s)
	}
	r.asks.set(512, 0)
	r.hold = true
	before := c.do(writeOf(1, 0))
	r.unit.release()
	if s := e.k.status(); s != (nport.Status{Initiative: true}) {
		t.Errorf("in line: %+v", s)
	}
	r.hold = false
	r.Flush()
	before.give(dataFrames(0, 512, 512)...)
	if s := e.k.status(); s != (nport.Status{}) {
		t.Errorf("asked: %+v", s)
	}
	e.give(dataFrames(0, 512, 256)...)
	if s := e.k.status(); s != (nport.Status{Transferred: 512}) {
		t.Errorf("asked for the rest: %+v", s)
	}
	e.give(dataFrames(512, 512, 256)...)
	if s := e.k.status(); s != (nport.Status{Transferred: 1024, Complete: true}) {
		t.Errorf("answered: %+v", s)
	}
}

// TestAborts: ABTS at each step of a command: it is answered when nothing of it is sent any more, and nothing follows.
func TestAborts(t *testing.T) {
	steps := map[string]func(r *rig, c *fakeChannel) *fakeExchange{
		"at the unit":         func(_ *rig, c *fakeChannel) *fakeExchange { return c.do(readOf(8, held)) },
		"write at the unit":   func(_ *rig, c *fakeChannel) *fakeExchange { return c.do(writeOf(8, held)) },
		"asked":               func(_ *rig, c *fakeChannel) *fakeExchange { return c.do(writeOf(8, 0)) },
		"asked, and not sent": func(r *rig, c *fakeChannel) *fakeExchange { r.hold = true; return c.do(writeOf(8, 0)) },
		"in line": func(r *rig, c *fakeChannel) *fakeExchange {
			r.asks.set(512, 0)
			c.do(writeOf(1, 0))
			return c.do(writeOf(1, 0))
		},
		"data-in on its way":    func(r *rig, c *fakeChannel) *fakeExchange { r.hold = true; return c.do(readOf(8, 0)) },
		"data-in in pieces":     func(r *rig, c *fakeChannel) *fakeExchange { r.hold = true; return c.do(readOf(18, pieces)) },
		"answered":              func(_ *rig, c *fakeChannel) *fakeExchange { return c.do(readOf(8, 0)) },
		"answered, unconfirmed": func(_ *rig, c *fakeChannel) *fakeExchange { return c.do(readOf(128, 0)) },
		"reset": func(_ *rig, c *fakeChannel) *fakeExchange {
			c.do(readOf(1, held))
			return c.do(iu.Command{TM: iu.LUReset})
		},
		"half the data": func(_ *rig, c *fakeChannel) *fakeExchange {
			e := c.do(writeOf(8, 0))
			e.give(dataFrames(0, 4096, 1024)[:2]...)
			return e
		},
	}
	for name, step := range steps {
		r := newRig(t)
		c := r.login("a", agreed)
		e := step(r, c)
		before := len(e.in)
		answered := e.abts()
		waits := e.k.with || len(e.posted) > 0
		if *answered == waits {
			t.Errorf("%s: answered %v", name, *answered)
		}
		r.hold = false
		r.Flush()
		r.unit.release()
		r.Flush()
		if !*answered || !e.closed || len(e.in) != before {
			t.Errorf("%s: answered %v, closed %v, %d sequences were sent", name, *answered, e.closed, len(e.in)-before)
		}
		if c.aborted.Load() != 1 {
			t.Errorf("%s: %d aborts", name, c.aborted.Load())
		}
		r.close()
	}
}

// TestLoss: a login ends at each step of a command. The initiator logs in again at once; what hangs at a unit holds up that unit
// alone.
func TestLoss(t *testing.T) {
	for _, cmd := range []iu.Command{readOf(8, 0), readOf(18, pieces), readOf(128, 0), writeOf(8, 0), readOf(8, held), writeOf(8, held), {TM: iu.LUReset}} {
		for _, hold := range []bool{false, true} {
			r := newRig(t)
			c := r.login("a", agreed)
			r.hold = hold
			e := c.do(cmd)
			hangs := way(cmd.CDB[9])&held != 0
			c.lose()
			e.give(conf())
			r.hold = false
			r.Flush()
			if c.gone == hangs || e.closed == hangs {
				t.Errorf("%+v: gone %v, closed %v", cmd, c.gone, e.closed)
			}
			again := r.login("a", agreed)
			status := again.do(iu.Command{}).response().Status
			other := again.do(iu.Command{LUN: 1 << 48}).response().Status
			if busy := status == uint8(scsi.Busy); busy != hangs || other != 0 {
				t.Errorf("%+v: statuses %v, %v", cmd, status, other)
			}
			r.unit.release()
			if !c.gone || !e.closed {
				t.Errorf("%+v: gone %v, closed %v", cmd, c.gone, e.closed)
			}
			if again.do(iu.Command{}).response().Status != 0 {
				t.Errorf("%+v: the unit is busy still", cmd)
			}
			r.close()
		}
	}
}

// TestLinkDown: nothing can be posted any more, and then the login ends.
func TestLinkDown(t *testing.T) {
	for _, cmd := range []iu.Command{readOf(8, held), readOf(18, held|pieces), writeOf(8, held)} {
		r := newRig(t)
		c := r.login("a", agreed)
		e := c.do(cmd)
		r.down = true
		r.unit.release()
		c.lose()
		if !c.gone || !e.closed || len(e.in) != 0 {
			t.Errorf("%+v: gone %v, closed %v", cmd, c.gone, e.closed)
		}
		r.close()
	}
}
