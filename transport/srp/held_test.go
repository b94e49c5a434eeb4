package srp_test

import (
	"testing"

	"github.com/lunette-io/lunette/transport/srp"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// listOf is so many descriptors of 512 bytes.
func listOf(n int) (b []byte) {
	for i := range n {
		b = iu.Descriptor{Addr: uint64(i) << 20, Key: 1, Len: 512}.Append(b)
	}
	return b
}

// A long list of descriptors is in memory that the initiator pays for, and only as long as its command
// is there.
func TestLongLists(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(0, iu.Single)}
	for _, n := range []int{64, 65, 200} {
		list := listOf(n)
		before := f.arena.Outstanding()
		s.send(iu.Command{CDB: [16]byte{0x28, 8: 4, 9: 8}, In: iu.Buffer{Format: iu.Indirect, Len: 2048, List: list,
			Table: iu.Descriptor{Addr: 1, Key: 2, Len: uint32(len(list))}}})
		if held := f.arena.Outstanding() - before; (held > 0) != (n > 64) {
			t.Errorf("%d bytes of the arena for %d descriptors", held, n)
		}
		f.unit.release()
		for s.c.complete(nil) {
		}
		if held := f.arena.Outstanding() - before; held != 0 {
			t.Errorf("%d bytes of the arena at the end", held)
		}
	}
}

// However short the descriptors of many commands are, a channel has a bounded number of works with its
// connection, and all come to an end.
func TestShortDescriptors(t *testing.T) {
	f := newFake(t, srp.Config{})
	defer f.close()
	s := &sender{c: f.dial(0, iu.Single)}
	list := listOf(0)
	for i := range 64 {
		list = iu.Descriptor{Addr: uint64(i) << 20, Key: 1, Len: 16}.Append(list)
	}
	for range 60 {
		s.send(iu.Command{CDB: [16]byte{0x2a, 8: 2}, Out: iu.Buffer{Format: iu.Indirect, Len: 1024, List: list,
			Table: iu.Descriptor{Addr: 1, Key: 2, Len: uint32(len(list))}}})
	}
	if n := s.c.reads(); n < 1000 || n > 1024+60+1 {
		t.Errorf("%d Reads for 60 commands of 64 descriptors", n)
	}
	for s.c.complete(nil) {
	}
	f.is(t, "all", 60, 0)
	if f.unit.ended != 60 {
		t.Errorf("%d commands have ended", f.unit.ended)
	}
}
