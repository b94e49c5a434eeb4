package iscsi_test

import (
	"errors"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

const lun1 = scsi.LUN(1 << 48)

// moments are commands caught at one moment of their life each.
var moments = map[string]struct {
	cdb     []byte
	out     int // bytes
	in      int
	waiting bool // the unit holds it: it ends when it is released
}{
	"waits for R2T'd data":       {cdb: write(0, 512<<10, transporttest.Lend), out: 512 << 10},
	"waits for R2T'd data later": {cdb: write(0, 512<<10, transporttest.Later), out: 512 << 10},
	"waits in pieces":            {cdb: write(0, 3<<20, transporttest.Pieces), out: 3 << 20},
	"is in execution":            {cdb: read(0, 4096, transporttest.Hold), in: 4096, waiting: true},
	"write is in execution":      {cdb: write(0, 4096, transporttest.Hold), out: 4096, waiting: true},
}

// aborted reports that the tasks of all nexuses at a unit have been aborted, or are gone.
func aborted(s *transporttest.ISCSI, lun scsi.LUN) bool {
	yes := true
	for _, n := range s.Target.Nexuses() {
		n.Manage(target.QueryTaskSet, lun, 0, func(r target.FunctionResult) { yes = yes && r == target.FunctionComplete })
	}
	return yes
}

// TestManage ends commands at every moment by every function; other commands go on.
func TestManage(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	functions := []pdu.TMFFunction{
		pdu.TMFAbortTask, pdu.TMFAbortTaskSet, pdu.TMFClearTaskSet, pdu.TMFLUNReset, pdu.TMFTargetWarmReset,
	}
	for name, m := range moments {
		for _, f := range functions {
			t.Run(name+"/"+f.String(), func(t *testing.T) {
				cfg := s.Config(1)
				cfg.Withhold = true
				asked := 0
				cfg.Events.R2T = func(pdu.R2T) { asked++ }
				c := s.Dial(cfg)
				defer c.Close()
				k := initiator.Command{CDB: m.cdb, Out: make([]byte, m.out), In: make([]byte, m.in)}
				other := initiator.Command{LUN: lun1, CDB: read(0, 4096, transporttest.Hold), In: make([]byte, 4096)}
				held := s.Units[0].Held.Load()
				_ = c.Submit(&k)
				_ = c.Submit(&other)
				if _, err := c.Poll(); err != nil {
					t.Fatal(err)
				}
				if m.waiting {
					transporttest.Eventually(t, "the unit has it", func() bool { return s.Units[0].Held.Load() == held+1 })
				} else {
					for asked == 0 {
						if _, err := c.Receive(); err != nil {
							t.Fatal(err)
						}
					}
				}
				transporttest.Eventually(t, "unit 1 has it", func() bool { return s.Units[1].Held.Load() == 1 })
				if m.waiting || f == pdu.TMFTargetWarmReset {
					// The answer comes when the tasks have ended.
					defer transporttest.Meanwhile(time.Millisecond, func() {
						if !aborted(s, 0) || f == pdu.TMFTargetWarmReset && !aborted(s, lun1) {
							return // else they would end by themselves
						}
						if f == pdu.TMFTargetWarmReset {
							s.Units[1].Release()
						}
						s.Units[0].Release()
					})()
				}
				if r, err := c.Manage(f, 0, &k); err != nil || r != pdu.TMFComplete {
					t.Fatal(r, err)
				}
				if err := c.Finish(&k); err != nil || k.Err != initiator.ErrAborted {
					t.Fatal(err, k.Err)
				}
				if f != pdu.TMFTargetWarmReset {
					if n := s.Units[1].Held.Load(); n != 1 {
						t.Fatalf("the other command has gone: %d", n)
					}
					s.Units[1].Release()
					if err := c.Finish(&other); err != nil || other.Status != 0 || other.Received != 4096 {
						t.Fatal(err, other.Status)
					}
				}
				good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
				if r, err := c.Manage(pdu.TMFAbortTask, 0, &k); err != nil || r != pdu.TMFNoTask {
					t.Fatal("a task that is gone:", r, err)
				}
			})
		}
	}
}

// TestAbortBeforeAllDataCame aborts commands whose unasked data is still coming, answered
// by the unit already or not; what still comes of it is thrown away.
func TestAbortBeforeAllDataCame(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{Window: 4}, nil)
	for _, f := range []pdu.TMFFunction{pdu.TMFAbortTask, pdu.TMFAbortTaskSet, pdu.TMFLUNReset, pdu.TMFTargetWarmReset} {
		for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Ignore, transporttest.Fail} {
			p := login(t, s, s.Config(1))
			for i := range uint32(10) { // more often than the window is wide: no slot is lost
				part := make([]byte, 40<<10)
				p.command(i, write(0, 128<<10, way), 128<<10, false, part)
				p.out(pdu.DataOut{ITT: i, TTT: pdu.NoTag, BufferOffset: 40 << 10}, part)
				if way == transporttest.Later {
					time.Sleep(time.Millisecond)
				}
				var h pdu.BHS
				pdu.TMFRequest{Immediate: true, Function: f, ITT: 99, ReferencedTaskTag: i, RefCmdSN: p.next - 1}.Put(&h)
				p.send(&h, nil)
				r := p.receive()
				if x, err := pdu.ParseTMFResponse(&r.BHS); err != nil || x.Response != pdu.TMFComplete {
					t.Fatal(way, f, err, x.Response)
				}
				p.out(pdu.DataOut{ITT: i, TTT: pdu.NoTag, DataSN: 1, BufferOffset: 80 << 10, Final: true}, make([]byte, 48<<10))
				p.alive()
			}
			p.Close()
		}
	}
}

