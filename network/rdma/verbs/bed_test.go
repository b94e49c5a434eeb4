package verbs

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// A user is a handler that keeps what it is told.
type user struct {
	mu       sync.Mutex
	changed  sync.Cond
	messages [][]byte
	done     map[*rdma.Work]error
	closed   bool
	err      error
}

func newUser() *user {
	u := &user{done: make(map[*rdma.Work]error)}
	u.changed.L = &u.mu
	return u
}

func (u *user) Received(m rdma.Message) {
	u.mu.Lock()
	u.messages = append(u.messages, bytes.Clone(m.Data))
	u.changed.Broadcast()
	u.mu.Unlock()
}

func (u *user) Done(w *rdma.Work, err error) {
	u.mu.Lock()
	u.done[w] = err
	u.changed.Broadcast()
	u.mu.Unlock()
}

func (u *user) Closed(err error) {
	u.mu.Lock()
	u.closed, u.err = true, err
	u.changed.Broadcast()
	u.mu.Unlock()
}

// until waits for something that has to come.
func (u *user) until(ok func() bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for !ok() {
		u.changed.Wait()
	}
}

// back waits for a work.
func (u *user) back(w *rdma.Work) (err error) {
	u.until(func() bool { var ok bool; err, ok = u.done[w]; return ok })
	return err
}

// end waits for Closed.
func (u *user) end() error {
	u.until(func() bool { return u.closed })
	return u.err
}

// A bed is a fabric with a device, and a connection.
type bed struct {
	f    *fabric
	d    *Device
	a, b rdma.Conn
	ua   *user
	ub   *user
}

var wide = rdma.Options{Reads: 4, Serves: 4, MaxMessage: 8192, Messages: 64}

// newBed makes one; change may change it before the device is made.
func newBed(t *testing.T, c Config, change func(f *fabric)) *bed {
	t.Helper()
	x := &bed{f: newFabric(), ua: newUser(), ub: newUser()}
	if change != nil {
		change(x.f)
	}
	var err error
	if x.d, err = start(c, x.f); err != nil {
		t.Fatal(err)
	}
	l, err := x.d.Listen(context.Background(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error)
	go func() {
		r, err := l.Accept()
		if err == nil {
			x.b, err = r.Accept(wide)
		}
		accepted <- err
	}()
	x.a, _, err = x.d.Dial(context.Background(), l.Addr(), wide)
	if err = errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	x.a.Start(x.ua)
	x.b.Start(x.ub)
	t.Cleanup(func() {
		x.a.Close(nil)
		x.b.Close(nil)
		_ = x.ua.end()
		_ = x.ub.end()
		if err := errors.Join(l.Close(), x.d.Close()); err != nil {
			t.Error(err)
		}
		x.f.mu.Lock()
		defer x.f.mu.Unlock()
		if len(x.f.regions) > 0 {
			t.Errorf("%d regions are still registered", len(x.f.regions))
		}
		if x.f.overruns > 0 {
			t.Errorf("%d completions had no room", x.f.overruns)
		}
	})
	return x
}

// post posts works and waits for them.
func (x *bed) post(t *testing.T, ws ...*rdma.Work) {
	t.Helper()
	for _, w := range ws {
		if !x.a.Post(w) {
			t.Fatal("refused")
		}
	}
	x.a.Flush()
	for _, w := range ws {
		if err := x.ua.back(w); err != nil {
			t.Fatal(err)
		}
	}
}

// lend is n bytes of an arena.
func lend(t *testing.T, a *buffer.Arena, n int64) *buffer.Lease {
	t.Helper()
	l, err := a.Get(n)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
