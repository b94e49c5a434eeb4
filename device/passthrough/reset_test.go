package passthrough

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// manage starts a task management function.
func manage(s *loopback.Session, f target.Function, tag uint64) <-chan target.FunctionResult {
	done := make(chan target.FunctionResult, 1)
	s.Nexus.Manage(f, 0, tag, func(r target.FunctionResult) { done <- r })
	return done
}

// An aborted command gets no response, and its end is waited for.
func TestAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpWrite10))
		p := s.Start(loopback.Command{CDB: rw(scsi.OpWrite10, 0, 1), Out: pattern(512, 1), Tag: 7})
		gate.Wait(1)
		done := manage(s, target.AbortTask, 7)
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("the function has ended before the command")
		default:
		}
		if st := b.u.Status(); st.UnderWay != 1 || st.Abandoned != 1 {
			t.Errorf("%+v", st)
		}
		gate.Open()
		if got := <-done; got != target.FunctionComplete {
			t.Errorf("%v", got)
		}
		if got := outcome(p); got != -1 {
			t.Errorf("status %d", got)
		}
		synctest.Wait()
		if st := b.u.Status(); st.UnderWay != 0 || st.Abandoned != 0 {
			t.Errorf("%+v", st)
		}
		if n := len(k.Log(sgtest.Op(scsi.OpWrite10))); n != 1 {
			t.Errorf("sent %d times", n)
		}
		b.close()
	})
}

// A unit attention that an aborted command has met is not lost.
func TestAttentionOfAborted(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	gate := k.NewGate()
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Times: 1, Gate: gate})
	p := s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512), Tag: 7})
	gate.Wait(1)
	k.Attention(scsi.ASCMediumMayHaveChanged)
	done := manage(s, target.AbortTask, 7)
	gate.Open()
	<-done
	if got := outcome(p); got != -1 {
		t.Errorf("status %d", got)
	}
	if got := b.calm(s); !slices.Equal(got, []scsi.ASC{scsi.ASCMediumMayHaveChanged}) {
		t.Errorf("unit attentions %v", got)
	}
}

// LOGICAL UNIT RESET resets the device, so that what it had ends; everybody is told once.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{Depth: 2})
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		for _, f := range []target.Function{target.ResetLogicalUnit, target.ResetTarget} {
			before := k.Resets()
			k.Hold(sgtest.Op(scsi.OpRead10))
			var all []loopback.Pending
			for i := range 8 {
				all = append(all, []*loopback.Session{s, other}[i%2].Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512)}))
			}
			synctest.Wait()
			if got := <-manage(s, f, 0); got != target.FunctionComplete {
				t.Errorf("%v: %v", f, got)
			}
			if n := k.Resets() - before; n != 1 {
				t.Errorf("%v: %d resets", f, n)
			}
			for _, p := range all {
				if got := outcome(p); got != -1 {
					t.Errorf("%v: status %d", f, got)
				}
			}
			for _, x := range []*loopback.Session{s, other} {
				if got := b.calm(x); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
					t.Errorf("%v: unit attentions %v", f, got)
				}
			}
		}
		b.close()
	})
}

// Who comes while the device is reset waits, and meets nothing of it but the unit attention.
func TestCommandsDuringReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		k.OnReset(func() error { time.Sleep(5 * time.Second); return nil })
		k.Forget()
		done := manage(s, target.ResetLogicalUnit, 0)
		again := manage(other, target.ResetLogicalUnit, 0)
		synctest.Wait()
		p := other.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512)})
		time.Sleep(time.Second)
		if n := len(k.Log(nil)); n != 0 {
			t.Errorf("%d commands while it is reset", n)
		}
		<-done
		<-again
		// It is told before its command is done: a tape is somewhere else now.
		if r, err := p.Wait(t.Context()); err != nil || r.Status != scsi.CheckCondition || r.Sense != scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset) {
			t.Errorf("%+v %v", r, err)
		}
		if n := len(k.Log(sgtest.Op(scsi.OpRead10))); n != 0 {
			t.Error("the device has got the command")
		}
		if got := b.calm(other); len(got) != 0 {
			t.Errorf("unit attentions %v", got)
		}
		b.good(other, rw(scsi.OpRead10, 0, 1), nil, 512)
		b.close()
	})
}

