package fcp

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestPlaced puts pieces of a buffer in any order, and more than once, and compares with a map of what has come.
func TestPlaced(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := 1 + r.IntN(300)
		want, dst, have := make([]byte, n), make([]byte, n), make([]bool, n)
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		var p placed
		twice, total := int64(0), int64(0)
		for step := 0; total < int64(n); step++ {
			off := r.IntN(n)
			m := 1 + r.IntN(min(40, n-off))
			if step > 2000 { // the rest
				off, m = int(p.contig), 1
			}
			p.put(dst, want[off:off+m], int64(off))
			for i := off; i < off+m; i++ {
				if have[i] {
					twice++
				} else {
					total++
				}
				have[i] = true
			}
			contig := 0
			for contig < n && have[contig] {
				contig++
			}
			if p.total() != total || p.twice != twice || p.contig != int64(contig) || p.differ {
				t.Fatalf("seed %d: %+v, and %d have come, %d twice, %d together", seed, p, total, twice, contig)
			}
		}
		if !bytes.Equal(dst, want) || len(p.spans) != 0 || p.end() != int64(n) {
			t.Fatalf("seed %d: wrong bytes", seed)
		}
		p.put(dst, []byte{^want[n-1]}, int64(n-1))
		if !p.differ || dst[n-1] != want[n-1] {
			t.Errorf("seed %d: another byte is not noticed", seed)
		}
	}
}
