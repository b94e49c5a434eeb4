package uring

import (
	"errors"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestLayout holds the structures to io_uring.h.
func TestLayout(t *testing.T) {
	var e SQE
	var c cqe
	for what, is := range map[string][2]uintptr{
		"an SQE":             {unsafe.Sizeof(e), 64},
		"a CQE":              {unsafe.Sizeof(c), 16},
		"off":                {unsafe.Offsetof(e.off), 8},
		"addr":               {unsafe.Offsetof(e.addr), 16},
		"len":                {unsafe.Offsetof(e.len), 24},
		"flags of the op":    {unsafe.Offsetof(e.opFlags), 28},
		"user":               {unsafe.Offsetof(e.user), 32},
		"buffer":             {unsafe.Offsetof(e.buffer), 40},
		"payload":            {unsafe.Offsetof(e.payload), 48},
		"room for a command": {2*unsafe.Sizeof(e) - unsafe.Offsetof(e.payload), CommandSize},
	} {
		if is[0] != is[1] {
			t.Errorf("%s: %d, not %d", what, is[0], is[1])
		}
	}
}

// wideRing is a wide ring on the test's thread.
func wideRing(t *testing.T, entries uint32) *Ring {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	r, err := newRing(entries, wideLadder)
	if errors.Is(err, ErrUnavailable) {
		t.Skipf("not tested here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	return r
}

// TestWide goes several times round a wide ring: each entry is where the kernel looks for it, its second half as well, and
// each result with both of its words comes from where the kernel has put it.
func TestWide(t *testing.T) {
	r := wideRing(t, 4)
	if r.entries != 4 || len(r.sqes) != 8 || len(r.cqes) != 2*int(r.cqCount) {
		t.Fatalf("%d entries, %d and %d elements", r.entries, len(r.sqes), len(r.cqes))
	}
	const (
		injectResult = 1 << 0 // flags of the operation that does nothing: it says what it is told to, in both words (6.18)
		wideResult   = 1 << 5
	)
	extra := true
	for round := range uint64(10) {
		for i := range uint64(4) {
			e := r.Next(round*4 + i)
			if e == nil {
				t.Fatal("no room")
			}
			e.opFlags, e.len, e.off = injectResult|wideResult, uint32(round), 0x0102030405060708+i
		}
		if r.Next(99) != nil {
			t.Fatal("a fifth of four entries")
		}
		got := 0
		for got < 4 {
			if err := r.enter(1); err != nil && err != unix.EINTR {
				t.Fatal(err)
			}
			got += r.reap(func(user uint64, res int32) {
				switch {
				case res == -int32(unix.EINVAL):
					extra = false
				case res != int32(round) || user/4 != round || r.Extra() != 0x0102030405060708+user%4:
					t.Errorf("%d: %d, %#x", user, res, r.Extra())
				}
			})
		}
	}
	if !extra {
		t.Log("the kernel has no operation that sets the second result: not tested here")
	}
}

// TestCommand: the driver of a file gets its commands, and a file without says so.
func TestCommand(t *testing.T) {
	r := wideRing(t, 4)
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(socket)
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	self, err := unix.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(socket, make([]byte, 123), 0, self); err != nil {
		t.Fatal(err)
	}
	f := tempFile(t)
	const inQueue, unknown = 0, 12345 // commands of sockets (6.7)
	payload := [CommandSize]byte{0: 1, CommandSize - 1: 2}
	r.Next(0).Command(int(f.Fd()), 0, &payload, -1)
	r.Next(1).Command(socket, inQueue, new([CommandSize]byte), -1)
	r.Next(2).Command(socket, unknown, new([CommandSize]byte), -1)
	first := (*[128]byte)(unsafe.Pointer(&r.sqes[0]))
	if first[48] != 1 || first[127] != 2 {
		t.Error("the payload lies elsewhere")
	}
	results := map[uint64]int32{}
	for len(results) < 3 {
		if err := r.enter(1); err != nil && err != unix.EINTR {
			t.Fatal(err)
		}
		r.reap(func(user uint64, res int32) { results[user] = res })
	}
	if results[0] != -int32(unix.EOPNOTSUPP) || results[2] != -int32(unix.EOPNOTSUPP) {
		t.Errorf("%v: no such commands", results)
	}
	if results[1] != 123 {
		if results[1] != -int32(unix.EOPNOTSUPP) {
			t.Errorf("%v", results)
		}
		t.Log("sockets of this kernel take no commands: not tested here")
	}
}

// TestWideLoop: a loop works with such a ring as with any other.
func TestWideLoop(t *testing.T) {
	b := open(t, 8, wideLadder, nil)
	defer b.Close()
	f := tempFile(t)
	for i := range 50 {
		if res := b.do(&job{fd: int(f.Fd()), write: true, mem: make([]byte, 512), off: int64(i) * 512}); res != 512 {
			t.Fatalf("write: %d", res)
		}
	}
}
