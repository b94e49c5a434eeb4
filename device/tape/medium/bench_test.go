package medium

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
)

// benchData are leases of 256 KiB from an arena: random bytes, and such as compress to about a half or a quarter, since a part of each 512 bytes is
// what stood 4 KiB before.
func benchData(b *testing.B, a *buffer.Arena) map[string][]*buffer.Lease {
	const n = 256 << 10
	all := make(map[string][]*buffer.Lease)
	r := rand.New(rand.NewPCG(1, 2))
	for name, of := range map[string]int{"random": 512, "half": 240, "quarter": 110} {
		for range 16 {
			l, err := a.Get(n)
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(l.Release)
			mem := l.At(0)
			for i := range mem {
				mem[i] = byte(r.Uint32())
				if i%512 >= of && i >= 4096 {
					mem[i] = mem[i-4096]
				}
			}
			all[name] = append(all[name], l)
		}
	}
	return all
}

// benchTape opens a cartridge for a benchmark: on the disk of LUNETTE_BENCH_DIR, or of the temporary directory.
func benchTape(b *testing.B) *Cartridge {
	parent := b.TempDir()
	if dir := os.Getenv("LUNETTE_BENCH_DIR"); dir != "" {
		var err error
		if parent, err = os.MkdirTemp(dir, "bench"); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = os.RemoveAll(parent) })
	}
	dir := filepath.Join(parent, "B")
	must(b, Create(dir, Spec{Barcode: "B", Capacity: 1 << 50}))
	c, err := Open(dir, Options{})
	must(b, err)
	b.Cleanup(func() { must(b, c.Close()) })
	return c
}

// cpu is the processor's time that this process has used: what other processes do does not matter for it, as it does for what a clock says.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	must(b, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var codecNames = map[Codec]string{Plain: "plain", Fast: "fast", Zstd: "zstd"}

// BenchmarkAppend packs blocks of 256 KiB on two goroutines, and appends them in order, as a drive does. Every 512 MiB it starts anew.
func BenchmarkAppend(b *testing.B) {
	ctx := context.Background()
	a := buffer.NewArena(64 << 20)
	data := benchData(b, a)
	for _, name := range []string{"random", "half", "quarter"} {
		for codec := Plain; codec <= Fast; codec++ {
			b.Run(fmt.Sprintf("%s/%s", codecNames[codec], name), func(b *testing.B) {
				h := benchTape(b).Head(0)
				b.SetBytes(256 << 10)
				b.ReportAllocs()
				b.ResetTimer()
				began := cpu(b)
				done := make([]chan Frame, 16)
				work := make(chan int, len(done))
				for i := range done {
					done[i] = make(chan Frame, 1)
				}
				var wg sync.WaitGroup
				for range 2 {
					wg.Go(func() {
						for i := range work {
							l := data[name][i%16]
							f, err := h.Pack(Blocks{Data: l, Len: l.Len(), Count: 1, Codec: codec})
							if err != nil {
								b.Error(err)
							}
							done[i%len(done)] <- f
						}
					})
				}
				for i := range b.N + len(done) {
					if i < b.N {
						work <- i
					}
					if i -= len(done) - 1; i >= 0 && i < b.N {
						if _, err := h.Append(ctx, <-done[i%len(done)]); err != nil {
							b.Fatal(err)
						}
						if i%2048 == 2047 {
							must(b, h.Locate(ctx, 0))
						}
					}
				}
				close(work)
				wg.Wait()
				b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op")
				if r := h.Room(); r.Data > 0 {
					p := h.Position()
					b.ReportMetric(float64(p.Object)*(256<<10)/float64(r.Data), "ratio")
				}
			})
		}
	}
}

// BenchmarkRead reads them again, 256 MiB in turn.
func BenchmarkRead(b *testing.B) {
	ctx := context.Background()
	a := buffer.NewArena(64 << 20)
	data := benchData(b, a)
	into, err := a.Get(256 << 10)
	must(b, err)
	defer into.Release()
	for _, name := range []string{"random", "half"} {
		for codec := Plain; codec <= Fast; codec++ {
			b.Run(fmt.Sprintf("%s/%s", codecNames[codec], name), func(b *testing.B) {
				h := benchTape(b).Head(0)
				for i := range 1024 {
					l := data[name][i%16]
					f, err := h.Pack(Blocks{Data: l, Len: l.Len(), Count: 1, Codec: codec})
					must(b, err)
					_, err = h.Append(ctx, f)
					must(b, err)
				}
				must(b, h.Locate(ctx, 0))
				b.SetBytes(256 << 10)
				b.ReportAllocs()
				began := cpu(b)
				for b.Loop() {
					if _, err := h.Read(ctx, into, 0, into.Len(), nil); errors.Is(err, ErrEndOfData) {
						must(b, h.Locate(ctx, 0))
					} else if err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(cpu(b)-began)/float64(b.N), "cpu-ns/op")
			})
		}
	}
}
