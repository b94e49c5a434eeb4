package tcp_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// What many queue at a time arrives in order and whole, whoever sends it, full socket or not.
func TestSenderOrder(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		const writers, each, size = 8, 200, 1 << 10
		var all sync.WaitGroup
		var turn sync.Mutex
		number := uint32(0)
		for range writers {
			all.Go(func() {
				for i := range each {
					b := make([]byte, size)
					turn.Lock()
					binary.BigEndian.PutUint32(b, number)
					number++
					l.put(b)
					turn.Unlock()
					switch i % 10 {
					case 3:
						l.Hold()
					case 5:
						l.Release()
					default:
						l.Flush()
					}
				}
				l.Release()
			})
		}
		got := make([]byte, size)
		for i := range uint32(writers * each) {
			if err := readFull(peer, got); err != nil {
				t.Fatal(err)
			}
			if n := binary.BigEndian.Uint32(got); n != i {
				t.Fatalf("%d comes where %d should", n, i)
			}
		}
		all.Wait()
		l.End(false)
		if n, err := peer.Read(got); n != 0 || err != io.EOF {
			t.Errorf("after the end: %d bytes, %v", n, err)
		}
		peer.Close()
		l.over()
		if s := l.Stats(); l.done != writers*each || l.Backlog() != len("late") || s.Bytes != writers*each*size {
			t.Errorf("%d were sent, %d bytes are left, %+v", l.done, l.Backlog(), s)
		}
	})
}

// What is held leaves with one call; much of it does not wait.
func TestSenderHold(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		l.most = 1 << 20
		l.Hold()
		for range 100 {
			l.put([]byte("x"))
			l.Flush()
		}
		if s := l.Stats(); s.Calls != 0 || !l.Held() {
			t.Errorf("held: %d calls", s.Calls)
		}
		l.Release()
		if s := l.Stats(); s.Calls != 1 || s.Bytes != 100 || l.Held() {
			t.Errorf("released: %d calls", s.Calls)
		}
		l.Release()
		l.Flush()
		if s := l.Stats(); s.Calls != 1 {
			t.Errorf("%d calls without anything to send", s.Calls)
		}
		l.Hold()
		l.put(make([]byte, 255<<10))
		l.Flush()
		if s := l.Stats(); s.Calls != 1 {
			t.Error("a little less than much was sent")
		}
		l.put(make([]byte, 1<<10))
		l.Flush()
		if err := readFull(peer, make([]byte, 100+256<<10)); err != nil {
			t.Error(err)
		}
		peer.Close()
		l.over()
	})
}

// A full socket: all of it arrives when the peer reads, and nobody waited for that.
func TestSenderFull(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		var want []byte
		for i := range 32 {
			b := bytes.Repeat([]byte{byte(i)}, 64<<10-i)
			want = append(want, b...)
			l.put(b)
		}
		l.Flush()
		<-l.full
		l.Flush()    // there is one who sends
		l.End(false) // and who ends it then
		got, err := io.ReadAll(peer)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d of %d bytes, or others, %v", len(got), len(want), err)
		}
		peer.Close()
		l.over()
		if s := l.Stats(); l.done != 32 || s.Blocked == 0 || s.Blocked > s.Calls {
			t.Errorf("%d were sent, %+v", l.done, s)
		}
		select {
		case err := <-l.bad:
			t.Errorf("it failed with %v", err)
		default:
		}
	})
}

// A batch that waits for room may be made to lead to no memory of others.
func TestSenderOwn(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		l.most = 1 << 30
		want := bytes.Repeat([]byte("abcdefgh"), 1<<18)
		mem := bytes.Clone(want)
		l.put(mem)
		// Nobody sends while the memory is replaced.
		l.sock.(*watched).Socket = &lazy{Socket: l.sock.(*watched).Socket}
		l.Flush()
		<-l.full
		l.mu.Lock()
		l.io.Lock()
		left := l.b.Own()
		if left == 0 || left == len(want) || l.b.Own() != left {
			t.Fatalf("%d bytes are left", left)
		}
		clear(mem)
		l.io.Unlock()
		l.mu.Unlock()
		go l.sock.(*watched).Socket.(*lazy).Socket.AwaitRoom(&l.Sender)
		got := make([]byte, len(want))
		if err := readFull(peer, got); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("it was sent from the memory before")
		}
		peer.Close()
		l.over()
	})
}

// A lazy socket does not await room.
type lazy struct{ tcp.Socket }

func (*lazy) AwaitRoom(tcp.WriteHandler) {}

// A peer that resets the connection while room is awaited: it fails once, and nothing is sent any
// more.
func TestSenderReset(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		if err := peer.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		for range 128 {
			l.put(make([]byte, 64<<10))
		}
		l.Flush()
		<-l.full
		peer.Close()
		if err := <-l.bad; err == nil {
			t.Error("it failed without an error")
		}
		l.over()
		if l.done == 128 || len(l.bad) > 0 {
			t.Errorf("%d were sent, it failed %d times more", l.done, len(l.bad))
		}
	})
}

