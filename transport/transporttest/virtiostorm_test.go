package transporttest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/virtio"
	"github.com/lunette-io/lunette/network/vhost"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/transporttest"
	"github.com/lunette-io/lunette/transport/virtio"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

// A virtioStorm is verified I/O at random by a driver, whatever is done to it: commands may be aborted, and no byte is wrong.
type virtioStorm struct {
	c        *initiator.Conn
	seed     uint64
	workers  int // each has blocks of its own
	commands int // of each
	most     int // blocks of the largest command
	ways     []transporttest.Way
	units    int // among which the workers are divided
	aborts   int // how many of 1000 commands are aborted

	good, failed atomic.Int64
}

// stormExtent is how many blocks a worker has.
const stormExtent = 1024

// run returns what was wrong.
func (s *virtioStorm) run() error {
	var all sync.WaitGroup
	errs := make([]error, s.workers)
	for i := range s.workers {
		all.Go(func() {
			if err := s.work(i); err != nil {
				errs[i] = fmt.Errorf("worker %d: %w", i, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func (s *virtioStorm) work(i int) error {
	r := rand.New(rand.NewPCG(s.seed, uint64(i)))
	m := transporttest.NewModel(s.seed<<8+uint64(i)+1, stormExtent)
	size := s.most * transporttest.BlockSize
	shared, err := s.c.Buffer(size)
	if err != nil {
		return err
	}
	own := make([]byte, size)
	lun, base := scsi.LUN(uint64(i%s.units)<<48), i*stormExtent
	k := &initiator.Command{LUN: lun, Queue: i % len(s.c.Queues())}
	do := func(read bool, at, n int) error {
		w := s.ways[r.IntN(len(s.ways))]
		buf := [][]byte{own, shared}[r.IntN(2)][:n*transporttest.BlockSize]
		k.In, k.Out, k.ID = nil, nil, 0
		var write uint64
		if read {
			k.CDB, k.In = transporttest.CDB10(scsi.OpRead10, uint32(base+at), uint16(n), w), buf
			clear(buf)
		} else {
			k.CDB, k.Out = transporttest.CDB10(scsi.OpWrite10, uint32(base+at), uint16(n), w), buf
			write = m.Fill(buf, at)
		}
		err := s.c.Submit(k)
		if err == nil && r.IntN(1000) < s.aborts {
			_, err = s.c.Manage(iu.AbortTask, 0, lun, k.ID)
		}
		if err == nil {
			err = s.c.Finish(k)
		}
		switch {
		case err == nil && k.Status == scsi.Good && read:
			if k.Received != len(k.In) || int(k.Written) != iu.ResponseLen+len(k.In) {
				return fmt.Errorf("%x: GOOD with %d bytes, %d written", k.CDB, k.Received, k.Written)
			}
			s.good.Add(1)
			return m.Read(k.In, at)
		case err == nil && k.Status == scsi.Good:
			s.good.Add(1)
			m.Wrote(write, at, n, k.Residual == 0)
			return nil
		case errors.Is(err, initiator.ErrAborted):
		case err == nil && k.Status == scsi.CheckCondition && (k.Sense.Key == scsi.KeyAbortedCommand || k.Sense.Key == scsi.KeyUnitAttention):
		case err == nil && (k.Status == scsi.Busy || k.Status == scsi.TaskSetFull):
		default:
			return fmt.Errorf("%x: %v, %v, %w", k.CDB, k.Status, k.Sense, err)
		}
		s.failed.Add(1)
		if !read {
			m.Wrote(write, at, n, false)
		}
		return nil
	}
	for range s.commands {
		n := 1 + r.IntN(s.most)
		if r.IntN(2) == 0 {
			n = 1 + r.IntN(min(16, s.most))
		}
		if err := do(r.IntN(2) == 0, r.IntN(stormExtent-n), n); err != nil {
			return err
		}
	}
	for at := 0; at < stormExtent; at += s.most {
		if err := do(true, at, min(s.most, stormExtent-at)); err != nil {
			return err
		}
	}
	s.c.Release(shared)
	return nil
}

// disturbances are what happens to a driver in the middle of commands. Each is done again and again.
var disturbances = map[string]struct {
	aborts int
	do     func(s *transporttest.Virtio, c, other *initiator.Conn, admin *transporttest.Elsewhere) error
}{
	"calm":   {},
	"aborts": {aborts: 200},
	"resets": {do: func(_ *transporttest.Virtio, c, other *initiator.Conn, admin *transporttest.Elsewhere) error {
		_, err := other.Manage(iu.UnitReset, 0, 0, 0)
		return err
	}},
	"resets from elsewhere": {do: func(_ *transporttest.Virtio, _, _ *initiator.Conn, admin *transporttest.Elsewhere) error {
		admin.Performs(target.ResetTarget)
		return nil
	}},
	"task sets aborted": {do: func(_ *transporttest.Virtio, c, _ *initiator.Conn, _ *transporttest.Elsewhere) error {
		_, err := c.Manage(iu.AbortTaskSet, 0, 1<<48, 0)
		return err
	}},
	"nexuses reset": {aborts: 20, do: func(_ *transporttest.Virtio, c, _ *initiator.Conn, _ *transporttest.Elsewhere) error {
		_, err := c.Manage(iu.NexusReset, 0, 0, 0)
		return err
	}},
	"queues stopped": {do: func(_ *transporttest.Virtio, c, _ *initiator.Conn, _ *transporttest.Elsewhere) error {
		return errors.Join(c.Device().Stop(), c.Device().Start())
	}},
	"memory handed over again": {do: func(_ *transporttest.Virtio, c, _ *initiator.Conn, _ *transporttest.Elsewhere) error {
		return c.Device().ShareTable()
	}},
	"sessions dropped": {do: func(s *transporttest.Virtio, c, _ *initiator.Conn, _ *transporttest.Elsewhere) error {
		for _, x := range s.Node.Sessions() {
			s.Node.Drop(x.ID)
		}
		return nil
	}},
}

// TestStormVirtio is verified I/O over all kinds of rings, with what can happen to a driver meanwhile.
func TestStormVirtio(t *testing.T) {
	for what, d := range disturbances {
		for _, way := range []string{"split", "split, nothing", "split, small segments", "packed", "packed, no tables"} {
			cfg := virtioWays[way]
			cfg.Queues = 3
			t.Run(what+", "+way, func(t *testing.T) {
				s := transporttest.StartVirtio(t, vhost.Config{}, virtio.Config{}, nil)
				c, other := s.Dial(1, cfg), s.Dial(2, initiator.Config{})
				ready(t, c)
				admin := transporttest.ComeElsewhere(t, s.Target)
				x := &virtioStorm{c: c, seed: 1, workers: 12, commands: stormCommands(), most: 256, ways: stormWays, units: 2, aborts: d.aborts}
				stop := func() {}
				if d.do != nil {
					stop = transporttest.Meanwhile(2*time.Millisecond, func() {
						if err := d.do(s, c, other, admin); err != nil {
							t.Error(err)
						}
					})
				}
				if err := x.run(); err != nil {
					t.Error(err)
				}
				stop()
				admin.Close()
				t.Logf("%d commands were GOOD, %d were not; %+v", x.good.Load(), x.failed.Load(), c.Stats())
				if d.do == nil && d.aborts == 0 && x.failed.Load() > 0 {
					t.Error("commands have failed for no reason")
				}
			})
		}
	}
}
