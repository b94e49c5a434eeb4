package fcp

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// TestCommands: what comes of a command, with its data, residual and sense.
func TestCommands(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", 0)
	short := readOf(8, 0)
	short.Len = 8 * 1024
	long := readOf(8, 0)
	long.Len = 1000
	failed := writeOf(4, fails)
	long16 := readOf(1, 0)
	long16.Additional = make([]byte, 16)
	for _, x := range []struct {
		name     string
		cmd      iu.Command
		in       int // bytes of data-in
		residual int64
		status   scsi.Status
	}{
		{"no data", iu.Command{}, 0, 0, scsi.Good},
		{"read", readOf(8, 0), 8 * 512, 0, scsi.Good},
		{"nothing to read", readOf(0, 0), 0, 0, scsi.Good},
		{"in pieces", readOf(9, pieces), 9 * 512, 0, scsi.Good},
		{"less than there is room for", short, 8 * 512, 4096, scsi.Good},
		{"more than there is room for", long, 1000, 1000 - 4096, scsi.Good},
		{"fails with data", readOf(2, fails), 1024, 0, scsi.CheckCondition},
		{"a descriptor", readOf(2, fails|descriptor), 1024, 0, scsi.CheckCondition},
		{"write", writeOf(4, 0), 0, 0, scsi.Good},
		{"a write that fails behind its data", failed, 0, 0, scsi.CheckCondition},
		{"no unit", iu.Command{LUN: 9 << 48}, 0, 0, scsi.CheckCondition},
		{"long CDB", long16, 512, 0, scsi.Good},
		{"ordered", iu.Command{Attr: iu.AttrOrdered}, 0, 0, scsi.Good},
		{"head of queue", iu.Command{Attr: iu.AttrHeadOfQueue}, 0, 0, scsi.Good},
	} {
		e := c.do(x.cmd)
		if x.cmd.Write {
			y := e.ready()
			if y.Offset != 0 || y.Len != x.cmd.Len {
				t.Fatalf("%s: %+v", x.name, y)
			}
			e.give(dataFrames(0, int(y.Len), 300)...)
		}
		all := e.take()
		var data []byte
		for _, s := range all[:len(all)-1] {
			if s.RCtl != fc.RCtlData || int(s.Parameter) != len(data) || s.FCtl != fc.FCtlEndSequence|fc.FCtlRelativeOffset {
				t.Errorf("%s: %+v", x.name, s.Header)
			}
			data = append(data, s.b...)
		}
		if !bytes.Equal(data, pattern(x.in)) {
			t.Errorf("%s: other data, %d bytes", x.name, len(data))
		}
		last := all[len(all)-1]
		a, err := iu.ParseResponse(last.b)
		if err != nil || a.Status != uint8(x.status) || a.Residual != x.residual || a.HasCode || (len(a.Sense) > 0) != (x.status == scsi.CheckCondition) || a.Confirm {
			t.Errorf("%s: %v %+v", x.name, err, a)
		}
		if last.FCtl != fc.FCtlEndSequence|fc.FCtlLastSequence || !e.finished || e.closed {
			t.Errorf("%s: %+v, finished %v, closed %v", x.name, last.Header, e.finished, e.closed)
		}
		e.k.forgotten()
		if !e.closed {
			t.Errorf("%s: it is not closed", x.name)
		}
	}
	if len(c.all) != 1 || r.unit.wrong != 0 {
		t.Errorf("%d tasks were made, %d bytes are wrong", len(c.all), r.unit.wrong)
	}
}

// TestRefused: what is wrong with a command is told by a response code, and the target does not see it.
func TestRefused(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", agreed)
	both := readOf(1, 0)
	both.Write = true
	for name, x := range map[string]iu.Command{
		"both ways": both, "attribute": {Attr: 3}, "two flags": {TM: iu.LUReset | iu.AbortTaskSet}, "reserved": {TM: 0x80},
	} {
		e := c.do(x)
		if a := e.response(); !a.HasCode || a.Code != iu.CodeInvalid || a.Confirm {
			t.Errorf("%s: %+v", name, a)
		}
	}
	c.command(&fc.Frame{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP}, Payload: make([]byte, 31)})
	if a := c.last.response(); a.Code != iu.CodeInvalid {
		t.Errorf("short: %+v", a)
	}
	before := c.last
	c.command(&fc.Frame{Header: fc.Header{RCtl: fc.RCtlUnsolicitedData, Type: fc.TypeFCP}, Payload: make([]byte, 32)})
	c.refuse = true
	c.do(readOf(1, 0))
	if c.last != before {
		t.Error("what is no command, or is not accepted, has an exchange")
	}
	if r.unit.started != 0 {
		t.Error("the unit has seen one")
	}
}

// TestFunctions: task management, and what it says.
func TestFunctions(t *testing.T) {
	r := newRig(t)
	defer r.close()
	c := r.login("a", agreed)
	for _, x := range []struct {
		tm     iu.Management
		lun    uint64
		code   iu.Code
		aborts bool
	}{
		{iu.AbortTaskSet, 0, iu.CodeComplete, true}, {iu.ClearTaskSet, 0, iu.CodeComplete, true},
		{iu.LUReset, 0, iu.CodeComplete, true}, {iu.TargetReset, 0, iu.CodeComplete, true},
		{iu.ClearACA, 0, iu.CodeRejected, false}, {iu.QueryTaskSet, 0, iu.CodeSucceeded, false},
		{iu.QueryAsyncEvent, 0, iu.CodeRejected, false}, {iu.LUReset, 7 << 48, iu.CodeIncorrectLUN, false},
	} {
		// The write is at its data, the read at the unit.
		wr := c.do(writeOf(8, 0))
		wr.ready()
		f := c.do(iu.Command{LUN: x.lun, TM: x.tm})
		if a := f.response(); !a.HasCode || a.Code != x.code {
			t.Errorf("%v: %+v", x.tm, a)
		}
		if wr.closed != x.aborts {
			t.Errorf("%v: the write is closed: %v", x.tm, wr.closed)
		}
		if x.aborts {
			wr.give(dataFrames(0, 4096, 512)...)
		} else if wr.give(dataFrames(0, 4096, 512)...); wr.response().Status != 0 {
			t.Errorf("%v: the write failed", x.tm)
		}
		if len(wr.take()) != 0 {
			t.Errorf("%v: something of an aborted command was sent", x.tm)
		}
	}
	held := c.do(readOf(1, held))
	f := c.do(iu.Command{TM: iu.LUReset})
	if len(f.take()) != 0 {
		t.Error("the answer does not wait for the unit")
	}
	r.unit.release()
	if a := f.response(); a.Code != iu.CodeComplete || !held.closed || len(held.take()) != 0 {
		t.Errorf("%+v, closed %v", a, held.closed)
	}
}