// TestManageAnswers are the answers to functions that end nothing.
func TestManageAnswers(t *testing.T) { transporttest.OverISCSI(t, testManageAnswers) }

func testManageAnswers(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	c := s.Dial(s.Config(1))
	k := initiator.Command{CDB: read(0, 512, transporttest.Hold), In: make([]byte, 512)}
	_ = c.Submit(&k)
	_, _ = c.Poll()
	transporttest.Eventually(t, "the unit has it", func() bool { return s.Units[0].Held.Load() == 1 })
	other := initiator.Command{}
	for _, x := range []struct {
		f    pdu.TMFFunction
		lun  scsi.LUN
		of   *initiator.Command
		want pdu.TMFResponseCode
	}{
		{pdu.TMFQueryTask, 0, &k, pdu.TMFSucceeded},
		{pdu.TMFQueryTask, lun1, &k, pdu.TMFComplete},
		{pdu.TMFQueryTask, 0, &other, pdu.TMFComplete},
		{pdu.TMFQueryTaskSet, 0, nil, pdu.TMFSucceeded},
		{pdu.TMFQueryTaskSet, lun1, nil, pdu.TMFComplete},
		{pdu.TMFQueryAsyncEvent, 0, nil, pdu.TMFNotSupported},
		{pdu.TMFAbortTask, 0, &other, pdu.TMFNoTask},
		{pdu.TMFAbortTask, lun1, &k, pdu.TMFNoTask},
		{pdu.TMFAbortTask, 5 << 48, &k, pdu.TMFNoLUN},
		{pdu.TMFAbortTaskSet, 5 << 48, nil, pdu.TMFNoLUN},
		{pdu.TMFLUNReset, 5 << 48, nil, pdu.TMFNoLUN},
		{pdu.TMFClearACA, 0, nil, pdu.TMFNotSupported},
		{pdu.TMFTaskReassign, 0, &k, pdu.TMFNoReassign},
		{pdu.TMFFunction(99), 0, nil, pdu.TMFNotSupported},
	} {
		if r, err := c.Manage(x.f, x.lun, x.of); err != nil || r != x.want {
			t.Errorf("%v at %v: %v, %v instead of %v", x.f, x.lun, r, err, x.want)
		}
	}
	s.Units[0].Release()
	if err := c.Finish(&k); err != nil || k.Err != nil || k.Received != 512 {
		t.Fatal(err, k.Err)
	}
}

// TestManageLevel1 does without RFC 7144.
func TestManageLevel1(t *testing.T) { transporttest.OverISCSI(t, testManageLevel1) }

func testManageLevel1(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	cfg := s.Config(1)
	cfg.Login.ProtocolLevel = 1
	c := s.Dial(cfg)
	for f := pdu.TMFQueryTask; f <= pdu.TMFQueryAsyncEvent; f++ {
		if r, err := c.Manage(f, 0, nil); err != nil || r != pdu.TMFNotSupported {
			t.Errorf("%v: %v, %v", f, r, err)
		}
	}
}

// TestAbortUnseen aborts a command that never came: its number counts as received.
func TestAbortUnseen(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	p := login(t, s, s.Config(1))
	p.next++ // CmdSN 1 is lost
	p.command(2, read(0, 512, transporttest.Lend), 512, true, nil)
	p.alive() // and CmdSN 2 waits
	var h pdu.BHS
	pdu.TMFRequest{Immediate: true, Function: pdu.TMFAbortTask, ITT: 9, ReferencedTaskTag: 1, RefCmdSN: 1}.Put(&h)
	p.send(&h, nil)
	var got []pdu.Opcode
	for range 2 {
		got = append(got, p.receive().Opcode())
	}
	if got[0]^got[1] != pdu.OpTMFResponse^pdu.OpDataIn {
		t.Fatal(got)
	}
	p.alive()
	// The window is as wide as before.
	for range 200 {
		p.command(2, read(0, 512, transporttest.Lend), 512, true, nil)
		if op := p.receive().Opcode(); op != pdu.OpDataIn {
			t.Fatal(op)
		}
	}
}

