package uring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A job is one operation of a test.
type job struct {
	fd    int
	write bool
	mem   []byte
	off   int64
	fixed int // index of the registered buffer and 1
	vec   [1]unix.Iovec
	done  func(res int32)
}

// A bench is a driver that has any number of jobs.
type bench struct {
	*Loop
	opened func(*Ring)

	mu      sync.Mutex
	waiting []*job
	started []*job // on the ring's thread alone, like free
	free    []int
	fills   atomic.Int64
	ending  atomic.Int64        // since Reaped
	runs    atomic.Int64        // of those that have ended
	late    atomic.Pointer[job] // comes right after a Fill that did not see it
}

func (b *bench) Opened(r *Ring) {
	if b.opened != nil {
		b.opened(r)
	}
}

func (b *bench) Fill(r *Ring) {
	b.fills.Add(1)
	defer func() {
		if j := b.late.Load(); j != nil && !b.asleep.Load() && b.late.CompareAndSwap(j, nil) {
			b.start(j)
		}
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) > 0 {
		i := len(b.started)
		if n := len(b.free); n > 0 {
			i = b.free[n-1]
		}
		e := r.Next(uint64(i))
		if e == nil {
			return
		}
		j := b.waiting[0]
		b.waiting = b.waiting[1:]
		if n := len(b.free); n > 0 {
			b.free = b.free[:n-1]
			b.started[i] = j
		} else {
			b.started = append(b.started, j)
		}
		j.vec[0].Base = &j.mem[0]
		j.vec[0].SetLen(len(j.mem))
		switch {
		case j.fixed > 0 && j.write:
			e.WriteFixed(j.fd, j.mem, j.off, j.fixed-1)
		case j.fixed > 0:
			e.ReadFixed(j.fd, j.mem, j.off, j.fixed-1)
		case j.write:
			e.Writev(j.fd, j.vec[:], j.off)
		default:
			e.Readv(j.fd, j.vec[:], j.off)
		}
	}
}

// Reaped: nothing ends without it.
func (b *bench) Reaped() {
	if b.ending.Swap(0) > 0 {
		b.runs.Add(1)
	}
}

func (b *bench) Ended(_ *Ring, user uint64, res int32) {
	b.ending.Add(1)
	b.free = append(b.free, int(user))
	b.started[user].done(res)
}

func (b *bench) start(j *job) {
	b.mu.Lock()
	b.waiting = append(b.waiting, j)
	b.mu.Unlock()
	b.Wake()
}

// do runs a job and returns its result.
func (b *bench) do(j *job) int32 {
	done := make(chan int32, 1)
	j.done = func(res int32) { done <- res }
	b.start(j)
	return <-done
}

func open(t testing.TB, entries int, ladder []uint32, opened func(*bench, *Ring)) *bench {
	t.Helper()
	b := new(bench)
	if opened != nil {
		b.opened = func(r *Ring) { opened(b, r) }
	}
	var err error
	if b.Loop, err = start(entries, b, ladder); errors.Is(err, ErrUnavailable) {
		t.Skipf("not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	return b
}

func tempFile(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestFile: many more operations than the ring has entries, from many goroutines, with each
// set of flags.
func TestFile(t *testing.T) {
	for i := range flagsLadder {
		b := open(t, 8, flagsLadder[i:i+1], nil)
		f := tempFile(t)
		const goroutines, rounds = 8, 100
		var all sync.WaitGroup
		for g := range goroutines {
			all.Go(func() {
				var batch sync.WaitGroup
				for r := range rounds {
					batch.Add(1)
					b.start(&job{fd: int(f.Fd()), write: true, mem: bytes.Repeat([]byte{byte(g*rounds + r)}, 512), off: int64(g*rounds+r) * 512, done: func(res int32) {
						if res != 512 {
							t.Errorf("write: %d", res)
						}
						batch.Done()
					}})
				}
				batch.Wait()
				for r := range rounds {
					mem := make([]byte, 512)
					if res := b.do(&job{fd: int(f.Fd()), mem: mem, off: int64(g*rounds+r) * 512}); res != 512 || mem[0] != byte(g*rounds+r) || mem[511] != mem[0] {
						t.Errorf("read: %d, %d", res, mem[0])
					}
				}
			})
		}
		all.Wait()
		if res := b.do(&job{fd: int(f.Fd()), mem: make([]byte, 1), off: 1 << 30}); res != 0 {
			t.Errorf("behind the end: %d", res)
		}
		if res := b.do(&job{fd: -1, mem: make([]byte, 1)}); res != -int32(unix.EBADF) {
			t.Errorf("no file: %d", res)
		}
		b.Close()
	}
}

func pipe(t *testing.T) (r, w int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[0]); unix.Close(p[1]) })
	return p[0], p[1]
}

