package frontend

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/vhost/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestAlloc: what is given out does not overlap, is aligned, and all of it comes back.
func TestAlloc(t *testing.T) {
	m, err := NewMemory(Region{Size: 1 << 20}, Region{Size: 64 << 10, Offset: 8192, Unsealed: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	before := slices.Clone(m.free)
	r := rand.New(rand.NewPCG(1, 1))
	type piece struct {
		b    []byte
		mark byte
	}
	var all []piece
	for range 3000 {
		if r.IntN(2) == 0 && len(all) > 0 {
			i := r.IntN(len(all))
			for _, x := range all[i].b {
				if x != all[i].mark {
					t.Fatal("two have the same memory")
				}
			}
			m.Free(all[i].b)
			all = slices.Delete(all, i, i+1)
			continue
		}
		n := 1 + r.IntN(20000)
		b, err := m.Alloc(n)
		if errors.Is(err, ErrFull) {
			continue
		}
		addr, ok := m.Address(b)
		if err != nil || len(b) != n || !ok || addr%64 != 0 || n >= 4096 && addr%4096 != 0 || &m.At(addr, n)[0] != &b[0] {
			t.Fatalf("%d bytes: %d at %#x, %v", n, len(b), addr, err)
		}
		p := piece{b, byte(r.Uint32())}
		for i := range b {
			b[i] = p.mark
		}
		all = append(all, p)
	}
	for _, p := range all {
		m.Free(p.b)
	}
	if !slices.Equal(m.free, before) {
		t.Errorf("%v is free, and was %v", m.free, before)
	}
}

// TestRegions: addresses follow each other unless they are given, files are sealed unless they are not to be, and what cannot be is refused.
func TestRegions(t *testing.T) {
	m, err := NewMemory(Region{Size: 8192}, Region{Size: 4096, Unsealed: true}, Region{Guest: 1 << 20, Size: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := []uint64{m.Regions[0].Guest, m.Regions[1].Guest, m.Regions[2].Guest}; !slices.Equal(got, []uint64{firstAddress, firstAddress + 8192, 1 << 20}) {
		t.Errorf("%#x", got)
	}
	if err := m.Cut(0, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("a sealed file: %v", err)
	}
	if err := m.Cut(1, 0); err != nil {
		t.Errorf("a file that is not sealed: %v", err)
	}
	if m.At(firstAddress+8192-1, 2) != nil || m.At(1<<20-1, 1) != nil || len(m.At(1<<20, 4096)) != 4096 {
		t.Error("what is outside is there")
	}
	if _, ok := m.Address(make([]byte, 10)); ok {
		t.Error("memory of others has an address")
	}
	p, ok := m.Pieces(nil, m.Regions[0].Mem[:5000], 4096)
	if !ok || !slices.Equal(p, []ring.Piece{{Addr: firstAddress, Len: 4096}, {Addr: firstAddress + 4096, Len: 904}}) {
		t.Errorf("%+v", p)
	}
	for _, r := range []Region{{Size: 0}, {Size: 100}, {Size: 4096, Offset: 1}, {Size: 4096, Guest: 1}, {Size: -4096}} {
		if m, err := NewMemory(r); err == nil {
			t.Errorf("%+v is made", r)
			_ = m.Close()
		}
	}
}
