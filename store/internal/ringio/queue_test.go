package ringio

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/store/internal/fdio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a file whose blocking calls are counted.
type plain struct {
	fd    int
	calls atomic.Int64
	hold  chan struct{} // not nil: calls wait for it
}

func (p *plain) ReadAt(_ context.Context, into *buffer.Lease, off int64) error {
	p.calls.Add(1)
	if p.hold != nil {
		<-p.hold
	}
	_, err := fdio.ReadAt(p.fd, into, off, 0)
	return err
}

func (p *plain) WriteAt(_ context.Context, from *buffer.Lease, off int64, _ store.Flags) error {
	p.calls.Add(1)
	_, err := fdio.WriteAt(p.fd, from, off, 0)
	return err
}

func (p *plain) Flush(ctx context.Context) error {
	p.calls.Add(1)
	return ctx.Err()
}

func (p *plain) Trim(ctx context.Context, _, _ int64) error { return p.Flush(ctx) }

func (p *plain) Zero(ctx context.Context, _, _ int64, _ store.Flags) error { return p.Flush(ctx) }

func open(t testing.TB, change func(*Config)) (*Queue, *plain) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	p := &plain{fd: int(f.Fd())}
	cfg := Config{Path: path, FD: p.fd, Store: p, Workers: 4}
	if change != nil {
		change(&cfg)
	}
	q, err := Open(Auto, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if q == nil {
		t.Skip("there is no io_uring: not tested here")
	}
	t.Cleanup(q.Close)
	return q, p
}

// do submits and waits.
func do(q *Queue, op store.Op, l *buffer.Lease, off int64) error {
	done := make(chan error, 1)
	q.Submit(&store.Request{Op: op, Off: off, Data: l, Done: func(_ *store.Request, err error) { done <- err }})
	return <-done
}

// pieces is a lease of n segments of m bytes.
func pieces(n, m int) *buffer.Lease {
	var segs []buffer.Segment
	for range n {
		segs = append(segs, buffer.Segment{Mem: make([]byte, m)})
	}
	return buffer.New(nil, segs...)
}

// TestContinued: more pieces than one operation takes are moved by several.
func TestContinued(t *testing.T) {
	left := 0
	q, p := open(t, func(c *Config) { c.Left = func(*store.Request) { left++ } })
	l, got := pieces(100, 512), pieces(1, 51200)
	for i := range 100 {
		l.Copy(int64(i)*512, bytes.Repeat([]byte{byte(i)}, 512))
	}
	if err := errors.Join(do(q, store.OpWrite, l, 512), do(q, store.OpRead, got, 512)); err != nil {
		t.Fatal(err)
	}
	for i := range 51200 {
		if b := got.At(0)[i]; b != byte(i/512) {
			t.Fatalf("byte %d is %d", i, b)
		}
	}
	if p.calls.Load() != 0 || left != 2 {
		t.Errorf("%d blocking calls, %d requests have left", p.calls.Load(), left)
	}
	err := do(q, store.OpRead, pieces(20, 512), 50<<10)
	if !errors.Is(err, store.ErrMedium) || !strings.Contains(err.Error(), "truncated") {
		t.Errorf("over the end: %v", err)
	}
}