// TestPipe: what waits for others keeps nothing else from being done, and is told of at once.
func TestPipe(t *testing.T) {
	b := open(t, 8, flagsLadder, nil)
	defer b.Close()
	var readers [20]struct{ r, w int }
	results := make(chan byte, len(readers))
	for i := range readers { // more than the ring has entries
		r, w := pipe(t)
		readers[i].r, readers[i].w = r, w
		mem := make([]byte, 1)
		b.start(&job{fd: r, mem: mem, done: func(int32) { results <- mem[0] }})
	}
	f := tempFile(t)
	for range 100 {
		if res := b.do(&job{fd: int(f.Fd()), write: true, mem: []byte{1}}); res != 1 {
			t.Fatalf("write: %d", res)
		}
	}
	for i := len(readers) - 1; i >= 0; i-- {
		if _, err := unix.Write(readers[i].w, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		if got := <-results; got != byte(i) {
			t.Errorf("reader %d had %d", i, got)
		}
	}
}

// TestCloseOutstanding: what cannot end is canceled, and everything is told of.
func TestCloseOutstanding(t *testing.T) {
	b := open(t, 8, flagsLadder, nil)
	r, _ := pipe(t)
	var ended, canceled atomic.Int64
	const jobs = 20
	for range jobs {
		b.start(&job{fd: r, mem: make([]byte, 1), done: func(res int32) {
			ended.Add(1)
			if res == -int32(unix.ECANCELED) || res == -int32(unix.EINTR) {
				canceled.Add(1)
			}
		}})
	}
	f := tempFile(t)
	b.do(&job{fd: int(f.Fd()), write: true, mem: []byte{1}}) // all of them have been started
	b.Close()
	if b.ending.Load() != 0 || b.runs.Load() == 0 {
		t.Errorf("%d have ended in a run that has no end", b.ending.Load())
	}
	if ended.Load() != jobs || canceled.Load() != jobs {
		t.Errorf("%d ended, %d of them canceled, of %d", ended.Load(), canceled.Load(), jobs)
	}
}

// TestLateComer: work that comes when the thread has looked for it, and does not sleep yet, is
// not left until it is woken for something else.
func TestLateComer(t *testing.T) {
	b := open(t, 8, flagsLadder, nil)
	defer b.Close()
	f := tempFile(t)
	for range 20 {
		done := make(chan int32, 1)
		for !b.asleep.Load() {
			time.Sleep(time.Millisecond)
		}
		b.late.Store(&job{fd: int(f.Fd()), write: true, mem: []byte{1}, done: func(res int32) { done <- res }})
		b.Wake() // it finds nothing, and then
		if res := <-done; res != 1 {
			t.Fatalf("write: %d", res)
		}
	}
}

func TestRegistered(t *testing.T) {
	f := tempFile(t)
	mem, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(mem)
	registered := false
	b := open(t, 8, flagsLadder, func(_ *bench, r *Ring) {
		if r.RegisterBuffer(0, mem) {
			t.Error("registered without a table")
		}
		registered = r.ReserveBuffers(4) && r.RegisterBuffer(3, mem) && r.RegisterBuffer(2, mem)
		r.ForgetBuffer(2)
		r.ForgetBuffer(1)
		r.ForgetBuffer(4)
		if r.RegisterBuffer(4, mem) || r.RegisterBuffer(-1, mem) || r.RegisterBuffer(0, nil) {
			t.Error("registered what cannot be")
		}
	})
	defer b.Close()
	if !registered {
		t.Skip("the kernel, or RLIMIT_MEMLOCK, lets us register no buffers: not tested")
	}
	for i := range mem[:8192] {
		mem[i] = byte(i * 7)
	}
	if res := b.do(&job{fd: int(f.Fd()), write: true, mem: mem[:4096], off: 100, fixed: 4}); res != 4096 {
		t.Fatalf("write: %d", res)
	}
	if res := b.do(&job{fd: int(f.Fd()), mem: mem[1<<19:][:4096], off: 100, fixed: 4}); res != 4096 || !bytes.Equal(mem[1<<19:][:4096], mem[:4096]) {
		t.Fatalf("read: %d", res)
	}
	if res := b.do(&job{fd: int(f.Fd()), mem: make([]byte, 512), off: 100, fixed: 4}); res != -int32(unix.EFAULT) {
		t.Errorf("memory outside the buffer: %d", res)
	}
	if res := b.do(&job{fd: int(f.Fd()), mem: mem[:512], off: 100, fixed: 3}); res != -int32(unix.EFAULT) {
		t.Errorf("a buffer that was forgotten: %d", res)
	}
}

// TestOverflow: completions that do not fit into the queue are not lost.
func TestOverflow(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := newRing(4, flagsLadder)
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	const rounds = 10
	for i := range uint64(rounds * 4) {
		if r.Next(i) == nil { // an SQE of zeros does nothing
			t.Fatalf("no room for number %d", i)
		}
		if i%4 == 3 {
			if r.Next(99) != nil {
				t.Fatal("a fifth of four entries")
			}
			if err := r.enter(0); err != nil && err != unix.EBUSY && err != unix.EAGAIN {
				t.Fatal(err)
			}
			if r.full() { // the kernel wants its completions taken first
				break
			}
		}
	}
	want, got := r.inFlight, 0
	for range 100 {
		got += r.reap(func(_ uint64, res int32) {
			if res != 0 {
				t.Errorf("result %d", res)
			}
		})
		if got == want {
			break
		}
		if err := r.enter(0); err != nil {
			t.Log(err)
		}
	}
	if got != want || r.inFlight != 0 || want < 12 {
		t.Errorf("%d completions of %d", got, want)
	}
}

// TestIdle: a thread without work does nothing at all.
func TestIdle(t *testing.T) {
	b := open(t, 8, flagsLadder, nil)
	defer b.Close()
	f := tempFile(t)
	b.do(&job{fd: int(f.Fd()), write: true, mem: []byte{1}})
	for !b.asleep.Load() {
		time.Sleep(time.Millisecond)
	}
	before := b.fills.Load()
	time.Sleep(50 * time.Millisecond)
	if n := b.fills.Load() - before; n > 1 { // it may have been on its way to sleep
		t.Errorf("the thread looked for work %d times", n)
	}
}

func TestNoAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	b := open(t, 8, flagsLadder, nil)
	defer b.Close()
	f := tempFile(t)
	done := make(chan int32, 1)
	j := &job{fd: int(f.Fd()), write: true, mem: make([]byte, 512), done: func(res int32) { done <- res }}
	b.mu.Lock()
	b.waiting = make([]*job, 0, 4096)
	b.mu.Unlock()
	if n := testing.AllocsPerRun(500, func() { b.start(j); <-done }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestExplain(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.ENOSYS: "built without it", unix.EPERM: "seccomp", unix.ENOMEM: "RLIMIT_MEMLOCK", unix.EMFILE: "descriptor", unix.EIO: "io_uring_setup",
	} {
		err := explain(errno)
		if !errors.Is(err, ErrUnavailable) || !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
		if !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "io_uring_disabled") {
			t.Errorf("%v: %q does not say %q", errno, err, want)
		}
	}
	if _, err := start(8, new(bench), []uint32{1 << 31}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("flags that no kernel knows: %v", err)
	}
	if _, err := start(1<<30, new(bench), flagsLadder); !errors.Is(err, ErrUnavailable) {
		t.Errorf("too many entries: %v", err)
	}
}

func BenchmarkFile(b *testing.B) {
	l := open(b, 8, flagsLadder, nil)
	defer l.Close()
	f := tempFile(b)
	done := make(chan int32, 1)
	j := &job{fd: int(f.Fd()), write: true, mem: make([]byte, 512), done: func(res int32) { done <- res }}
	b.ReportAllocs()
	for b.Loop() {
		l.start(j)
		<-done
	}
}
