package roce

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"testing"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/rdma"
)

// options are those of both sides of tests.
var options = rdma.Options{Reads: 8, Serves: 8, MaxMessage: 64 << 10, Messages: 64}

// A user is one side of a connection, which keeps what it is told.
type user struct {
	rdma.Conn
	mu       sync.Mutex
	changed  sync.Cond
	messages [][]byte
	done     map[*rdma.Work]error
	over     bool
	err      error
}

func newUser(c rdma.Conn) *user {
	u := &user{Conn: c, done: make(map[*rdma.Work]error)}
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
	u.over, u.err = true, err
	u.changed.Broadcast()
	u.mu.Unlock()
}

// message waits for the i-th message; nil: the connection has ended before.
func (u *user) message(i int) []byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	for len(u.messages) <= i && !u.over {
		u.changed.Wait()
	}
	if len(u.messages) <= i {
		return nil
	}
	return u.messages[i]
}

// back waits for a work.
func (u *user) back(w *rdma.Work) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for {
		if err, ok := u.done[w]; ok {
			return err
		}
		u.changed.Wait()
	}
}

// closed waits for the end.
func (u *user) closed() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	for !u.over {
		u.changed.Wait()
	}
	return u.err
}

// post posts and flushes.
func (u *user) post(t testing.TB, all ...*rdma.Work) {
	t.Helper()
	for _, w := range all {
		if !u.Post(w) {
			t.Fatal("a work was refused")
		}
	}
	u.Flush()
}

// connect makes a connection, which is started: a has dialled, b has accepted.
func connect(t testing.TB, l rdma.Listener, dials rdma.Device) (a, b *user) {
	t.Helper()
	came := make(chan *user, 1)
	go func() {
		defer close(came)
		var c rdma.Conn
		for c == nil {
			r, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			// A request that wants too much is refused with what is possible, and is made again.
			if c, err = r.Accept(options); err != nil && !errors.Is(err, ErrMTU) {
				t.Error(err)
				return
			}
		}
		u := newUser(c)
		c.Start(u)
		came <- u
	}()
	c, _, err := dials.Dial(context.Background(), l.Addr(), options)
	if err != nil {
		t.Fatal(err)
	}
	a = newUser(c)
	c.Start(a)
	if b = <-came; b == nil {
		t.FailNow()
	}
	return a, b
}

// listen makes a service point, and closes it with the test.
func listen(t testing.TB, d rdma.Device, addr string) rdma.Listener {
	t.Helper()
	l, err := d.Listen(context.Background(), addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// numbered is n bytes that differ by seed and place.
func numbered(n int, seed uint32) []byte {
	b := make([]byte, n+4)
	for i := 0; i < n; i += 4 {
		binary.LittleEndian.PutUint32(b[i:], (uint32(i)+seed*7919)*2654435761)
	}
	return b[:n:n]
}

// fewer are the rounds of an exchange under the race detector, where a packet takes ten times as long: messages of all sizes are in them still.
func fewer(rounds int) int {
	if raceEnabled {
		return max(rounds/4, 7)
	}
	return rounds
}

// exchange moves works of all kinds in both directions, and compares every byte.
func exchange(t *testing.T, a, b *user, rounds int) {
	t.Helper()
	var all sync.WaitGroup
	for k, s := range [][2]*user{{a, b}, {b, a}} {
		from, to := s[0], s[1]
		all.Go(func() {
			for i := range rounds {
				n := []int{1, 255, 256, 5000, 70_000, 300_000}[(i*7+k)%6]
				data, into := numbered(n, uint32(2*i+k)), make([]byte, n)
				w, err := to.Expose(buffer.Of(into), rdma.RemoteWrite)
				if err != nil {
					t.Error(err)
					return
				}
				r, err := to.Expose(buffer.Of(data), rdma.RemoteRead)
				if err != nil {
					t.Error(err)
					return
				}
				back := make([]byte, n)
				message := numbered(min(n, 60_000), uint32(i))
				works := []*rdma.Work{
					{Op: rdma.Write, Data: buffer.Of(data), Len: int64(n), Remote: w},
					{Op: rdma.Send, Head: message},
					{Op: rdma.Read, Data: buffer.Of(back), Len: int64(n), Remote: r},
				}
				from.post(t, works...)
				for _, x := range works {
					if err := from.back(x); err != nil {
						t.Errorf("round %d: %v", i, err)
						return
					}
				}
				if !bytes.Equal(to.message(i), message) || !bytes.Equal(into, data) || !bytes.Equal(back, data) {
					t.Errorf("round %d: wrong data", i)
				}
				to.Revoke(w.Key)
				to.Revoke(r.Key)
			}
		})
	}
	all.Wait()
}

// finish ends a connection in order.
func finish(t *testing.T, a, b *user) {
	t.Helper()
	a.Close(nil)
	b.Close(nil)
	if err := a.closed(); err != nil {
		t.Error(err)
	}
	if err := b.closed(); err != nil {
		t.Error(err)
	}
}
