package passthrough

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg/sgtest"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Mappings are paid for while they are lent, are used again, and go when nobody uses them.
func TestMappings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		arena := buffer.NewArena(8 << 20)
		purse := arena.Purse("initiator", "unit")
		var m mappings
		l, err := m.get(3<<20, purse)
		if err != nil {
			t.Fatal(err)
		}
		if l.Segments() != 1 || l.Len() != 3<<20 || arena.Outstanding() != 4<<20 {
			t.Errorf("%d pieces, %d bytes, %d paid", l.Segments(), l.Len(), arena.Outstanding())
		}
		if _, err := m.get(8<<20, purse); err == nil {
			t.Error("more than there is")
		}
		first := &l.Segment(0).Mem[0]
		l.Release()
		if arena.Outstanding() != 0 || m.lent != 0 || m.kept != 4<<20 {
			t.Errorf("%d paid, %d lent, %d kept", arena.Outstanding(), m.lent, m.kept)
		}
		if l, err = m.get(4<<20, purse); err != nil || &l.Segment(0).Mem[0] != first {
			t.Errorf("%v: another mapping", err)
		}
		l.Release()
		time.Sleep(2*sparesFor + time.Second)
		synctest.Wait()
		if m.kept != 0 || len(m.spare) != 0 {
			t.Errorf("%d bytes are kept", m.kept)
		}
		// What is lent when all is closed is unmapped when it comes back.
		if l, err = m.get(1, nil); err != nil {
			t.Fatal(err)
		}
		m.close()
		l.Release()
		if m.kept != 0 || m.lent != 0 {
			t.Errorf("%d kept, %d lent", m.kept, m.lent)
		}
		purse.Close()
		if err := arena.Close(); err != nil {
			t.Error(err)
		}
	})
}

// A command for which there is no memory is not sent, and keeps nothing.
func TestNoMemory(t *testing.T) {
	k := disk(sgtest.Config{})
	b := newBench(t, k.Device, Config{})
	small := buffer.NewArena(1 << 20)
	s := loopback.Login(b.port, target.Initiator{Name: "iqn.small", Port: scsi.ISCSIPort("iqn.small", [6]byte{})}, loopback.Options{Arena: small})
	b.all = append(b.all, s)
	b.calm(s)
	k.Forget()
	for _, blocks := range []int{4096, 8192} {
		if r := b.do(s, rw(scsi.OpRead10, 0, blocks), nil, blocks*512); r.Status != scsi.TaskSetFull {
			t.Errorf("READ: %v", r.Status)
		}
		if r := b.do(s, rw(scsi.OpWrite10, 0, blocks), make([]byte, blocks*512), 0); r.Status != scsi.TaskSetFull {
			t.Errorf("WRITE: %v", r.Status)
		}
	}
	if n := len(k.Log(nil)); n != 0 {
		t.Errorf("%d commands", n)
	}
	b.good(s, rw(scsi.OpRead10, 0, 8), nil, 4096)
	b.close()
	if n := small.Outstanding(); n != 0 {
		t.Errorf("%d bytes are not given back", n)
	}
	if err := small.Close(); err != nil {
		t.Error(err)
	}
}
