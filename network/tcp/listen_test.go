package tcp_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// What cannot be listened at is said with the address and the reason.
func TestListenErrors(t *testing.T) {
	used := listen(t, "127.0.0.1:0", tcp.Options{}).Addr()
	for _, c := range []struct {
		addr string
		is   error
		says string
	}{
		{used, unix.EADDRINUSE, "address already in use"},
		{"192.0.2.1:0", unix.EADDRNOTAVAIL, "cannot assign requested address"}, // TEST-NET-1
		{"127.0.0.1", nil, "missing port"},
		{"127.0.0.1:99999", nil, "invalid port"},
		{"127.0.0.1:-1", nil, "invalid port"},
		{"::1:3260", nil, "too many colons"},
	} {
		l, err := tcp.Listen(t.Context(), c.addr, tcp.Options{})
		if err == nil {
			l.Close()
			t.Errorf("%s: no error", c.addr)
			continue
		}
		if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), strings.TrimPrefix(c.addr, "127.0.0.1:")) {
			t.Errorf("%s: %v", c.addr, err)
		}
	}
}

// A port is free again when its listener has been closed, connections or not.
func TestListenAgain(t *testing.T) {
	l := listen(t, "127.0.0.1:0", tcp.Options{})
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted.Close() // the end that is in TIME-WAIT
	l.Close()
	listen(t, l.Addr(), tcp.Options{})
}

// Close ends an Accept that waits, and all that follow.
func TestAcceptAfterClose(t *testing.T) {
	l := listen(t, "127.0.0.1:0", tcp.Options{})
	ended := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		ended <- err
	}()
	time.Sleep(5 * time.Millisecond)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%v, want net.ErrClosed", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("Accept waits on")
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v, want net.ErrClosed", err)
	}
}

// A connection that is reset before it is accepted takes nothing with it.
func TestAcceptAfterReset(t *testing.T) {
	l := listen(t, "127.0.0.1:0", tcp.Options{})
	gone, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if err := gone.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	gone.Close()
	next, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	for {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		from := c.RemoteAddr()
		c.Close()
		if from == next.LocalAddr().String() {
			return
		}
	}
}

