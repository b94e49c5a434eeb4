package bridge

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A storm is what happens to a device that many initiators use: each command has a block of its own, so that the log of the device says which of them came to it.
type storm struct {
	*scene
	next   atomic.Uint32 // block
	resets atomic.Int64

	mu    sync.Mutex
	good  map[uint32]bool // blocks whose command ended with GOOD: whether it was a WRITE; guarded by mu
	ended map[string]int  // commands, by how they have ended; guarded by mu
}

// note notes how the command of a block has ended.
func (s *storm) note(k *initiator.Command, how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended[how]++
	if how == "GOOD" {
		s.good[lbaOf(k.CDB)] = k.Out != nil
	}
}

// block is what is written to a block.
func block(lba uint32) []byte {
	b := make([]byte, 512)
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], lba*2654435761+uint32(i))
	}
	return b
}

// submits sends some commands.
func (s *storm) submits(c *initiator.Conn, r *rand.Rand) (all []*initiator.Command, err error) {
	for range 1 + r.IntN(8) {
		k := &initiator.Command{LUN: real, CDB: rw(scsi.OpRead10, s.next.Add(1), 1), In: make([]byte, 512), Attr: pdu.AttrSimple}
		if r.IntN(2) == 0 {
			k.CDB[0], k.In, k.Out = byte(scsi.OpWrite10), nil, block(lbaOf(k.CDB))
		}
		if err := c.Submit(k); err != nil {
			return all, err
		}
		all = append(all, k)
	}
	return all, c.Flush()
}

// finished takes those from all that have ended.
func (s *storm) finished(all []*initiator.Command, done []*initiator.Command) []*initiator.Command {
	for _, k := range done {
		if !slices.Contains(all, k) {
			continue // the target has said before that it is not there any more
		}
		how := k.Status.String()
		switch {
		case k.Err != nil:
			how = k.Err.Error()
		case k.Status == scsi.CheckCondition:
			how = k.Sense().Key.String()
		}
		s.note(k, how)
		all = slices.DeleteFunc(all, func(o *initiator.Command) bool { return o == k })
	}
	return all
}

// gathers waits until each command has ended: it is answered, or the target says that it is not there any more, since somebody has reset the unit.
func (s *storm) gathers(c *initiator.Conn, all []*initiator.Command) error {
	begin := time.Now()
	for len(all) > 0 {
		done, err := c.Poll()
		if all = s.finished(all, done); err != nil {
			return err
		}
		if len(all) == 0 {
			break
		}
		k := all[0]
		answer, err := c.Manage(pdu.TMFQueryTask, real, k)
		if err != nil {
			return err
		}
		done, err = c.Poll()
		if all = s.finished(all, done); err != nil {
			return err
		}
		switch {
		case answer == pdu.TMFSucceeded:
			time.Sleep(100 * time.Microsecond)
		case answer != pdu.TMFComplete:
			s.Errorf("QUERY TASK: %v", answer)
			return nil
		case slices.Contains(all, k):
			if s.resets.Load() == 0 {
				s.Errorf("a command is not there, and was never answered: %x", k.CDB)
			}
			s.note(k, "reset")
			all = all[1:]
		}
		if time.Since(begin) > hang {
			s.Errorf("%d commands have not ended", len(all))
			return nil
		}
	}
	return nil
}

// initiator is one of them: it sends commands, and takes some back.
func (s *storm) initiator(n byte, rounds int, r *rand.Rand) {
	var c *initiator.Conn
	for range rounds {
		if c == nil {
			var err error
			if c, err = s.dial(n); err != nil {
				s.Error(err)
				return
			}
		}
		all, err := s.submits(c, r)
		if err == nil {
			switch r.IntN(8) {
			case 0:
				_, err = c.Manage(pdu.TMFAbortTask, real, all[r.IntN(len(all))])
			case 1:
				_, err = c.Manage(pdu.TMFAbortTaskSet, real, nil)
			case 2:
				s.resets.Add(1)
				_, err = c.Manage(pdu.TMFLUNReset, real, nil)
			case 3: // it is gone, and comes back as who it was
				for _, k := range all {
					s.note(k, "gone")
				}
				_ = c.Close()
				c = nil
				continue
			}
		}
		if err == nil {
			err = s.gathers(c, all)
		}
		if err != nil {
			s.Error(err)
			return
		}
	}
	if c != nil {
		_ = c.Close()
	}
}

