package iscsi_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/disk"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/file"
	"github.com/lunette-io/lunette/store/memory"
	"github.com/lunette-io/lunette/store/storetest"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// startDisk serves a disk on st. The result closes all of it.
func startDisk(t *testing.T, st store.Store) (s *transporttest.ISCSI, end func()) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	arena := buffer.NewArena(256 << 20)
	d, err := disk.New(disk.Config{Store: st, Arena: arena, Identity: scsi.Identity{
		Vendor: "LUNETTE", Product: "TEST", Revision: "1", Serial: "1", NAA: scsi.NAA6("1"),
	}})
	must(err)
	unit := target.NewUnit("disk", d)
	tg, err := target.NewTarget(transporttest.TargetName, target.Mapping{LUN: 0, Unit: unit})
	must(err)
	s = transporttest.StartISCSI(t, iscsi.Config{Arena: arena}, func(it *iscsi.Target) { it.SCSI = tg })
	return s, func() { s.Close(); must(unit.Close()) }
}

func lateStore(t *testing.T) *storetest.Late {
	t.Helper()
	m, err := memory.Open(memory.Config{Size: 16 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return storetest.NewLate(m)
}

// moves makes n reads or writes of 4 KiB.
func moves(n int, writes bool) []initiator.Command {
	cmds := make([]initiator.Command, n)
	for i := range cmds {
		b := bytes.Repeat([]byte{byte(i + 1)}, 4096)
		if writes {
			cmds[i].CDB, cmds[i].Out = write(uint32(8*i), 4096, 0), b
		} else {
			cmds[i].CDB, cmds[i].In = read(uint32(8*i), 4096, 0), b
		}
	}
	return cmds
}

func submit(t *testing.T, c *initiator.Conn, cmds []initiator.Command) {
	t.Helper()
	for i := range cmds {
		if err := c.Submit(&cmds[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
}

// finish waits for n commands, which must be good.
func finish(t *testing.T, c *initiator.Conn, n int) {
	t.Helper()
	for n > 0 {
		done, err := c.Wait()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range done {
			if k.Status != 0 || k.Err != nil {
				t.Fatal(k.Status, k.Sense(), k.Err)
			}
		}
		n -= len(done)
	}
}

// ready takes the unit attention of a new nexus.
func ready(t *testing.T, c *initiator.Conn) {
	t.Helper()
	for range 2 {
		if _, err := c.Do(0, make([]byte, 6), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// sends is how many sends the connections of the node have made.
func sends(s *transporttest.ISCSI) (n []int64) {
	for _, i := range s.Node.Sessions() {
		for _, c := range i.Connections {
			n = append(n, c.Stats.Sends)
		}
	}
	return n
}

func sum(n []int64) (all int64) {
	for _, m := range n {
		all += m
	}
	return all
}

// TestGathered: the commands that end in one run leave with one send for each connection.
func TestGathered(t *testing.T) {
	for _, writes := range []bool{false, true} {
		st := lateStore(t)
		s, end := startDisk(t, st)
		const conns, each = 3, 10
		var all []*initiator.Conn
		for i := range conns {
			all = append(all, s.Dial(s.Config(byte(i))))
			ready(t, all[i])
		}
		st.Hold()
		for _, c := range all {
			submit(t, c, moves(each, writes))
		}
		st.Await(conns * each)
		before := sum(sends(s))
		st.Release()
		for _, c := range all {
			finish(t, c, each)
		}
		// A send is counted when it has returned: the initiator may be faster.
		transporttest.Eventually(t, "the last send", func() bool { return sum(sends(s))-before >= conns })
		if n := sum(sends(s)) - before; n != conns {
			t.Errorf("writes %v: %d sends for %d connections", writes, n, conns)
		}
		end()
	}
}

// TestGatheredMuch: what is much is not put off to the end of a run, however long that is, and what
// comes in pieces goes on.
func TestGatheredMuch(t *testing.T) {
	st := lateStore(t)
	s, end := startDisk(t, st)
	defer end()
	c := s.Dial(s.Config(1))
	ready(t, c)
	st.Hold()
	cmds := moves(100, false)
	cmds = append(cmds, initiator.Command{CDB: read(0, 4<<20, 0), In: make([]byte, 4<<20)}, initiator.Command{CDB: read(0, 300<<10, 0), In: make([]byte, 300<<10)})
	submit(t, c, cmds)
	st.Await(len(cmds))
	st.Release()
	finish(t, c, len(cmds))
}

// TestGatheredEnds: connections that end, and tasks that are aborted, while their commands are
// with the store, take nothing with them of what belongs to others.
func TestGatheredEnds(t *testing.T) {
	st := lateStore(t)
	s, end := startDisk(t, st)
	defer end()
	c := s.Dial(s.Config(1))
	ready(t, c)
	var aborts sync.WaitGroup
	for round := range 20 {
		o := s.Dial(s.Config(2))
		ready(t, o)
		st.Hold()
		mine, others := moves(8, round%2 == 0), moves(8, round%3 == 0)
		submit(t, c, mine[:4])
		submit(t, o, others)
		submit(t, c, mine[4:])
		if st.Await(16); round%2 == 0 {
			_ = o.Close()
		} else {
			aborts.Go(func() {
				if r, err := o.Manage(pdu.TMFAbortTaskSet, 0, nil); err != nil || r != pdu.TMFComplete {
					t.Errorf("ABORT TASK SET: %v %v", r, err)
				}
			})
			time.Sleep(time.Millisecond) // the commands may end first: that is a case too
		}
		st.Release()
		finish(t, c, 8)
		aborts.Wait()
		_ = o.Close()
	}
}

// TestSends: with a ring there are fewer sends than commands, since several end together.
func TestSends(t *testing.T) {
	st, err := file.Open(file.Config{Path: filepath.Join(t.TempDir(), "disk.img"), Size: 16 << 20, Direct: true})
	if errors.Is(err, store.ErrNotSupported) {
		t.Skipf("no direct I/O: not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	if _, ok := store.As[store.Submitter](st); !ok {
		_ = st.Close()
		t.Skip("no io_uring for a file here: not tested")
	}
	s, end := startDisk(t, st)
	defer end()
	c := s.Dial(s.Config(1))
	ready(t, c)
	for _, writes := range []bool{true, false} {
		l := load{c: c, cmds: moves(32, writes)}
		submit(t, c, l.cmds)
		before := sum(sends(s))
		const n = 4000
		l.run(t, n)
		per := float64(sum(sends(s))-before) / n
		t.Logf("writes %v: %.2f sends for each command", writes, per)
		if per > 0.8 {
			t.Errorf("writes %v: %.2f sends for each command: they leave one by one", writes, per)
		}
		finish(t, c, len(l.cmds))
	}
}