// option is a number that the system keeps for the socket.
func option(t *testing.T, c *tcp.Conn, level, name int) (n int) {
	t.Helper()
	err := c.Write(func(fd uintptr) bool {
		var err error
		if n, err = unix.GetsockoptInt(int(fd), level, name); err != nil {
			t.Error(err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sysctl(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/" + path)
	if err != nil {
		t.Skip(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// untuned is the send buffer of an accepted connection that nobody has touched.
func untuned(t *testing.T, addr string) int {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c, err := tcp.NewConn(a.(*net.TCPConn))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return option(t, c, unix.SOL_SOCKET, unix.SO_SNDBUF)
}

// The kernel doubles what it is given, up to wmem_max.
func TestSendBuffer(t *testing.T) {
	most := sysctl(t, "net/core/wmem_max")
	for addr, six := range map[string]bool{"127.0.0.1:0": false, "[::1]:0": true} {
		if six && !hasIPv6() {
			continue
		}
		plain := untuned(t, addr)
		for given, want := range map[int]int{-1: plain, 0: 2 * min(512<<10, most), 50_000: 2 * min(50_000, most), 1 << 30: 2 * most} {
			c, _ := pair(t, addr, tcp.Options{SendBuffer: given})
			if got := option(t, c, unix.SOL_SOCKET, unix.SO_SNDBUF); got != want {
				t.Errorf("%s: SendBuffer %d gives %d, want %d", addr, given, got, want)
			}
		}
	}
}

func TestKeepAlive(t *testing.T) {
	for given, want := range map[time.Duration][2]int{ // idle, interval in seconds
		0: {60, 15}, 20 * time.Second: {20, 5}, 2 * time.Second: {2, 1}, time.Hour: {3600, 900},
	} {
		c, _ := pair(t, "127.0.0.1:0", tcp.Options{KeepAlive: given})
		got := [2]int{option(t, c, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE), option(t, c, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL)}
		if got != want {
			t.Errorf("KeepAlive %v gives %v, want %v", given, got, want)
		}
		if option(t, c, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 1 || option(t, c, unix.IPPROTO_TCP, unix.TCP_KEEPCNT) != 4 {
			t.Errorf("KeepAlive %v: it is not on, or not four times", given)
		}
		if option(t, c, unix.IPPROTO_TCP, unix.TCP_NODELAY) != 1 {
			t.Error("Nagle's algorithm is on")
		}
	}
}

func hasIPv6() bool {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// Addresses are ADDR:PORT, with brackets for IPv6, and never a v4-mapped one.
func TestAddresses(t *testing.T) {
	listens := map[string]string{"127.0.0.1:0": "127.0.0.1:", "0.0.0.0:0": "127.0.0.1:"}
	if hasIPv6() {
		listens["[::1]:0"] = "[::1]:"
		listens["[::]:0"] = "[::1]:"
	}
	for addr, prefix := range listens {
		l := listen(t, addr, tcp.Options{})
		_, port, err := net.SplitHostPort(l.Addr())
		if err != nil || port == "0" {
			t.Fatalf("%s: bound to %s, %v", addr, l.Addr(), err)
		}
		d, err := net.Dial("tcp", prefix+port)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.LocalAddr() != prefix+port || c.RemoteAddr() != d.LocalAddr().String() {
			t.Errorf("%s: local %s, remote %s, want %s and %s", addr, c.LocalAddr(), c.RemoteAddr(), prefix+port, d.LocalAddr())
		}
		if most := sysctl(t, "net/core/wmem_max"); option(t, c, unix.SOL_SOCKET, unix.SO_SNDBUF) != 2*min(512<<10, most) {
			t.Errorf("%s: the send buffer of a connection on this host is not limited", addr)
		}
	}
}

// A listener of all addresses of one family is none of the other, and both can have one port.
func TestFamiliesAreApart(t *testing.T) {
	if !hasIPv6() {
		return
	}
	four := listen(t, "0.0.0.0:0", tcp.Options{})
	_, port, _ := net.SplitHostPort(four.Addr())
	if four.Addr() != "0.0.0.0:"+port {
		t.Errorf("it is bound to %s", four.Addr())
	}
	if d, err := net.Dial("tcp", "[::1]:"+port); err == nil {
		d.Close()
		t.Error("0.0.0.0 takes IPv6")
	}
	six := listen(t, "[::]:"+port, tcp.Options{})
	for addr, l := range map[string]*tcp.Listener{"127.0.0.1:" + port: four, "[::1]:" + port: six} {
		d, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if c.LocalAddr() != addr {
			t.Errorf("%s: it came to %s", addr, c.LocalAddr())
		}
		c.Close()
	}
	four.Close()
	if d, err := net.Dial("tcp", "127.0.0.1:"+port); err == nil {
		d.Close()
		t.Error("[::] takes IPv4")
	}
}

// Without descriptors room is made, or else who waits is told that there is none; nobody waits in vain.
func TestAcceptWithoutDescriptors(t *testing.T) {
	l := listen(t, "127.0.0.1:0", tcp.Options{})
	var asked atomic.Int32 // for room, of which there is none
	turned := make(chan string, 1)
	l.MakeRoom = func() bool { asked.Add(1); return false }
	l.Turned = func(remote string, why error) {
		if !tcp.Short(why) {
			t.Error(why)
		}
		turned <- remote
	}
	accepted := make(chan *tcp.Conn)
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	first, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	(<-accepted).Close() // all that comes below has been opened once, the poller too

	second, third := socket(t), socket(t)
	defer unix.Close(second)
	defer unix.Close(third)
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	now := unix.Rlimit{Cur: 256, Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &now); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }()
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	defer func() {
		for _, f := range taken {
			_ = f.Close()
		}
	}()
	go func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
		}
		accepted <- c
	}()
	connect(t, second, l.Addr())
	if got, want := <-turned, name(t, second); got != want {
		t.Errorf("%s was turned away, want %s", got, want)
	}
	if _, err := unix.Read(second, make([]byte, 1)); err != unix.ECONNRESET {
		t.Errorf("who is turned away is told %v", err)
	}
	if n := asked.Load(); n < 2 {
		t.Errorf("room was asked for %d times", n)
	}
	_ = taken[0].Close() // there is one again
	taken = taken[1:]
	connect(t, third, l.Addr())
	c := <-accepted
	if c.RemoteAddr() != name(t, third) {
		t.Errorf("%s was accepted, want %s", c.RemoteAddr(), name(t, third))
	}
	c.Close()
}

// socket is one that will be connected when there are no descriptors for others.
func socket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func connect(t *testing.T, fd int, addr string) {
	t.Helper()
	to := netip.MustParseAddrPort(addr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}); err != nil {
		t.Fatal(err)
	}
}

// name is the address of a socket.
func name(t *testing.T, fd int) string {
	t.Helper()
	a, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	four, ok := a.(*unix.SockaddrInet4)
	if !ok {
		t.Fatalf("it is a %T", a)
	}
	return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), uint16(four.Port)).String()
}