// run lets them all go, and looks at what has come of it.
func (s *storm) run(rounds int, weather func(r *rand.Rand)) {
	const seed = 11
	var initiators, other sync.WaitGroup
	for i := range byte(4) {
		initiators.Go(func() { s.initiator(10+i, rounds, rand.New(rand.NewPCG(seed, uint64(i)))) })
	}
	over := make(chan struct{})
	other.Go(func() {
		r := rand.New(rand.NewPCG(seed, 99))
		for {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(r.IntN(500)) * time.Microsecond):
				weather(r)
			}
		}
	})
	initiators.Wait()
	close(over)
	other.Wait()
}

// looks compares what the device was given with what initiators were told, when all is over.
func (s *storm) looks(d *sgtest.Disk) {
	s.eventually("nothing is under way", func() bool {
		f := s.facts()
		return says("underWay", 0)(f) && says("abandoned", 0)(f) && says("state", "present")(f)
	})
	came := make(map[uint32]int)
	for _, e := range d.Log(sgtest.Op(scsi.OpRead10, scsi.OpWrite10)) {
		if came[lbaOf(e.CDB)]++; came[lbaOf(e.CDB)] > 1 {
			s.Errorf("%x has come to the device twice", e.CDB)
		}
	}
	for lba, wrote := range s.good {
		switch {
		case came[lba] != 1:
			s.Errorf("the command of block %d was GOOD, and never came to the device", lba)
		case wrote && !bytes.Equal(d.Bytes(int(lba)*512, 512), block(lba)):
			s.Errorf("block %d is not what was written", lba)
		}
	}
	if s.ended["GOOD"] == 0 || s.ended["gone"] == 0 || s.ended[initiator.ErrAborted.Error()] == 0 {
		s.Error("too little has happened")
	}
	s.Logf("%d commands, of which %d came to the device: %v; %d resets by initiators, %d of the device", s.next.Load(), len(came), s.ended, s.resets.Load(), d.Resets())
	c := s.enter(50, real)
	s.good1(c, d, s.next.Add(1))
	_ = c.Close()
}

// good1 writes a block and reads it.
func (s *storm) good1(c *initiator.Conn, d *sgtest.Disk, lba uint32) {
	s.Helper()
	in := make([]byte, 512)
	s.scene.good(c, real, rw(scsi.OpWrite10, lba, 1), block(lba), nil)
	s.scene.good(c, real, rw(scsi.OpRead10, lba, 1), nil, in)
	if !bytes.Equal(in, block(lba)) || !bytes.Equal(d.Bytes(int(lba)*512, 512), in) {
		s.Error("what was written is not there")
	}
}

func newStorm(t *testing.T, d *sgtest.Disk) *storm {
	return &storm{scene: serve(t, newMachine(d.Device, ""), "depth: 6"), good: make(map[uint32]bool), ended: make(map[string]int)}
}

func newDisk() *sgtest.Disk {
	return sgtest.NewDisk(sgtest.Config{Identity: scsi.Identity{Serial: "S1"}}, 32<<10, 512)
}

// Aborts, resets of the unit, and initiators that go and come back, while the device holds commands: each comes to it once at the most, each is answered or
// taken back, what was GOOD was done, and nothing is left.
func TestStorm(t *testing.T) {
	d := newDisk()
	s := newStorm(t, d)
	g := d.Hold(sgtest.Op(scsi.OpRead10, scsi.OpWrite10))
	s.run(60, func(r *rand.Rand) { g.Let(r.IntN(4)) })
	g.Open()
	s.looks(d)
}

// The device goes and returns in the midst of it.
func TestStormOfPlugs(t *testing.T) {
	d := newDisk()
	s := newStorm(t, d)
	g := d.Hold(sgtest.Op(scsi.OpRead10, scsi.OpWrite10))
	plugs, away := 0, false
	s.run(60, func(r *rand.Rand) {
		g.Let(r.IntN(4))
		switch {
		case away && r.IntN(5) == 0:
			s.plug("0:0:9:0")
			away = false
			plugs++
		case !away && plugs < 6 && r.IntN(40) == 0:
			s.unplug()
			away = true
		}
	})
	if away {
		s.plug("0:0:9:0")
	}
	g.Open()
	s.looks(d)
	if plugs == 0 || s.ended[scsi.KeyNotReady.String()] == 0 {
		t.Errorf("plugged in %d times: %v", plugs, s.ended)
	}
}