// Who comes while the device is reset is told of it also if a task of another initiator has not ended yet.
func TestToldOfResetAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		k.OnReset(func() error { time.Sleep(time.Second); return nil })
		done := make(chan struct{})
		b.u.Resetting(func() { close(done) })
		synctest.Wait()
		p := s.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, 512), Out: make([]byte, 512)})
		<-done
		if r, err := p.Wait(t.Context()); err != nil || r.Sense != scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset) {
			t.Errorf("%+v %v", r, err)
		}
		if n := len(k.Objects()); n != 0 {
			t.Error("it was written")
		}
		b.close()
	})
}

// A host that does not let us reset its device: the commands are waited for.
func TestResetWithoutPrivilege(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		k.OnReset(func() error { return sg.ErrPrivilege })
		gate := k.Hold(sgtest.Op(scsi.OpRead10))
		for range 3 {
			gate.Shut()
			p := s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 1), In: make([]byte, 512)})
			gate.Wait(1)
			done := manage(s, target.ResetLogicalUnit, 0)
			synctest.Wait()
			select {
			case <-done:
				t.Fatal("the reset has ended before the command")
			default:
			}
			gate.Open()
			<-done
			if got := outcome(p); got != -1 {
				t.Errorf("status %d", got)
			}
			if got := b.calm(s); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
				t.Errorf("unit attentions %v", got)
			}
		}
		k.OnReset(func() error { return errors.New("it does not answer") })
		<-manage(s, target.ResetLogicalUnit, 0)
		if n := b.log.count("CAP_SYS_ADMIN"); n != 1 {
			t.Errorf("told %d times", n)
		}
		if b.log.count("it does not answer") != 1 {
			t.Error("nobody says why")
		}
		b.close()
	})
}

// A reset that comes from elsewhere on this host is everybody's: who had a command there has it as the answer, all others have it pending.
func TestHostReset(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
	k.Fault(hostSays(sg.HostReset, scsi.OpRead10))
	k.Attention(scsi.ASCBusDeviceResetFunctionOccurred)
	k.Quieten()
	b.fails(s, rw(scsi.OpRead10, 0, 1), nil, 512, scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset))
	if got := b.calm(s); got != nil {
		t.Errorf("told twice: %v", got)
	}
	if got := b.calm(other); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
		t.Errorf("the other is told %v", got)
	}
}

// A command that waits while the blocks of the medium become larger ones has as much memory as it needs then, or is not sent.
func TestBlocksChangeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewDisk(sgtest.Config{}, 1000, 512)
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		for _, size := range []int{4096, 512} {
			k.OnReset(func() error {
				time.Sleep(time.Second)
				k.Resize(1000, size)
				return nil
			})
			was := 4096 + 512 - size
			done := manage(s, target.ResetLogicalUnit, 0)
			synctest.Wait()
			k.Forget()
			told := []loopback.Pending{s.Start(loopback.Command{CDB: cdb.AppendTestUnitReady(nil)}), s.Start(loopback.Command{CDB: cdb.AppendTestUnitReady(nil)})}
			read := s.Start(loopback.Command{CDB: rw(scsi.OpRead10, 0, 2), In: make([]byte, 2*size)})
			write := s.Start(loopback.Command{CDB: rw(scsi.OpWrite10, 0, 2), Out: make([]byte, 2*was)})
			<-done
			for i, want := range []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset, scsi.ASCCapacityDataChanged} {
				if r, err := told[i].Wait(t.Context()); err != nil || r.Sense != scsi.UnitAttention(want) {
					t.Errorf("%+v %v", r, err)
				}
			}
			if r, err := read.Wait(t.Context()); err != nil || r.Status != scsi.Good || r.Residual != 0 || r.In != int64(2*size) {
				t.Errorf("%+v %v", r, err)
			}
			r, err := write.Wait(t.Context())
			switch {
			case err != nil:
				t.Error(err)
			case size > was && r.Sense != scsi.IllegalRequest(scsi.ASCInvalidFieldInCommandIU):
				t.Errorf("%+v", r)
			case size < was && (r.Status != scsi.Good || r.Residual != int64(2*(was-size))):
				t.Errorf("%+v", r)
			}
			for _, e := range k.Log(sgtest.Op(scsi.OpRead10, scsi.OpWrite10)) {
				if e.Data != 2*size {
					t.Errorf("%v has %d bytes", e.Op(), e.Data)
				}
			}
			b.calm(s)
		}
		b.close()
	})
}

