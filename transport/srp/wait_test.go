package srp_test

import (
	"testing"

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

// started expects so many commands to have been started, on either unit.
func (f *fake) is(t *testing.T, step string, first, second int) {
	t.Helper()
	if f.unit.started != first || f.other.started != second {
		t.Fatalf("%s: %d and %d commands have started instead of %d and %d", step, f.unit.started, f.other.started, first, second)
	}
}

// A channel fetches so much data at a time, and a slow unit holds up no other.
func TestBudget(t *testing.T) {
	f := newFake(t, srp.Config{Solicited: 4096})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	for range 4 {
		s.write(0, iu.AttrSimple)
	}
	f.is(t, "two fit", 2, 0)
	s.read(0, iu.AttrSimple)
	f.is(t, "reads pass", 3, 0)
	s.write(1, iu.AttrSimple)
	f.is(t, "another unit has a share", 3, 1)
	s.write(1, iu.AttrSimple)
	f.is(t, "and not more", 3, 1)
	s.write(0, iu.AttrHeadOfQueue)
	f.is(t, "a write has to wait even so", 3, 1)
	s.c.complete(nil) // of the first write
	f.is(t, "there is room for the next of another unit, or of this", 3, 1)
	s.c.complete(nil) // of the second
	if f.unit.started+f.other.started < 5 {
		t.Errorf("%d and %d have started", f.unit.started, f.other.started)
	}
	for s.c.complete(nil) {
	}
	f.is(t, "everything comes to its turn", 6, 2)
}

// Ordered commands pass nothing that waits, and only HEAD OF QUEUE passes them.
func TestOrder(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	s.send(iu.Command{CDB: [16]byte{0x28, 8: 4}, In: inTable})
	f.is(t, "its table is not there", 0, 0)
	s.read(0, iu.AttrSimple)
	f.is(t, "a simple one passes", 1, 0)
	s.read(0, iu.AttrOrdered)
	f.is(t, "an ordered one does not", 1, 0)
	s.read(0, iu.AttrSimple)
	f.is(t, "and is not passed", 1, 0)
	s.read(0, iu.AttrHeadOfQueue)
	f.is(t, "but by the head of the queue", 2, 0)
	s.write(0, iu.AttrSimple)
	f.is(t, "nor by a write", 2, 0)
	for s.c.complete(nil) {
	}
	f.is(t, "the table has come", 6, 0)
}

// Writes to a unit keep their order: the second waits with the first.
func TestWritesInOrder(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(68, iu.Single)}
	s.send(iu.Command{CDB: [16]byte{0x2a, 8: 4}, Out: inTable})
	s.write(0, iu.AttrSimple)
	f.is(t, "behind one whose table is not there", 0, 0)
	s.write(1, iu.AttrSimple)
	f.is(t, "but another unit's", 0, 1)
	s.c.complete(nil)
	f.is(t, "the table has come", 2, 1)
	for s.c.complete(nil) {
	}
}
