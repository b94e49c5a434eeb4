package rc

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/network/rdma"
)

// random returns n bytes, by a seed.
func random(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

// transfer moves Sends, Writes and Reads of many lengths in both directions over a wire with faults, and checks every byte.
func transfer(t *testing.T, fab, fba faults, mtu int, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair(t, fab, fba, 50*time.Microsecond, 1e9, func(a, b *Config) { a.MTU, b.MTU = mtu, mtu })
		defer p.stop()
		ua, ub := newUser(), newUser()
		p.a.Start(ua)
		p.b.Start(ub)
		rng := rand.New(rand.NewPCG(seed, 2))
		type side struct {
			q         *QP
			u, peer   *user
			other     *QP
			works     []*rdma.Work
			checks    []func() error
			sent      []string
			exposable *QP
		}
		sides := []*side{{q: p.a, u: ua, peer: ub, other: p.b}, {q: p.b, u: ub, peer: ua, other: p.a}}
		for i := range 40 {
			for k, s := range sides {
				n := []int{0, 1, mtu - 1, mtu, mtu + 1, 3 * mtu, rng.IntN(50 * mtu)}[rng.IntN(7)]
				data := random(n, uint64(i*2+k))
				switch rng.IntN(3) {
				case 0:
					n = min(n, 60<<10)
					h := rng.IntN(min(n, 300) + 1)
					m := append([]byte(fmt.Sprintf("%d ", i)), data[:n]...)
					w := &rdma.Work{Op: rdma.Send, Head: m[:h], Len: int64(len(m) - h), At: 3, Data: buffer.Of(append([]byte("xyz"), m[h:]...))}
					s.sent = append(s.sent, string(m))
					s.works = append(s.works, w)
				case 1:
					into := make([]byte, n+20)
					r, err := s.other.Expose(buffer.Of(into), rdma.RemoteWrite)
					if err != nil {
						t.Fatal(err)
					}
					r.Addr += 10
					s.works = append(s.works, &rdma.Work{Op: rdma.Write, Data: buffer.Of(data), Len: int64(n), Remote: r})
					s.checks = append(s.checks, func() error { return guarded(into, data) })
				case 2:
					into := make([]byte, n+20)
					r, err := s.other.Expose(buffer.Of(data), rdma.RemoteRead)
					if err != nil {
						t.Fatal(err)
					}
					s.works = append(s.works, &rdma.Work{Op: rdma.Read, Data: buffer.Of(into), At: 10, Len: int64(n), Remote: r})
					s.checks = append(s.checks, func() error { return guarded(into, data) })
				}
			}
		}
		for i := range sides[0].works {
			for _, s := range sides {
				if !s.q.Post(s.works[i]) {
					t.Fatal("a work was not taken")
				}
			}
			if i%7 == 0 {
				sides[0].q.Flush()
				sides[1].q.Flush()
				if i%21 == 0 {
					time.Sleep(time.Duration(rng.IntN(1000)) * time.Microsecond)
				}
			}
		}
		sides[0].q.Flush()
		sides[1].q.Flush()
		for _, s := range sides {
			if err := s.u.wait(s.works...); err != nil {
				t.Fatal(err)
			}
			s.peer.until(func() bool { return len(s.peer.messages) == len(s.sent) || s.peer.closed })
			for i, m := range s.sent {
				if s.peer.messages[i] != m {
					t.Errorf("message %d came wrong", i)
				}
			}
			for _, f := range s.checks {
				if err := f(); err != nil {
					t.Error(err)
				}
			}
		}
		for _, s := range sides {
			st := s.q.Stats()
			if st.Queued != 0 || st.BytesQueued != 0 || st.Asked != 0 || st.Unfinished {
				t.Errorf("%+v", st)
			}
		}
		p.a.Close(nil)
		ua.until(func() bool { return ua.closed })
		ub.until(func() bool { return ub.closed })
		if ua.err != nil || ub.err != nil {
			t.Error(ua.err, ub.err)
		}
		ua.check(t)
		ub.check(t)
	})
}

// guarded checks that data is in into, with ten bytes on either side that were not touched.
func guarded(into, data []byte) error {
	n := len(into)
	if !bytes.Equal(into[10:n-10], data) {
		return fmt.Errorf("%d bytes came wrong", len(data))
	}
	if !bytes.Equal(into[:10], make([]byte, 10)) || !bytes.Equal(into[n-10:], make([]byte, 10)) {
		return fmt.Errorf("memory beside %d bytes was touched", len(data))
	}
	return nil
}

func TestTransfer(t *testing.T) {
	for _, mtu := range []int{256, 1024, 4096} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) { transfer(t, faults{}, faults{}, mtu, 1) })
	}
}

func TestTransferFaults(t *testing.T) {
	for _, c := range []struct {
		name string
		f    faults
	}{
		{"lost", faults{lose: 0.01}},
		{"often lost", faults{lose: 0.1}},
		{"doubled", faults{double: 0.1}},
		{"late", faults{late: 0.05}},
		{"all", faults{lose: 0.01, double: 0.01, late: 0.05, damaged: 0.01}},
	} {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(c.name, seed), func(t *testing.T) {
				x, y := c.f, c.f
				x.seed, y.seed = 2*seed, 2*seed+1
				transfer(t, x, y, 1024, seed)
			})
		}
	}
}

// Whatever a wire does, and whatever the lengths of packets: every byte is right.
func TestTransferModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		draw := func(what string) faults {
			return faults{
				seed: rapid.Uint64().Draw(r, what+" seed"), lose: rapid.Float64Range(0, 0.1).Draw(r, what+" lost"),
				double: rapid.Float64Range(0, 0.2).Draw(r, what+" doubled"), late: rapid.Float64Range(0, 0.3).Draw(r, what+" late"),
			}
		}
		mtu := rapid.SampledFrom([]int{256, 512, 1024, 2048, 4096}).Draw(r, "mtu")
		transfer(t, draw("there"), draw("back"), mtu, rapid.Uint64().Draw(r, "seed"))
		if t.Failed() {
			r.FailNow()
		}
	})
}
