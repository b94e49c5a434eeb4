package virtio_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// TestComesBack: the back-end goes away under load and comes back, several times, and no command fails or is lost.
func TestComesBack(t *testing.T) {
	for name, cfg := range map[string]initiator.Config{"split": {Queues: 2}, "packed": {Queues: 2, Packed: true}} {
		t.Run(name, func(t *testing.T) {
			h := serve(t)
			cfg.Reconnect = true
			c := dial(t, h, cfg)
			ready(t, c)
			stop := make(chan struct{})
			var all sync.WaitGroup
			for worker := range 6 {
				all.Go(func() { load(t, c, worker, stop) })
			}
			for want := 1; want <= 3; want++ {
				time.Sleep(10 * time.Millisecond) // some load, however much that is
				h.close(t)
				h.listen(t)
				for c.Again() < want {
					time.Sleep(time.Millisecond)
				}
			}
			close(stop)
			all.Wait()
		})
	}
}

// load writes and reads places of its own until stop. The unit attention of a back-end that has just come is no failure.
func load(t *testing.T, c *initiator.Conn, worker int, stop <-chan struct{}) {
	out, in := make([]byte, 4096), make([]byte, 4096)
	k := &initiator.Command{Queue: worker % len(c.Queues())}
	for round := 0; ; round++ {
		select {
		case <-stop:
			return
		default:
		}
		for i := range out {
			out[i] = byte(worker + round + i)
		}
		at := worker*64 + round%8*8
		for _, x := range []struct {
			cdb     []byte
			out, in []byte
		}{{write(at, 8), out, nil}, {read(at, 8), nil, in}} {
			for {
				k.CDB, k.Out, k.In, k.ID = x.cdb, x.out, x.in, 0
				err := doGood(c, k)
				if k.Sense.Key == scsi.KeyUnitAttention || errors.Is(err, initiator.ErrReset) {
					continue
				}
				if err != nil {
					t.Errorf("worker %d, round %d: %v", worker, round, err)
					return
				}
				break
			}
		}
		if !bytes.Equal(in, out) {
			t.Errorf("worker %d, round %d: other data", worker, round)
			return
		}
	}
}