// A socket that breaks in the middle of a batch: what was sent before is done, and nothing of
// the batch is.
func TestSenderBroken(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		l.most = 30
		bad := errors.New("broken")
		taken := 0
		l.init(func(fd uintptr, iov []unix.Iovec) (int, error) {
			if taken > 30 {
				return 0, bad
			}
			v := iov[0]
			v.SetLen(min(int(v.Len), 10-taken%10, 6))
			n, err := tcp.SendMsg(fd, []unix.Iovec{v})
			taken += n
			return n, err
		})
		for range 6 {
			l.put([]byte("0123456789"))
		}
		l.Flush()
		if err := <-l.bad; err != bad {
			t.Errorf("it failed with %v", err)
		}
		got, _ := io.ReadAll(peer) // perhaps a reset
		if want := "0123456789012345678901234567890123456789"[:36]; string(got) != want {
			t.Errorf("%q has come", got)
		}
		l.over()
		if l.done != 3 || l.begun != 3 || len(l.bad) > 0 {
			t.Errorf("%d are done, %d were begun, it failed %d times more", l.done, l.begun, len(l.bad))
		}
	})
}

// Close, or a hard end, while the socket is full waits for no peer; which does not take a hard end
// for an orderly one.
func TestSenderCloseFull(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		for what, end := range map[string]func(l *line){
			"closed": func(l *line) { _ = l.sock.Close() },
			"ended":  func(l *line) { l.End(true) },
			"both": func(l *line) {
				l.End(false)
				l.End(true)
			},
		} {
			l, peer := newLine(t, e) // the peer reads nothing
			for range 128 {
				l.put(make([]byte, 64<<10))
			}
			l.Flush()
			<-l.full
			end(l)
			l.over() // it waits for the one who sends
			if err := <-l.bad; !errors.Is(err, net.ErrClosed) && !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%s: it failed with %v", what, err)
			}
			if _, err := io.Copy(io.Discard, peer); what != "closed" && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("%s: the peer finds %v", what, err)
			}
			if l.done == 128 {
				t.Errorf("%s: all were sent", what)
			}
		}
	})
}

// A hard end sends what the socket takes, and awaits no room; if that is not all the peer sees it.
func TestSenderHardEnd(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		l.Hold()
		l.put([]byte("last words"))
		l.End(true)
		if got, err := io.ReadAll(peer); err != nil || string(got) != "last words" {
			t.Errorf("%q, %v", got, err)
		}
		l.over()

		l, peer = newLine(t, e)
		l.Hold()
		for range 128 {
			l.put(make([]byte, 64<<10))
		}
		l.End(true)
		if err := <-l.bad; err != nil {
			t.Errorf("a full socket: it failed with %v", err)
		}
		l.over()
		if s := l.Stats(); s.Blocked != 0 || s.Bytes == 0 || len(l.full) > 0 {
			t.Errorf("a full socket: %+v", s)
		}
		if _, err := io.Copy(io.Discard, peer); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("a full socket: the peer finds %v", err)
		}
	})
}

// Sending allocates nothing.
func TestSenderAllocations(t *testing.T) {
	l := &line{tb: t, most: 1 << 20, sock: sink{}}
	l.init(func(_ uintptr, iov []unix.Iovec) (n int, err error) {
		for i := range iov {
			n += int(iov[i].Len)
		}
		return n, nil
	})
	b := make([]byte, 10)
	round := func() {
		for range 10 {
			l.put(b)
		}
		l.Flush()
	}
	round()
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if l.done < 1000 {
		t.Errorf("%d were sent", l.done)
	}
}

// A sink is a socket that always can be tried.
type sink struct{ tcp.Socket }

func (sink) Try(f func(fd uintptr)) error { f(0); return nil }

// What is queued before the end, by whoever is told that a batch was sent, is sent before it.
func TestSenderEndInside(t *testing.T) {
	engines(t, func(t *testing.T, e tcp.Engine) {
		l, peer := newLine(t, e)
		q := &last{line: l}
		l.Init(tcp.SenderConfig{Source: q, Socket: l.sock, Batches: batches})
		l.put([]byte("words"))
		l.Flush()
		if got, err := io.ReadAll(peer); err != nil || string(got) != "words, and last words" {
			t.Errorf("%q, %v", got, err)
		}
		l.over()
	})
}

// last is a line that ends with the first batch.
type last struct {
	*line
	over bool
}

func (q *last) Sent() {
	q.line.Sent()
	if !q.over {
		q.over = true
		q.put([]byte(", and last words"))
		q.End(true)
	}
}