// An aborted command that moves a tape is not waited for without an end. Nothing that moves the tape passes it; and when it has ended others go on.
func TestOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		k.OnReset(func() error { return sg.ErrPrivilege })
		s, other := b.login(1, loopback.Options{}), b.login(2, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpWrite6))
		for i, f := range []target.Function{target.AbortTask, target.AbortTaskSet, target.ResetLogicalUnit} {
			gate.Shut()
			block := pattern(1000+i, byte(i))
			p := s.Start(loopback.Command{CDB: rw6(scsi.OpWrite6, len(block)), Out: block, Tag: 7})
			gate.Wait(1)
			begin := time.Now()
			if got := <-manage(s, f, 7); got != target.FunctionComplete || time.Since(begin) != Grace {
				t.Errorf("%v: %v after %v", f, got, time.Since(begin))
			}
			if got := outcome(p); got != -1 {
				t.Errorf("status %d", got)
			}
			if st := b.u.Status(); st.UnderWay != 1 || st.Abandoned != 1 {
				t.Errorf("%+v", st)
			}
			b.calm(s)
			b.calm(other) // TEST UNIT READY passes it
			marks := other.Start(loopback.Command{CDB: []byte{byte(scsi.OpWriteFilemarks6), 0, 0, 0, 1, 0}})
			synctest.Wait()
			if n := len(k.Objects()); n != 2*i {
				t.Errorf("%d objects: something has passed", n)
			}
			gate.Open()
			if got := outcome(marks); got != 0 {
				t.Errorf("status %d", got)
			}
			if all := k.Objects(); len(all) != 2*i+2 || !bytes.Equal(all[2*i].Data, block) {
				t.Errorf("%d objects", len(all))
			}
			synctest.Wait()
			if st := b.u.Status(); st.UnderWay != 0 || st.Abandoned != 0 {
				t.Errorf("%+v", st)
			}
		}
		b.close()
	})
}

// A unit is closed while the device goes on with a command whose initiator has gone.
func TestCloseWithOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := sgtest.NewTape(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpErase6))
		s.Start(loopback.Command{CDB: []byte{byte(scsi.OpErase6), 1, 0, 0, 0, 0}})
		gate.Wait(1)
		begin := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		b.all = nil
		if err := b.unit.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(begin); d != 2*Grace {
			t.Errorf("closed after %v", d)
		}
		gate.Open()
		synctest.Wait()
		b.closeRest()
	})
}

// A reset does not wait for what the attendant asks, which may wait in the kernel for a command that only the reset ends.
func TestResetPassesTheAttendant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := disk(sgtest.Config{})
		b := newBench(t, k.Device, Config{})
		defer b.close()
		s := b.login(1, loopback.Options{})
		gate := k.Hold(sgtest.Op(scsi.OpTestUnitReady))
		b.source.Tell()
		gate.Wait(1)
		k.OnReset(func() error { gate.Open(); return nil })
		if got := <-manage(s, target.ResetLogicalUnit, 0); got != target.FunctionComplete || k.Resets() != 1 {
			t.Errorf("%v, %d resets", got, k.Resets())
		}
		if got := b.calm(s); !slices.Equal(got, []scsi.ASC{scsi.ASCPowerOnResetOrBusDeviceReset}) {
			t.Errorf("unit attentions %v", got)
		}
		b.close()
	})
}