// TestArena: regions are registered once, those of two arenas are not mixed up, and what is
// not registered is moved all the same.
func TestArena(t *testing.T) {
	q, _ := open(t, nil)
	for round := range 3 {
		a, b := buffer.NewArena(32<<20), buffer.NewArena(32<<20)
		for i, arena := range []*buffer.Arena{a, b, a, b} {
			for _, n := range []int64{512, 4096, buffer.MaxBlock + 512} {
				l, err := arena.Get(n)
				if err != nil {
					t.Fatal(err)
				}
				want := bytes.Repeat([]byte{byte(100*round + 10*i + 1)}, int(n))
				l.Copy(0, want)
				err = do(q, store.OpWrite, l, 0)
				l.Clear(0, n)
				err = errors.Join(err, do(q, store.OpRead, l, 0))
				got := make([]byte, n)
				l.Read(0, got)
				l.Release()
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("round %d, arena %d, %d bytes: %v, %d", round, i, n, err, got[0])
				}
			}
		}
		if err := errors.Join(a.Close(), b.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTurnedAway: what the kernel will not do in this way is done by the blocking calls.
func TestTurnedAway(t *testing.T) {
	var p plain
	q, _ := open(t, func(c *Config) {
		// The ring has a descriptor that wants everything aligned, the blocking calls one
		// that does not.
		fd, err := unix.Open(c.Path, unix.O_RDWR|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Skipf("no direct I/O: %v", err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		p.fd, c.FD, c.Store = c.FD, fd, &p
	})
	l := buffer.Of(make([]byte, 4097)[1:])
	l.Copy(0, bytes.Repeat([]byte{7}, 4096))
	if err := do(q, store.OpWrite, l, 1); err != nil { // direct I/O does not do that
		t.Fatal(err)
	}
	l.Clear(0, 4096)
	if err := do(q, store.OpRead, l, 1); err != nil || l.At(4095)[0] != 7 {
		t.Fatal(err)
	}
	if p.calls.Load() != 2 {
		t.Errorf("%d blocking calls", p.calls.Load())
	}
}

// TestErrors: an error is the store's own, with the path.
func TestErrors(t *testing.T) {
	q, _ := open(t, func(c *Config) {
		fd, err := unix.Open(c.Path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		c.FD = fd
	})
	if err := do(q, store.OpWrite, pieces(1, 512), 0); !errors.Is(err, store.ErrMedium) || !errors.Is(err, unix.EBADF) || !strings.Contains(err.Error(), "write 512 bytes at 0") {
		t.Errorf("%v", err)
	}
}

// TestAside: a bounded number of goroutines, and none of them when there is no work.
func TestAside(t *testing.T) {
	var p plain
	q, _ := open(t, func(c *Config) { p.fd, p.hold, c.Store = c.FD, make(chan struct{}), &p })
	if err := do(q, store.OpWrite, pieces(1, 512), 0); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 100 {
		all.Add(1)
		q.Aside(&store.Request{Data: pieces(1, 512), Done: func(_ *store.Request, err error) {
			if err != nil {
				t.Error(err)
			}
			all.Done()
		}})
	}
	q.aside.mu.Lock()
	if n := q.aside.running; n != 4 {
		t.Errorf("%d goroutines", n)
	}
	q.aside.mu.Unlock()
	close(p.hold)
	all.Wait()
	q.aside.ended.Wait()
	if p.calls.Load() != 100 {
		t.Errorf("%d calls", p.calls.Load())
	}
}

// canceled is a request with a way to cancel it.
func canceled(q *Queue, r *store.Request) (cancel func(), done chan error) {
	ctx, end := context.WithCancel(context.Background())
	done = make(chan error, 2)
	r.Context = ctx
	r.Done = func(_ *store.Request, err error) { done <- err }
	return func() { end(); q.Cancel(r) }, done
}

// TestCancelAside: what waits for a goroutine ends at once, though all of them are held up; what
// has one ends with it.
func TestCancelAside(t *testing.T) {
	var p plain
	q, _ := open(t, func(c *Config) { p.fd, p.hold, c.Store, c.Workers = c.FD, make(chan struct{}), &p, 1 })
	if err := do(q, store.OpWrite, pieces(1, 512), 0); err != nil {
		t.Fatal(err)
	}
	var cancels []func()
	var dones []chan error
	for range 5 {
		r := &store.Request{Data: pieces(1, 512)}
		cancel, done := canceled(q, r)
		q.Aside(r)
		cancels, dones = append(cancels, cancel), append(dones, done)
	}
	for p.calls.Load() == 0 {
		runtime.Gosched()
	}
	for _, i := range []int{4, 2, 0} { // the last one, one in the middle, and the one that runs
		cancels[i]()
		if i > 0 {
			if err := <-dones[i]; !errors.Is(err, context.Canceled) {
				t.Errorf("request %d: %v", i, err)
			}
		}
	}
	close(p.hold)
	for _, i := range []int{0, 1, 3} {
		if err := <-dones[i]; err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if n := p.calls.Load(); n != 3 {
		t.Errorf("%d calls", n)
	}
}

// TestCancelInKernel: what the kernel waits for it gives up, and what waits behind that ends as
// well.
func TestCancelInKernel(t *testing.T) {
	left := 0
	q, _ := open(t, func(c *Config) {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fds[0]); unix.Close(fds[1]) })
		c.FD, c.Left = fds[0], func(*store.Request) { left++ } // nothing ever comes
	})
	var cancels []func()
	var dones []chan error
	const all = depth + 20
	for range all {
		r := &store.Request{Data: pieces(1, 512)}
		cancel, done := canceled(q, r)
		q.Submit(r)
		cancels, dones = append(cancels, cancel), append(dones, done)
	}
	for i := range all {
		i = (i*7 + 3) % all // in any order: 7 divides neither
		cancels[i]()
		if err := <-dones[i]; !errors.Is(err, context.Canceled) {
			t.Errorf("request %d: %v", i, err)
		}
	}
	if left != all {
		t.Errorf("%d requests have left", left)
	}
}

// TestOthers: flushes, trims and zeros are the store's blocking calls.
func TestOthers(t *testing.T) {
	q, p := open(t, nil)
	done := make(chan error, 1)
	for i, op := range []store.Op{store.OpFlush, store.OpTrim, store.OpZero, store.OpZero + 1} {
		q.Aside(&store.Request{Op: op, Done: func(_ *store.Request, err error) { done <- err }})
		err := <-done
		if unknown := op > store.OpZero; unknown && !errors.Is(err, store.ErrNotSupported) || !unknown && (err != nil || p.calls.Load() != int64(i+1)) {
			t.Errorf("%v: %v, %d calls", op, err, p.calls.Load())
		}
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[string]string{Threads: "", "aio": "none of auto, uring, threads"} {
		q, err := Open(mode, Config{Path: "disk.img"})
		switch {
		case q != nil:
			t.Errorf("%s: a queue", mode)
			q.Close()
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "disk.img")):
			t.Errorf("%s: %v", mode, err)
		}
	}
}

func TestNoAllocations(t *testing.T) {
	q, _ := open(t, nil)
	a := buffer.NewArena(4 << 20)
	defer a.Close()
	l, _ := a.Get(4096)
	defer l.Release()
	done := make(chan error, 1)
	r := &store.Request{Op: store.OpWrite, Data: l, Done: func(_ *store.Request, err error) { done <- err }}
	for what, do := range map[string]func(){
		"ring":  func() { q.Submit(r); <-done },
		"aside": func() { q.Aside(r); <-done },
	} {
		if n := testing.AllocsPerRun(300, do); n != 0 && !raceEnabled {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

// The ring is made by the first request; if it cannot be made then, what was meant for it is done by calls.
func TestRingComesLater(t *testing.T) {
	left := 0
	q, p := open(t, func(c *Config) { c.Left = func(*store.Request) { left++ } })
	defer q.Close()
	if q.loop.Load() != nil {
		t.Error("there is a ring that nobody needs")
	}
	q.begun.Store(true)
	q.failed.Store(true)
	done := make(chan error, 3)
	for i := range 3 {
		q.Submit(&store.Request{Op: store.OpWrite, Data: buffer.Of(bytes.Repeat([]byte{byte(i)}, 512)), Off: int64(i) * 512, Done: func(_ *store.Request, err error) { done <- err }})
	}
	for range 3 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if p.calls.Load() != 3 || left != 3 {
		t.Errorf("%d calls, %d have left the ring", p.calls.Load(), left)
	}
}
