package passthrough

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// TestEverything lets initiators send commands while everything happens to the device and to the tasks at any moment: aborts, resets, lost nexuses, what hosts say,
// unit attentions, the device's going and coming. Each command comes to its device once at the most, each task is answered once or aborted, what is answered with
// GOOD was done, nothing is lent for good, and in the end all is well. (What the device, the transport and the arena check is in the bench.)
func TestEverything(t *testing.T) {
	for name, cfg := range map[string]sgtest.Config{"threads": {}, "inline": {Inline: true}, "one by one": {Info: sg.Info{Depth: 1}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { newStorm(t, disk(cfg).Device).run() })
		})
	}
}

// stormLasts is how long, by a clock that stands while anybody has something to do.
const stormLasts = 40 * time.Second

// A storm is what happens in TestEverything. Each worker writes blocks of its own, each time with another number in them.
type storm struct {
	*bench
	begin    time.Time
	ended    atomic.Bool
	sessions [4]atomic.Pointer[loopback.Session]
	tags     [4]atomic.Uint64 // of the last task of each
	locks    [4]chan struct{} // who has put something in may use the session: a lock for which the clock goes on

	answered, aborted, good atomic.Int64
}

func newStorm(t *testing.T, k *sgtest.Device) *storm {
	s := &storm{bench: newBench(t, k, Config{}), begin: time.Now()}
	for i := range s.sessions {
		s.locks[i] = make(chan struct{}, 1)
		s.enter(i)
	}
	return s
}

// enter logs in.
func (s *storm) enter(i int) {
	opt := []loopback.Options{{}, {First: -1}, {Later: true, Piece: 700}, {First: 512, Later: true}}[i]
	opt.Arena = s.arena
	name := fmt.Sprintf("iqn.host%d", i)
	s.sessions[i].Store(loopback.Login(s.port, target.Initiator{Name: name, Port: scsi.ISCSIPort(name, [6]byte{5: byte(i)})}, opt))
}

// loser lets initiators lose their nexuses, and come back.
func (s *storm) loser() {
	r := rand.New(rand.NewPCG(4, 4))
	for !s.ended.Load() {
		time.Sleep(time.Duration(r.IntN(2000)) * time.Millisecond)
		i := r.IntN(len(s.sessions))
		s.locks[i] <- struct{}{}
		if err := s.sessions[i].Load().Close(); err != nil {
			s.Error(err)
		}
		s.enter(i)
		<-s.locks[i]
	}
}

func (s *storm) run() {
	var workers, weather sync.WaitGroup
	for w := range 8 {
		workers.Go(func() { s.worker(w) })
	}
	for _, f := range []func(){s.manager, s.faults, s.plugger, s.loser} {
		weather.Go(f)
	}
	workers.Wait()
	s.ended.Store(true)
	weather.Wait()
	s.dev.Plug()
	time.Sleep(2 * lookAgainMost)
	if !s.u.Status().Present {
		s.Fatal("the device is not found again")
	}
	for i := range s.sessions {
		x := s.sessions[i].Load()
		s.all = append(s.all, x)
		s.calm(x)
		s.good1(x)
	}
	s.Logf("%d answered, %d of them GOOD, %d aborted; %+v", s.answered.Load(), s.good.Load(), s.aborted.Load(), s.u.Status())
	if sent := int64(len(s.dev.Log(sgtest.Op(scsi.OpRead10, scsi.OpWrite10)))) - int64(2*len(s.sessions)); sent < s.good.Load() || sent > s.answered.Load()+s.aborted.Load() {
		s.Errorf("%d commands have come to the device", sent)
	}
	if s.good.Load() == 0 || s.aborted.Load() == 0 {
		s.Error("too little has happened")
	}
}

// good1 writes and reads a block when all is over.
func (s *storm) good1(x *loopback.Session) {
	s.bench.good(x, rw(scsi.OpWrite10, 0, 1), pattern(512, 1), 0)
	if !bytes.Equal(s.bench.good(x, rw(scsi.OpRead10, 0, 1), nil, 512), pattern(512, 1)) {
		s.Error("what was written is not there")
	}
}

