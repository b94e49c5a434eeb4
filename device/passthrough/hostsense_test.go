package passthrough

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Nothing that the host says instead of the device is GOOD, and nothing that may have been executed is BUSY.
func TestHostVerdicts(t *testing.T) {
	for h := 1; h < 256; h++ {
		v := hostVerdict(&sg.Result{Host: sg.HostStatus(h)})
		switch v.status {
		case scsi.CheckCondition:
			if v.sense.Key == scsi.KeyNoSense || v.sense.Key == scsi.KeyRecoveredError {
				t.Errorf("%v: %v", sg.HostStatus(h), v.sense)
			}
		case scsi.Busy:
			switch sg.HostStatus(h) {
			case sg.HostBusBusy, sg.HostImmediateRetry, sg.HostRequeue:
			default:
				t.Errorf("%v: BUSY", sg.HostStatus(h))
			}
		case scsi.ReservationConflict:
		default:
			t.Errorf("%v: %v", sg.HostStatus(h), v.status)
		}
	}
	for _, err := range []error{sg.ErrGone, sg.ErrPrivilege, unix.ENOMEM, unix.EDOM, unix.EINVAL, unix.EIO, unix.ENODEV, errors.New("something")} {
		if v := hostVerdict(&sg.Result{Err: fmt.Errorf("wrapped: %w", err)}); v.status == scsi.Good || v.status == scsi.CheckCondition && v.sense.Key == scsi.KeyNoSense {
			t.Errorf("%v: %+v", err, v)
		}
	}
	for h, want := range map[sg.HostStatus]scsi.Sense{
		sg.HostNoConnect:          scsi.NotReady(scsi.ASCBecomingReady),
		sg.HostBadTarget:          scsi.NotReady(scsi.ASCBecomingReady),
		sg.HostTimeOut:            scsi.AbortedCommand(0x2e02),
		sg.HostParity:             scsi.AbortedCommand(0x4703),
		sg.HostTransportDisrupted: scsi.AbortedCommand(0x4b00),
		sg.HostError:              scsi.AbortedCommand(0x4400),
		0x7f:                      scsi.NewSense(scsi.KeyHardwareError, 0x4400),
	} {
		if got := hostVerdict(&sg.Result{Host: h}).sense; got != want {
			t.Errorf("%v: %v, want %v", h, got, want)
		}
	}
}

// The initiator hears it, the counters have it, and the command was sent once.
func TestHostSays(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	s := b.login(1, loopback.Options{})
	for _, h := range []sg.HostStatus{sg.HostTimeOut, sg.HostError, sg.HostParity, sg.HostBusBusy, 0x77} {
		k.Forget()
		k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpWrite10), Times: 1, Host: h, Residual: func(int64) int64 { return 0 }})
		r := b.do(s, rw(scsi.OpWrite10, 0, 1), make([]byte, 512), 0)
		if want := hostVerdict(&sg.Result{Host: h}); r.Status != want.status || r.sense() != want.sense {
			t.Errorf("%v: %v %v", h, r.Status, r.sense())
		}
		if n := len(k.Log(sgtest.Op(scsi.OpWrite10))); n != 1 {
			t.Errorf("%v: sent %d times", h, n)
		}
	}
	st := b.u.Status()
	if st.Failed[sg.HostTimeOut] != 1 || st.Failed[sg.HostBusBusy] != 1 || st.Failed[0x1f] != 1 || st.Failed[sg.HostNoConnect] != 0 {
		t.Errorf("%+v", st.Failed)
	}
	for _, err := range []error{unix.ENOMEM, unix.EINVAL, sg.ErrPrivilege, errors.New("other")} {
		k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Times: 1, Err: err})
		r := b.do(s, rw(scsi.OpRead10, 0, 1), nil, 512)
		if want := hostVerdict(&sg.Result{Err: err}); r.Status != want.status || r.sense() != want.sense || len(r.data) != 0 {
			t.Errorf("%v: %v %v", err, r.Status, r.sense())
		}
	}
	// An adapter that has no such long CDBs.
	for _, c := range [][]byte{long(32, 0x7f, 0, 0, 0, 0, 0, 0, 24, 0, 9), long(16, 0x88)} {
		k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.Opcode(c[0])), Times: 1, Host: sg.HostAbort})
		want := scsi.InvalidOpcode()
		if len(c) == 16 {
			want = scsi.AbortedCommand(scsi.ASCNoAdditionalSense)
		}
		b.fails(s, c, nil, 512, want)
	}
	// CHECK CONDITION without sense is no answer.
	k.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10), Times: 1, Edit: func(c *sg.Command) {
		c.Result = sg.Result{Status: scsi.CheckCondition}
	}})
	b.fails(s, rw(scsi.OpRead10, 0, 1), nil, 512, scsi.AbortedCommand(scsi.ASCInternalTargetFailure))
}
