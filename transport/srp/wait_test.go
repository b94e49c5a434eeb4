package srp_test

import (
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// A sender sends commands to a fake, one tag after the other.
type sender struct {
	c   *fakeConn
	tag uint64
}

var (
	twoKiB  = iu.Buffer{Format: iu.Direct, List: iu.Descriptor{Addr: 4096, Key: 1, Len: 2048}.Append(nil)}
	inTable = iu.Buffer{Format: iu.Indirect, Len: 2048, Table: iu.Descriptor{Addr: 1, Key: 2, Len: 16}}
)

func (s *sender) send(x iu.Command) {
	s.tag++
	x.Tag = s.tag
	s.c.h.Received(message(x.Append(nil, 68)))
}

func (s *sender) write(lun uint64, attr uint8) {
	s.send(iu.Command{LUN: lun << 48, Attr: attr, CDB: [16]byte{0x2a, 8: 4}, Out: twoKiB})
}

func (s *sender) read(lun uint64, attr uint8) {
	s.send(iu.Command{LUN: lun << 48, Attr: attr, CDB: [16]byte{0x28, 8: 4}, In: twoKiB})
}

// is expects so many commands to have been started, on either unit.
func (f *fake) is(t *testing.T, step string, first, second int) {
	t.Helper()
	if f.unit.started != first || f.other.started != second {
		t.Fatalf("%s: %d and %d commands have started instead of %d and %d", step, f.unit.started, f.other.started, first, second)
	}
}

// reads is how many RDMA Reads are posted and not done.
func (c *fakeConn) reads() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.open {
		if w.Op == rdma.Read {
			n++
		}
	}
	return n
}

// A channel fetches so much data at a time, and a slow unit holds up no other.
func TestBudget(t *testing.T) {
	f := newFake(t, srp.Config{Solicited: 4096})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	fetches := func(step string, want int) {
		t.Helper()
		if n := s.c.reads(); n != want {
			t.Fatalf("%s: data of %d commands is fetched instead of %d", step, n, want)
		}
	}
	for range 4 {
		s.write(0, iu.AttrSimple)
	}
	fetches("two fit", 2)
	s.read(0, iu.AttrSimple)
	f.is(t, "reads pass", 5, 0)
	s.write(1, iu.AttrSimple)
	fetches("another unit has a share", 3)
	s.write(1, iu.AttrSimple)
	fetches("and not more", 3)
	s.write(0, iu.AttrHeadOfQueue)
	fetches("a write has to wait even so", 3)
	s.c.complete(nil) // of the first write
	fetches("what the other unit fetches counts too", 2)
	for s.c.complete(nil) {
	}
	f.is(t, "everything comes to its turn", 6, 2)
	fetches("and to an end", 0)
}

// Commands come to the target in the order in which they came to the channel, whatever their
// attributes, also if a descriptor table has to be fetched. Another channel goes on.
func TestArrivals(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s, other := &sender{c: f.dial(68, iu.Single)}, &sender{c: f.dial(68, iu.Multi)}
	s.send(iu.Command{CDB: [16]byte{0x28, 8: 4}, In: inTable})
	s.read(1, iu.AttrSimple)
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: inTable})
	s.read(1, iu.AttrHeadOfQueue)
	data := []byte("immediate data")
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: iu.Buffer{Format: iu.Immediate, Len: 14, Data: data}})
	f.is(t, "a table is not there", 0, 0)
	other.read(0, iu.AttrSimple)
	f.is(t, "another channel does not wait", 1, 0)
	s.c.complete(nil)
	f.is(t, "up to the next table", 2, 1)
	var got []byte
	f.unit.taken = func(l *buffer.Lease) {
		got = make([]byte, l.Len())
		l.Read(0, got)
	}
	for s.c.complete(nil) {
	}
	f.is(t, "all", 4, 2)
	if string(got) != string(data) {
		t.Errorf("immediate data that had to wait came as %q", got)
	}
	if i := f.node.Sessions()[0].Channels[0]; i.Stats.Copied != 2*14 { // and once into the unit's memory
		t.Errorf("%d bytes copied", i.Stats.Copied)
	}
}

// With no memory left for immediate data that has to wait the command is answered TASK SET FULL.
func TestArrivalsWithoutMemory(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	s.send(iu.Command{CDB: [16]byte{0x28, 8: 4}, In: inTable})
	all, err := f.arena.Get(7 << 20)
	if err != nil {
		t.Fatal(err)
	}
	var more []*buffer.Lease
	for n := int64(1 << 20); n >= 512; n /= 2 {
		for l, err := f.arena.Get(n); err == nil; l, err = f.arena.Get(n) {
			more = append(more, l)
		}
	}
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: iu.Buffer{Format: iu.Immediate, Len: 600, Data: make([]byte, 600)}})
	all.Release()
	for _, l := range more {
		l.Release()
	}
	for s.c.complete(nil) {
	}
	for _, b := range s.c.take() {
		x, err := iu.ParseResponse(b)
		if err != nil {
			t.Fatal(err)
		}
		if x.Tag == 2 && scsi.Status(x.Status) != scsi.TaskSetFull {
			t.Errorf("status %v, sense %x", x.Status, x.Sense)
		}
	}
	f.is(t, "it has not been executed", 1, 0)
}
