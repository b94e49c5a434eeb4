package file

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/ringio"
)

// cpu is the time that this process has taken of all processors.
func cpu(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDirect reads 4 KiB at random places past the page cache, 32 at a time. LUNETTE_BENCH_FILE
// names a file to read; otherwise one of 256 MiB is made in the temporary directory.
func BenchmarkDirect(b *testing.B) {
	path := os.Getenv("LUNETTE_BENCH_FILE")
	if path == "" {
		path = filepath.Join(b.TempDir(), "disk.img")
		f, err := os.Create(path)
		if err != nil {
			b.Fatal(err)
		}
		data := make([]byte, 1<<20)
		for i := range data {
			data[i] = byte(i)
		}
		for range 256 {
			if _, err := f.Write(data); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			b.Fatal(err)
		}
	}
	for _, mode := range []string{ringio.Uring, ringio.Threads} {
		b.Run(mode, func(b *testing.B) {
			s, err := Open(Config{Path: path, Direct: true, ReadOnly: true, IO: mode})
			if err != nil {
				b.Skip(err)
			}
			defer s.Close()
			arena := buffer.NewArena(16 << 20)
			defer arena.Close()
			b.ReportAllocs()
			before := cpu(b)
			b.ResetTimer()
			read(b, s, arena)
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds()/1000, "kIOPS")
			b.ReportMetric(float64(cpu(b)-before)/float64(b.N)/1000, "µs-CPU/op")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// read makes b.N reads, 32 at a time, the way that the store offers.
func read(b *testing.B, s store.Store, arena *buffer.Arena) {
	const depth = 32
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	size := s.Info().Size
	submitter, submits := store.As[store.Submitter](s)
	for i := range uint64(depth) {
		l, err := arena.Get(4096)
		if err != nil {
			b.Fatal(err)
		}
		r := rand.New(rand.NewPCG(i, 3))
		place := func() int64 { return r.Int64N(size/4096) * 4096 }
		all.Add(1)
		end := func(err error) {
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
			l.Release()
			all.Done()
		}
		if !submits {
			go func() {
				var err error
				for err == nil && left.Add(-1) >= 0 {
					err = s.ReadAt(b.Context(), l, place())
				}
				end(err)
			}()
			continue
		}
		q := &store.Request{Op: store.OpRead, Data: l}
		q.Done = func(q *store.Request, err error) {
			if err != nil || left.Add(-1) < 0 {
				end(err)
				return
			}
			q.Off = place()
			submitter.Submit(q)
		}
		q.Done(q, nil)
	}
	all.Wait()
}
