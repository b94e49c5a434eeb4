package iwarp

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/tcp"
)

// TestCrowd: peers of one address that ask for nothing make room for their own alone, and the user of the
// listener is told of them.
func TestCrowd(t *testing.T) {
	e := tcp.NewGoroutines(tcp.Spin{})
	d := device(t, Config{Engine: e, HalfOpen: 8, Handshake: time.Minute})
	l := listen(t, d)
	var mu sync.Mutex
	told := map[string]int{}
	l.(rdma.Evicter).Evicted(func(remote string) {
		mu.Lock()
		defer mu.Unlock()
		told[strings.Split(remote, ":")[0]]++
	})
	modest := dialFrom(t, "127.0.0.2", l.Addr()) // the oldest of all
	modest.write([]byte("MPA ID"))
	eventually(t, func() bool { return halfOpen(l) == 1 })
	var all []*raw
	for range 30 {
		all = append(all, dialFrom(t, "127.0.0.1", l.Addr()))
	}
	eventually(t, func() bool {
		mu.Lock()
		defer mu.Unlock()
		return told["127.0.0.1"] == 30-7
	})
	mu.Lock()
	if told["127.0.0.2"] != 0 || halfOpen(l) != 8 {
		t.Errorf("%v had to make room, %d are half open", told, halfOpen(l))
	}
	mu.Unlock()
	for _, p := range all[:23] { // the oldest first
		p.gone()
	}
	_ = modest.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := modest.Read(make([]byte, 1)); !isTimeout(err) {
		t.Errorf("who was there first: %v", err)
	}
}

// eventually waits for what is.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for stop := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(stop) {
			t.Fatal("it does not happen")
		}
	}
}

func dialFrom(t testing.TB, from, addr string) *raw {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { _ = c.Close() })
	return &raw{c.(*net.TCPConn), t}
}

func isTimeout(err error) bool {
	ne, ok := err.(net.Error)
	return ok && ne.Timeout()
}
