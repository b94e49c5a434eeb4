package tcp_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"
	"unsafe"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/lunette-io/lunette/network/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the two ends of a connection: the accepted one and the one that dialed.
func pair(t *testing.T, addr string, opts tcp.Options) (accepted, dialed *tcp.Conn) {
	t.Helper()
	l := listen(t, addr, opts)
	raw, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	dialed, err = tcp.NewConn(raw.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dialed.Close() })
	accepted, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return accepted, dialed
}

func listen(t *testing.T, addr string, opts tcp.Options) *tcp.Listener {
	t.Helper()
	l, err := tcp.Listen(t.Context(), addr, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// send sends all of iov.
func send(c *tcp.Conn, iov []unix.Iovec) (err error) {
	if werr := c.Write(func(fd uintptr) bool {
		for len(iov) > 0 && err == nil {
			var n int
			if n, err = tcp.SendMsg(fd, iov); tcp.Again(err) {
				err = nil
				return false
			}
			iov = tcp.Advance(iov, n)
		}
		return true
	}); werr != nil {
		return werr
	}
	return err
}

// receive fills iov, or returns at the end of the stream with what is left.
func receive(c *tcp.Conn, iov []unix.Iovec) (left []unix.Iovec, err error) {
	rerr := c.Read(func(fd uintptr) bool {
		for len(iov) > 0 && err == nil {
			var n int
			if n, err = tcp.RecvMsg(fd, iov); tcp.Again(err) {
				err = nil
				return false
			}
			if n == 0 {
				return true
			}
			iov = tcp.Advance(iov, n)
		}
		return true
	})
	return iov, errors.Join(rerr, err)
}

// cut splits b into pieces at random places.
func cut(t *rapid.T, b []byte, what string) []unix.Iovec {
	var iov []unix.Iovec
	for len(b) > 0 {
		n := rapid.IntRange(1, len(b)).Draw(t, what)
		if len(iov) == 60 {
			n = len(b)
		}
		iov = append(iov, tcp.Vector(b[:n:n]))
		b = b[n:]
	}
	return iov
}

// What is sent in any pieces arrives in any other pieces, through a send buffer that is
// smaller than it.
func TestStream(t *testing.T) {
	server, client := pair(t, "127.0.0.1:0", tcp.Options{SendBuffer: 8 << 10})
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(1, 400_000)).Draw(t, "size")
		out, in := make([]byte, size), make([]byte, size)
		step := rapid.IntRange(1, 255).Draw(t, "step")
		for i := range out {
			out[i] = byte(i*step + i>>8)
		}
		from, into := cut(t, out, "out"), cut(t, in, "in")
		sent := make(chan error, 1)
		go func() { sent <- send(server, from) }()
		left, err := receive(client, into)
		if err = errors.Join(err, <-sent); err != nil || len(left) > 0 {
			t.Fatalf("%d vectors left, %v", len(left), err)
		}
		if !bytes.Equal(in, out) {
			t.Fatal("other bytes arrive")
		}
	})
}

func bytesOf(v unix.Iovec) []byte { return unsafe.Slice(v.Base, int(v.Len)) }

// Advance leaves exactly what comes after n bytes, and touches no memory but iov.
func TestAdvance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := make([]byte, rapid.IntRange(1, 500).Draw(t, "size"))
		for i := range b {
			b[i] = byte(i)
		}
		want := bytes.Clone(b)
		iov := cut(t, b, "piece")
		for at := 0; ; {
			var rest []byte
			for _, v := range iov {
				rest = append(rest, bytesOf(v)...)
			}
			if !bytes.Equal(rest, want[at:]) {
				t.Fatalf("%d bytes left after %d of %d", len(rest), at, len(b))
			}
			if at == len(b) {
				if len(iov) != 0 {
					t.Fatalf("%d vectors left of nothing", len(iov))
				}
				return
			}
			n := rapid.IntRange(0, len(b)-at).Draw(t, "n")
			iov = tcp.Advance(iov, n)
			at += n
		}
	})
}

// The ends of a stream: nothing there yet, the peer's end, ours, and a peer that is gone.
func TestEnds(t *testing.T) {
	server, client := pair(t, "127.0.0.1:0", tcp.Options{})
	one := func() []unix.Iovec { return []unix.Iovec{tcp.Vector(make([]byte, 1))} }
	if err := server.Read(func(fd uintptr) bool {
		if n, err := tcp.RecvMsg(fd, one()); n != 0 || !tcp.Again(err) {
			t.Errorf("nothing has been sent: %d %v", n, err)
		}
		return true
	}); err != nil {
		t.Error(err)
	}
	server.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := receive(server, one()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	server.SetReadDeadline(time.Time{})
	if err := send(client, []unix.Iovec{tcp.Vector([]byte{42})}); err != nil {
		t.Fatal(err)
	}
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 2)
	if left, err := receive(server, []unix.Iovec{tcp.Vector(got)}); err != nil || len(left) != 1 || left[0].Len != 1 || got[0] != 42 {
		t.Errorf("at the end of the stream: %v %v %x", left, err, got)
	}
	if err := send(server, []unix.Iovec{tcp.Vector([]byte{43})}); err != nil {
		t.Errorf("our direction after the peer's end: %v", err)
	}
	if left, err := receive(client, one()); err != nil || len(left) != 0 {
		t.Errorf("%v %v", left, err)
	}
	client.Close()
	big := make([]byte, 1<<20)
	var err error
	for range 100 {
		if err = send(server, []unix.Iovec{tcp.Vector(big)}); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("to a peer that is gone: %v", err)
	}
}

// Close ends a Read and a Write that wait.
func TestCloseWakes(t *testing.T) {
	server, _ := pair(t, "127.0.0.1:0", tcp.Options{SendBuffer: 4096})
	ended := make(chan error, 2)
	go func() {
		_, err := receive(server, []unix.Iovec{tcp.Vector(make([]byte, 1))})
		ended <- err
	}()
	go func() { ended <- send(server, []unix.Iovec{tcp.Vector(make([]byte, 64<<20))}) }()
	time.Sleep(10 * time.Millisecond)
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%v, want net.ErrClosed", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("it waits on")
		}
	}
	if _, err := receive(server, []unix.Iovec{tcp.Vector(make([]byte, 1))}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// RecvMsg and SendMsg allocate nothing.
func TestNoAllocation(t *testing.T) {
	server, client := pair(t, "127.0.0.1:0", tcp.Options{})
	var sent, got [1]byte
	out, in := []unix.Iovec{tcp.Vector(sent[:])}, []unix.Iovec{tcp.Vector(got[:])}
	tx := func(fd uintptr) bool { _, err := tcp.SendMsg(fd, out); return !tcp.Again(err) }
	rx := func(fd uintptr) bool { _, err := tcp.RecvMsg(fd, in); return !tcp.Again(err) }
	if n := testing.AllocsPerRun(100, func() {
		if err := errors.Join(server.Write(tx), client.Read(rx)); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