// TestReset: a driver's life ends with the next one's beginning, under load, and what was open ends with an error that says so.
func TestReset(t *testing.T) {
	for name, cfg := range map[string]initiator.Config{"split": {Queues: 2}, "packed": {Queues: 2, Packed: true, Direct: true, Depth: 8}} {
		t.Run(name, func(t *testing.T) {
			h := serve(t)
			c := dial(t, h, cfg)
			ready(t, c)
			stop := make(chan struct{})
			var all sync.WaitGroup
			for worker := range 4 {
				all.Go(func() { load(t, c, worker, stop) })
			}
			for range 5 {
				must(t, c.Reset())
			}
			close(stop)
			all.Wait()
			must(t, c.Do(&initiator.Command{CDB: cdb.AppendTestUnitReady(nil)}))
			if _, err := c.Manage(iu.UnitReset, 0, 0, 0); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestGone: without Reconnect what is open ends when the back-end goes, and so does all that comes.
func TestGone(t *testing.T) {
	h := serve(t)
	c := dial(t, h, initiator.Config{})
	ready(t, c)
	h.close(t)
	<-c.Gone()
	if err := c.Do(&initiator.Command{CDB: cdb.AppendTestUnitReady(nil)}); !errors.Is(err, initiator.ErrClosed) {
		t.Error(err)
	}
	if _, err := c.Manage(iu.UnitReset, 0, 0, 0); !errors.Is(err, initiator.ErrClosed) {
		t.Error(err)
	}
	h.listen(t)
}

// TestManage: task management, and what hosts say of units and targets that are not there.
func TestManage(t *testing.T) {
	h := serve(t)
	c := dial(t, h, initiator.Config{})
	ready(t, c)
	for _, x := range []struct {
		f      iu.Function
		target uint8
		lun    scsi.LUN
		want   iu.Code
	}{
		{iu.UnitReset, 0, 0, iu.CodeOK}, {iu.AbortTaskSet, 0, 0, iu.CodeOK}, {iu.UnitReset, 7, 0, iu.CodeBadTarget}, {iu.UnitReset, 0, 5 << 48, iu.CodeIncorrectLUN},
		{iu.Function(99), 0, 0, iu.CodeRejected},
	} {
		if got, err := c.Manage(x.f, x.target, x.lun, 1); got != x.want || err != nil {
			t.Errorf("%v of %d/%v: %v, %v, want %v", x.f, x.target, x.lun, got, err, x.want)
		}
	}
	if n, err := c.Notify(iu.Notification{Address: iu.UnitAddress(0, 0), Events: 2}); n.Events != 0 || err != nil {
		t.Errorf("%+v, %v", n, err)
	}
	k := &initiator.Command{Target: 9, CDB: cdb.AppendTestUnitReady(nil)}
	var code *initiator.CodeError
	if err := c.Do(k); !errors.As(err, &code) || code.Code != iu.CodeBadTarget {
		t.Error(err)
	}
	k = &initiator.Command{CDB: cdb.AppendTestUnitReady(nil)}
	if err := c.Do(k); err != nil || k.Sense.Key != scsi.KeyUnitAttention { // of the reset
		t.Errorf("%v, %v", err, k.Sense)
	}
}

// TestEvents: targets and units that come and go are told.
func TestEvents(t *testing.T) {
	h := serve(t)
	told := make(chan iu.Event, 100)
	dial(t, h, initiator.Config{Events: func(e iu.Event) { told <- e }})
	other, err := target.NewTarget("iqn.2026-11.io.lunette:other", target.Mapping{LUN: 0, Unit: h.unit})
	must(t, err)
	must(t, h.node.TakeTarget(virtio.Target{SCSI: other, Number: 3}))
	await(t, told, 3, iu.ResetRescan)
	done := make(chan struct{})
	must(t, h.node.RemoveTarget(other.Name, func() { close(done) }))
	<-done
	await(t, told, 3, iu.ResetRemoved)
}

// await waits for an event of a target.
func await(t *testing.T, told <-chan iu.Event, number uint8, reason uint32) {
	t.Helper()
	late := time.After(time.Minute) // it would be never
	for {
		select {
		case e := <-told:
			if n, _, ok := e.Address.Unit(); ok && n == number && e.Kind == iu.EventTransportReset && e.Reason == reason {
				return
			}
		case <-late:
			t.Fatalf("no event about target %d with reason %d", number, reason)
		}
	}
}

// TestOneAtATime: a second monitor is told why it cannot be.
func TestOneAtATime(t *testing.T) {
	h := serve(t)
	c := dial(t, h, initiator.Config{})
	ready(t, c)
	if x, err := initiator.Dial(t.Context(), h.path, initiator.Config{}); !errors.Is(err, initiator.ErrClosed) {
		t.Errorf("%v, %v", x, err)
	}
	ready(t, c)
}

// TestRoom: a manual connection says that a queue is full; another waits for room.
func TestRoom(t *testing.T) {
	h := serve(t)
	c := dial(t, h, initiator.Config{Depth: 2, Manual: true})
	ready(t, c)
	q := c.Queues()[0]
	var all [3]initiator.Command
	for i := range all {
		all[i].CDB = cdb.AppendTestUnitReady(nil)
		if err := q.Submit(&all[i]); (err != nil) != (i == 2) || err != nil && !errors.Is(err, initiator.ErrFull) {
			t.Fatal(i, err)
		}
	}
	for open := 2; open > 0; {
		done, err := q.Wait(0)
		must(t, err)
		open -= len(done)
	}
	if done, err := q.Wait(time.Microsecond); len(done) > 0 || err != nil {
		t.Errorf("%d, %v", len(done), err)
	}
}
