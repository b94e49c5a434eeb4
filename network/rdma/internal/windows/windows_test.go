package windows

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

func table(max int) *Table {
	t := new(Table)
	t.Init(max, rand.NewChaCha8([32]byte{}).Read)
	return t
}

// TestReach: the key, the right, both ends, and addresses that wrap.
func TestReach(t *testing.T) {
	tab := table(10)
	r, err := tab.Expose(buffer.Of(make([]byte, 1000)), rdma.RemoteWrite)
	if err != nil {
		t.Fatal(err)
	}
	key, base := uint32(r.Key), r.Addr
	if base&0xFFF != 0 || base > math.MaxUint64/2 {
		t.Errorf("the base is %#x", base)
	}
	for _, c := range []struct {
		name string
		key  uint32
		addr uint64
		n    int64
		a    rdma.Access
		want Verdict
		off  int64
	}{
		{"all of it", key, base, 1000, rdma.RemoteWrite, Good, 0},
		{"the last byte", key, base + 999, 1, rdma.RemoteWrite, Good, 999},
		{"nothing at the end", key, base + 1000, 0, rdma.RemoteWrite, Good, 1000},
		{"one more", key, base, 1001, rdma.RemoteWrite, Beyond, 0},
		{"across the end", key, base + 999, 2, rdma.RemoteWrite, Beyond, 0},
		{"behind", key, base + 1000, 1, rdma.RemoteWrite, Beyond, 0},
		{"before", key, base - 1, 2, rdma.RemoteWrite, Beyond, 0},
		{"offset for address", key, 0, 1, rdma.RemoteWrite, Beyond, 0},
		{"wraps", key, math.MaxUint64, 2, rdma.RemoteWrite, Wraps, 0},
		{"wraps into it", key, base - 1000, math.MaxInt64, rdma.RemoteWrite, Beyond, 0},
		{"to read", key, base, 1, rdma.RemoteRead, Denied, 0},
		{"to read and write", key, base, 1, rdma.RemoteRead | rdma.RemoteWrite, Denied, 0},
		{"another key", key + 1, base, 1, rdma.RemoteWrite, NoKey, 0},
		{"key 0", 0, base, 1, rdma.RemoteWrite, NoKey, 0},
	} {
		w, off, v := tab.Reach(c.key, c.addr, c.n, c.a)
		if v != c.want || off != c.off || (w != nil) != (v == Good) {
			t.Errorf("%s: %d, at %d", c.name, v, off)
		}
	}
}

// TestTable compares random windows with a map: which keys there are, how many, and what is recycled.
func TestTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 40).Draw(t, "max")
		tab, model := table(most), make(map[uint32]*buffer.Lease)
		var keys []uint32
		key := func(t *rapid.T) uint32 {
			if len(keys) == 0 {
				return 1
			}
			return rapid.SampledFrom(keys).Draw(t, "key")
		}
		t.Repeat(map[string]func(*rapid.T){
			"expose": func(t *rapid.T) {
				l := buffer.Of(make([]byte, 1+len(keys)))
				r, err := tab.Expose(l, rdma.RemoteRead)
				if full := len(model) == most; full != errors.Is(err, rdma.ErrExhausted) {
					t.Fatalf("%d of %d windows: %v", len(model), most, err)
				} else if !full {
					model[uint32(r.Key)] = l
					keys = append(keys, uint32(r.Key))
				}
			},
			"drop": func(t *rapid.T) {
				k := key(t)
				w := tab.Find(k)
				if (w != nil) != (model[k] != nil) {
					t.Fatal("a key is there, or is not")
				}
				if w != nil {
					tab.Drop(w)
					tab.Recycle(w)
					delete(model, k)
				}
			},
			"": func(t *rapid.T) {
				if tab.Len() != len(model) {
					t.Fatalf("%d windows, not %d", tab.Len(), len(model))
				}
				k := key(t)
				if w := tab.Find(k); (w == nil) != (model[k] == nil) || w != nil && w.Data != model[k] {
					t.Fatal("another window")
				}
			},
		})
		tab.Close()
		if tab.Len() != 0 || tab.Find(key(t)) != nil {
			t.Fatal("a window after the end")
		}
		if _, err := tab.Expose(buffer.Of([]byte{1}), rdma.RemoteRead); !errors.Is(err, rdma.ErrClosed) {
			t.Fatal(err)
		}
	})
}

// TestAllocations: windows that come and go cost nothing.
func TestAllocations(t *testing.T) {
	tab := table(10)
	l := buffer.Of(make([]byte, 10))
	one := func() {
		r, err := tab.Expose(l, rdma.RemoteRead)
		if err != nil {
			t.Fatal(err)
		}
		w := tab.Find(uint32(r.Key))
		tab.Drop(w)
		tab.Recycle(w)
	}
	one()
	if n := testing.AllocsPerRun(1000, one); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
