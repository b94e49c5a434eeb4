package iser_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/iser"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// bubble runs a test with a clock of its own, which goes on when nothing else does.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// gone waits until no session is left and everything that was lent has come back.
func gone(t *testing.T, s *transporttest.ISCSI) {
	t.Helper()
	transporttest.Eventually(t, "all is given back", func() bool {
		s.Units[0].Release()
		return len(s.Node.Sessions()) == 0 && s.Arena.Outstanding() == 0 &&
			s.Units[0].Store.Outstanding() == 0 && s.Units[0].Started.Load() == s.Units[0].Ended.Load()
	})
}

// TestLost loses connections in the middle of everything: in each kind of work of each side,
// at its begin, its middle and its end.
func TestLost(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{})
	for _, op := range []rdma.Op{rdma.Send, rdma.SendInvalidate, rdma.Write, rdma.Read} {
		for _, at := range []int64{0, 100_000, 256 << 10} {
			for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Pieces, transporttest.Half} {
				var hit atomic.Bool
				c := s.Dial(s.Config(1))
				var cmds []*initiator.Command
				for i := range 16 {
					k := &initiator.Command{CDB: read(0, 512<<10, way), In: make([]byte, 512<<10)}
					if i%2 == 0 {
						k = &initiator.Command{CDB: write(0, 512<<10, way), Out: make([]byte, 512<<10)}
					}
					cmds = append(cmds, k)
					_ = c.Submit(k)
				}
				n.Break(func(e sim.Event) sim.Fate {
					if e.Dialed || e.Op != op || e.N < 12 || !hit.CompareAndSwap(false, true) {
						return sim.Fate{}
					}
					return sim.Fate{Cut: true, At: min(at, e.Len)}
				})
				for _, k := range cmds {
					if err := c.Finish(k); err != nil {
						break
					}
				}
				n.Break(nil)
				if !hit.Load() {
					n.Cut()
				}
				_ = c.Close()
				gone(t, s)
			}
		}
	}
	good(t, s.Dial(s.Config(1)), read(0, 512, 0), nil, make([]byte, 512))
}

// TestShaken runs commands while works are late, delayed, and connections die now and then;
// what was answered with GOOD has been done.
func TestShaken(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{Unsolicited: yes}, initiator.RDMA{}, iscsi.Config{})
	for seed := range uint64(30) {
		n.Break(sim.Seeded(seed, sim.Rates{Delay: 100, Late: 100, Cut: 5, Drop: 2}))
		c, err := s.TryDial(s.Config(1))
		for i := 0; err == nil && i < 20; i++ {
			size := 512 << (i % 8)
			data, back := pattern(size, seed), make([]byte, size)
			var r *initiator.Result
			way := transporttest.Way(uint64(i) % 3)
			if r, err = c.Do(0, write(uint32(i), size, way), data, nil); err != nil {
				break
			}
			if r.Status != 0 {
				t.Fatal(r.Status, r.Sense())
			}
			if r, err = c.Do(0, read(uint32(i), size, way), nil, back); err == nil && (r.Status != 0 || !bytes.Equal(data, back)) {
				t.Fatal(seed, i, r.Status, r.Sense())
			}
		}
		n.Break(nil)
		if c != nil {
			_ = c.Close()
		}
	}
	n.Cut()
	gone(t, s)
}

// TestMute: an initiator that answers no Read is left when it has been waited for long
// enough, and its tasks end.
func TestMute(t *testing.T) { bubble(t, "", testMute) }

func testMute(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{StallTimeout: 3 * time.Second})
	n.Break(func(e sim.Event) sim.Fate { return sim.Fate{Mute: e.Op == rdma.Read} })
	c := s.Dial(s.Config(1))
	for range 40 { // more than there are Reads
		_ = c.Submit(&initiator.Command{CDB: write(0, 64<<10, transporttest.Later), Out: make([]byte, 64<<10)})
	}
	if _, err := c.Wait(); err == nil {
		t.Fatal("a write without its data has ended")
	}
	gone(t, s)
}