// TestResets end sessions: I_T nexus reset its own, a cold reset all.
func TestResets(t *testing.T) { transporttest.OverISCSI(t, testResets) }

func testResets(t *testing.T, start transporttest.Start) {
	s := start(iscsi.Config{}, nil)
	for _, f := range []pdu.TMFFunction{pdu.TMFNexusReset, pdu.TMFTargetColdReset} {
		c, other := s.Dial(s.Config(1)), s.Dial(s.Config(2))
		k := initiator.Command{CDB: write(0, 512<<10, transporttest.Lend), Out: make([]byte, 512<<10)}
		_ = c.Submit(&k)
		if r, err := c.Manage(f, 0, nil); err != nil || r != pdu.TMFComplete {
			t.Fatal(f, r, err)
		}
		for {
			if _, err := c.Receive(); err != nil {
				break
			}
		}
		_, err := other.Ping(nil)
		if f == pdu.TMFNexusReset && err != nil || f == pdu.TMFTargetColdReset && err == nil {
			t.Fatal(f, err)
		}
		other.Close()
		transporttest.Eventually(t, "the sessions have ended", func() bool { return len(s.Node.Sessions()) == 0 })
	}
	if n := s.Units[0].Events[2].Load(); n != 1 {
		t.Errorf("%d nexus resets", n)
	}
}

// TestResetsAreRefused: where nobody may reset the target, everybody's sessions and tasks stay.
func TestResetsAreRefused(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, func(x *iscsi.Target) { x.Reset = false })
	c, other := s.Dial(s.Config(1)), s.Dial(s.Config(2))
	k := initiator.Command{CDB: read(0, 4096, transporttest.Hold), In: make([]byte, 4096)}
	if err := errors.Join(other.Submit(&k), other.Flush()); err != nil {
		t.Fatal(err)
	}
	transporttest.Eventually(t, "the command is there", func() bool { return s.Units[0].Held.Load() > 0 })
	for _, f := range []pdu.TMFFunction{pdu.TMFTargetWarmReset, pdu.TMFTargetColdReset} {
		if r, err := c.Manage(f, 0, nil); err != nil || r != pdu.TMFAuthorizationFailed {
			t.Error(f, r, err)
		}
	}
	if r, err := c.Manage(pdu.TMFLUNReset, lun1, nil); err != nil || r != pdu.TMFComplete {
		t.Error("a reset of a unit:", r, err)
	}
	if _, err := c.Ping(nil); err != nil {
		t.Error(err)
	}
	s.Units[0].Release()
	if err := other.Finish(&k); err != nil {
		t.Error("the command of the other:", err)
	}
}

// TestAbortInSendQueue aborts reads whose data waits for an initiator that does not receive.
func TestAbortInSendQueue(t *testing.T) {
	s := transporttest.StartISCSI(t, iscsi.Config{}, nil)
	for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Pieces, transporttest.Lease} {
		p := login(t, s, s.Config(1))
		for i := range uint32(20) {
			p.command(i, read(0, 4<<20, way), 4<<20, true, nil)
		}
		transporttest.Eventually(t, "data is queued", func() bool {
			for _, i := range s.Node.Sessions() {
				for _, c := range i.Connections {
					if c.Stats.BytesQueued > 3<<20 {
						return true
					}
				}
			}
			return false
		})
		var h pdu.BHS
		pdu.TMFRequest{Immediate: true, Function: pdu.TMFLUNReset, ITT: 99, ReferencedTaskTag: pdu.NoTag}.Put(&h)
		p.send(&h, nil)
		next := map[uint32]uint32{} // every command ends, or says nothing after the answer
		for done := false; !done; {
			r := p.receive()
			switch r.Opcode() {
			case pdu.OpTMFResponse:
				done = true
			case pdu.OpDataIn:
				x, err := pdu.ParseDataIn(&r.BHS)
				if err != nil || x.DataSN != next[x.ITT] {
					t.Fatal(err, x.DataSN, next[x.ITT])
				}
				next[x.ITT]++
			default:
				t.Fatal(r.Opcode())
			}
		}
		p.alive()
		p.Close()
	}
}
