package message

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is two connected sockets.
func pair(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var conns [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socket")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		conns[i] = c.(*net.UnixConn)
	}
	return conns[0], conns[1]
}

// file is an open file of this process, until the test ends.
func file(t testing.TB) int {
	t.Helper()
	fd, err := unix.MemfdCreate("message", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// open is how many files of this process are open.
func open(t testing.TB) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("SKIPPED: there is no /proc to count open files in: ", err)
	}
	return len(all)
}

// TestStream: messages with descriptors, in order, until the end.
func TestStream(t *testing.T) {
	a, b := pair(t)
	to, from := NewStream(a, nil), NewStream(b, nil)
	fd := file(t)
	before := open(t)
	big := bytes.Repeat([]byte{7}, MaxPayload)
	for _, w := range []struct {
		h       Header
		payload []byte
		fds     []int
	}{
		{Header{Request: GetFeatures}, nil, nil},
		{Header{Request: SetVringCall, Flags: FlagNeedReply}, VringFile{2, false}.Append(nil), []int{fd}},
		{Header{Request: GetFeatures, Flags: FlagReply}, big, bytesOf(fd, MaxDescriptors)},
	} {
		if err := to.Write(w.h, w.payload, w.fds...); err != nil {
			t.Fatal(err)
		}
		var m Message
		if err := from.Read(&m); err != nil {
			t.Fatal(err)
		}
		w.h.Size = uint32(len(w.payload))
		if m.Header != w.h || !bytes.Equal(m.Payload, w.payload) || m.Descriptors.Len() != len(w.fds) {
			t.Errorf("%+v, %d bytes, %d descriptors; want %+v, %d, %d", m.Header, len(m.Payload), m.Descriptors.Len(), w.h, len(w.payload), len(w.fds))
		}
		if fd, ok := m.Descriptors.Take(); ok {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("the descriptor would be left to another program: %#x, %v", flags, err)
			}
			unix.Close(fd)
		}
		m.Descriptors.Close()
	}
	a.Close()
	var m Message
	if err := from.Read(&m); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if after := open(t); after != before-1 {
		t.Errorf("%d files are open, and were %d", after, before)
	}
}

func bytesOf(fd, n int) (all []int) {
	for range n {
		all = append(all, fd)
	}
	return all
}

// TestStreamPieces: a message may come byte by byte; who limits its time is told that it has begun, and that it is there.
func TestStreamPieces(t *testing.T) {
	a, b := pair(t)
	begun, stopped := make(chan bool, 1), make(chan bool, 1)
	from := NewStream(b, func() func() { begun <- true; return func() { stopped <- true } })
	wire := append(Header{Request: SetFeatures, Size: 8}.Append(nil), AppendNumber(nil, 5)...)
	got := make(chan error, 1)
	var m Message
	go func() { got <- from.Read(&m) }()
	for i := range wire {
		if i == 1 {
			<-begun
		}
		if len(stopped) > 0 {
			t.Fatalf("the message is whole after %d bytes", i)
		}
		if _, err := a.Write(wire[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-got; err != nil || m.Request != SetFeatures || u64(m.Payload) != 5 {
		t.Errorf("%+v, %v", m, err)
	}
	<-stopped
}

// TestStreamRefuses: after what cannot be read no descriptor is left open.
func TestStreamRefuses(t *testing.T) {
	fd := file(t)
	good := Header{Request: SetFeatures, Size: 8}.Append(nil)
	for _, c := range []struct {
		name string
		send func(a *net.UnixConn)
		is   error
	}{
		{"half a header", func(a *net.UnixConn) { a.WriteMsgUnix(good[:5], unix.UnixRights(fd), nil) }, io.ErrUnexpectedEOF},
		{"no payload", func(a *net.UnixConn) { a.WriteMsgUnix(good, unix.UnixRights(fd), nil) }, io.ErrUnexpectedEOF},
		{"late descriptors", func(a *net.UnixConn) {
			a.WriteMsgUnix(good, unix.UnixRights(fd), nil)
			a.WriteMsgUnix(make([]byte, 8), unix.UnixRights(fd, fd), nil)
		}, ErrInside},
		{"too many", func(a *net.UnixConn) { a.WriteMsgUnix(good, unix.UnixRights(bytesOf(fd, MaxDescriptors+1)...), nil) }, ErrCut},
		{"a version", func(a *net.UnixConn) {
			a.WriteMsgUnix([]byte{1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, unix.UnixRights(fd), nil)
		}, nil},
		{"too long", func(a *net.UnixConn) {
			a.WriteMsgUnix([]byte{1, 0, 0, 0, 1, 0, 0, 0, 1, 16, 0, 0}, unix.UnixRights(fd), nil)
		}, nil},
	} {
		a, b := pair(t)
		before := open(t)
		c.send(a)
		a.Close()
		var m Message
		err := NewStream(b, nil).Read(&m)
		var wrong *Error
		if c.is != nil && !errors.Is(err, c.is) || c.is == nil && !errors.As(err, &wrong) {
			t.Errorf("%s: %v", c.name, err)
		}
		if m.Descriptors.Len() != 0 {
			t.Errorf("%s: the message has descriptors", c.name)
		}
		if after := open(t); after != before-1 {
			t.Errorf("%s: %d files are open, and were %d", c.name, after, before)
		}
	}
	if err := NewStream(nil, nil).Write(Header{}, make([]byte, MaxPayload+1)); err == nil {
		t.Error("a payload that is too long is sent")
	}
	if err := NewStream(nil, nil).Write(Header{}, nil, make([]int, MaxDescriptors+1)...); err == nil {
		t.Error("too many descriptors are sent")
	}
}

// FuzzStream: whatever comes, Read ends with the socket, and no descriptor is left.
func FuzzStream(f *testing.F) {
	f.Add(append(Header{Request: SetFeatures, Size: 8}.Append(nil), make([]byte, 8)...), uint8(1), uint8(4))
	f.Add(Header{Request: GetFeatures}.Append(nil), uint8(33), uint8(0))
	fd, err := unix.MemfdCreate("message", unix.MFD_CLOEXEC)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { unix.Close(fd) })
	f.Fuzz(func(t *testing.T, b []byte, fds, cut uint8) {
		if len(b) > 1<<15 {
			return // it would not fit into the socket
		}
		a, c := pair(t)
		before := open(t)
		n := min(int(cut), len(b))
		a.WriteMsgUnix(b[:n], unix.UnixRights(bytesOf(fd, int(fds)%40)...), nil)
		a.Write(b[n:])
		a.Close()
		s := NewStream(c, nil)
		for {
			var m Message
			if s.Read(&m) != nil {
				break
			}
			m.Descriptors.Close()
		}
		if after := open(t); after != before-1 {
			t.Fatalf("%d files are open, and were %d", after, before)
		}
	})
}