// TestAbort ends commands whose Reads have not been asked for, and such as are on their way
// and cannot be taken back: the answer comes when nothing moves their data any more.
func TestAbort(t *testing.T) {
	functions := []pdu.TMFFunction{
		pdu.TMFAbortTask, pdu.TMFAbortTaskSet, pdu.TMFClearTaskSet, pdu.TMFLUNReset, pdu.TMFTargetWarmReset,
	}
	for _, way := range []transporttest.Way{transporttest.Lend, transporttest.Lease, transporttest.Later, transporttest.Pieces} {
		for _, f := range functions {
			bubble(t, fmt.Sprintf("%d/%v", way, f), func(t *testing.T) {
				n := sim.New()
				s := start(t, n, iser.Options{Reads: 2}, initiator.RDMA{}, iscsi.Config{})
				// Of eight Reads two are on their way, late, and the others wait for them.
				n.Break(func(e sim.Event) sim.Fate {
					if e.Op == rdma.Read {
						return sim.Fate{Late: time.Second}
					}
					return sim.Fate{}
				})
				c := s.Dial(s.Config(1))
				cmds := make([]initiator.Command, 8)
				for i := range cmds {
					cmds[i] = initiator.Command{CDB: write(uint32(i)*1024, 512<<10, way), Out: bytes.Repeat([]byte{0xee}, 512<<10)}
					_ = c.Submit(&cmds[i])
				}
				if err := c.Flush(); err != nil {
					t.Fatal(err)
				}
				transporttest.Eventually(t, "the unit has them", func() bool { return s.Units[0].Started.Load() == 8 })
				if _, err := c.Ping(nil); err != nil { // and the mover what they ask for
					t.Fatal(err)
				}
				of := &cmds[0]
				if r, err := c.Manage(f, 0, of); err != nil || r != pdu.TMFComplete {
					t.Fatal(r, err)
				}
				if f != pdu.TMFAbortTask {
					if a, b := s.Units[0].Started.Load(), s.Units[0].Ended.Load(); a != b {
						t.Errorf("%d tasks are there after the answer", a-b)
					}
					if a, b := s.Arena.Outstanding(), s.Units[0].Store.Outstanding(); a != 0 || b != 0 {
						t.Errorf("after the answer %d bytes of the arena and %d leases are out", a, b)
					}
				}
				n.Break(nil)
				if err := c.Finish(of); err != nil || of.Err != initiator.ErrAborted {
					t.Fatal(err, of.Err)
				}
				for i := range cmds[1:] {
					k := &cmds[1+i]
					err := c.Finish(k)
					if err != nil || f == pdu.TMFAbortTask && (k.Err != nil || k.Status != 0) || f != pdu.TMFAbortTask && k.Err != initiator.ErrAborted {
						t.Fatal(i, err, k.Err, k.Status)
					}
				}
				good(t, c, read(0, 512, transporttest.Lend), nil, make([]byte, 512))
			})
		}
	}
}

// TestRemoteAccess: an initiator that takes its memory back under a command loses the
// connection, and nothing else happens.
func TestRemoteAccess(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{})
	device := n.Device()
	defer device.Close()
	for _, in := range []int{0, 4096} {
		c := s.Dial(s.Config(1))
		var gate sim.Gate
		n.Break(func(e sim.Event) sim.Fate {
			if !e.Dialed && e.Op >= rdma.Write {
				return sim.Fate{Hold: &gate}
			}
			return sim.Fate{}
		})
		k := initiator.Command{CDB: write(0, 32<<10, transporttest.Later), Out: make([]byte, 32<<10)}
		if in > 0 {
			k = initiator.Command{CDB: read(0, in, transporttest.Later), In: make([]byte, in)}
		}
		_ = c.Submit(&k)
		_ = c.Flush()
		transporttest.Eventually(t, "the unit has it", func() bool { return s.Units[0].Started.Load() > s.Units[0].Ended.Load() || in > 0 })
		c.Forget(&k)
		gate.Open()
		_, err := c.Wait()
		if !errors.Is(err, rdma.ErrAccess) && !errors.Is(err, rdma.ErrLost) {
			t.Errorf("%d bytes in: %v", in, err)
		}
		n.Break(nil)
		gone(t, s)
	}
}

// TestSlow: data-out that waits behind data-in, which the initiator takes slowly but takes, is
// not owed.
func TestSlow(t *testing.T) { bubble(t, "", testSlow) }

func testSlow(t *testing.T) {
	n := sim.New()
	s := start(t, n, iser.Options{}, initiator.RDMA{}, iscsi.Config{StallTimeout: 10 * time.Second})
	c := s.Dial(s.Config(1))
	c.SetDeadline(time.Now().Add(time.Hour))
	n.Break(func(e sim.Event) (f sim.Fate) {
		if e.Op == rdma.Write {
			f.Delay = 5 * time.Second
		}
		return f
	})
	cmds := make([]initiator.Command, 9)
	for i := range cmds {
		cmds[i] = initiator.Command{CDB: read(0, 64<<10, transporttest.Lease), In: make([]byte, 64<<10)}
		if i == len(cmds)-1 {
			cmds[i] = initiator.Command{CDB: write(0, 64<<10, transporttest.Lease), Out: make([]byte, 64<<10)}
		}
		_ = c.Submit(&cmds[i])
	}
	for i := range cmds {
		if err := c.Finish(&cmds[i]); err != nil || cmds[i].Err != nil || cmds[i].Status != 0 {
			t.Fatal(i, err, cmds[i].Err, cmds[i].Status)
		}
	}
}