// worker writes its blocks and reads them again. What a WRITE that was not answered with GOOD has left there is the former or the later.
func (s *storm) worker(w int) {
	r := rand.New(rand.NewPCG(uint64(w), 7))
	lba, blocks := uint32(3000*w), 1+r.IntN(64)
	if w >= 6 {
		blocks = 2200 // more than a piece
	}
	x := w % len(s.sessions)
	may := map[uint64]bool{0: true}
	pause := 150
	if w >= 6 {
		pause = 3000
	}
	for n := uint64(1); time.Since(s.begin) < stormLasts; n++ {
		time.Sleep(time.Duration(r.IntN(pause)) * time.Millisecond)
		data := bytes.Repeat(binary.BigEndian.AppendUint64(nil, n), blocks*64)
		status := s.one(x, loopback.Command{CDB: rw(scsi.OpWrite10, lba, blocks), Out: data})
		if status == int(scsi.Good) {
			may = map[uint64]bool{n: true}
		} else {
			may[n] = true
		}
		in := make([]byte, blocks*512)
		if s.one(x, loopback.Command{CDB: rw(scsi.OpRead10, lba, blocks), In: in}) != int(scsi.Good) {
			continue
		}
		for i := 0; i < len(in); i += 512 {
			if got := binary.BigEndian.Uint64(in[i:]); !may[got] {
				s.Errorf("worker %d has read %d at %d, which is not what it has written", w, got, i)
				break
			}
		}
	}
}

// one runs a command, and returns its status, or -1 if it was aborted.
func (s *storm) one(x int, c loopback.Command) int {
	s.locks[x] <- struct{}{}
	p := s.sessions[x].Load().Start(c)
	s.tags[x].Store(p.Tag())
	<-s.locks[x]
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	r, err := p.Wait(ctx)
	switch {
	case ctx.Err() != nil:
		s.Error("a task has not ended")
		return -1
	case errors.Is(err, loopback.ErrDropped):
		s.aborted.Add(1)
		return -1
	case err != nil:
		s.Errorf("%v", err)
		return -1
	}
	s.answered.Add(1)
	if r.Status == scsi.Good {
		s.good.Add(1)
		if r.Residual != 0 {
			s.Errorf("%x: GOOD, residual %d", c.CDB, r.Residual)
		}
	}
	return int(r.Status)
}

// manager aborts and resets.
func (s *storm) manager() {
	r := rand.New(rand.NewPCG(1, 1))
	for !s.ended.Load() {
		i := r.IntN(len(s.sessions))
		f := []target.Function{
			target.AbortTaskSet, target.ClearTaskSet, target.ResetLogicalUnit, target.ResetTarget, target.ResetNexus, target.AbortTask,
		}[min(r.IntN(60), 5)]
		s.locks[i] <- struct{}{}
		x := s.sessions[i].Load()
		done := make(chan target.FunctionResult, 1)
		x.Nexus.Manage(f, 0, s.tags[i].Load(), func(got target.FunctionResult) { done <- got })
		<-s.locks[i]
		select {
		case <-done:
		case <-time.After(time.Minute):
			s.Errorf("function %d has not ended", f)
			return
		}
		time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
	}
}

// faults lets hosts and devices say things.
func (s *storm) faults() {
	r := rand.New(rand.NewPCG(2, 2))
	for !s.ended.Load() {
		var remove func()
		switch r.IntN(6) {
		case 0:
			s.dev.Attention([]scsi.ASC{scsi.ASCMediumMayHaveChanged, scsi.ASCCapacityDataChanged, scsi.ASCPowerOnOccurred, scsi.ASCModeParametersChanged}[r.IntN(4)])
		case 1, 2:
			h := []sg.HostStatus{sg.HostTimeOut, sg.HostReset, sg.HostError, sg.HostBusBusy, sg.HostAbort}[r.IntN(5)]
			if r.IntN(50) == 0 {
				h = sg.HostNoConnect
			}
			remove = s.dev.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10, scsi.OpWrite10), Times: 1, Host: h, Executed: r.IntN(2) == 0, Residual: func(right int64) int64 { return right - 7 }})
		case 3:
			remove = s.dev.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10, scsi.OpWrite10), Times: 1, Status: scsi.Busy})
		default:
			gate := s.dev.NewGate()
			remove = s.dev.Fault(sgtest.Fault{Match: sgtest.Op(scsi.OpRead10, scsi.OpWrite10), Times: r.IntN(4), Gate: gate, Late: r.IntN(2) == 0})
			time.Sleep(time.Duration(r.IntN(60)) * time.Millisecond)
			gate.Open()
		}
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
		if remove != nil {
			remove()
		}
	}
}

// plugger takes the device out and puts it in again.
func (s *storm) plugger() {
	r := rand.New(rand.NewPCG(3, 3))
	for !s.ended.Load() {
		time.Sleep(time.Duration(r.IntN(20)) * time.Second)
		s.dev.Unplug()
		time.Sleep(time.Duration(r.IntN(2)) * time.Second)
		s.dev.Plug()
	}
}
