// Package packettest has network namespaces for tests: with interfaces that nobody else has, on any host that lets the test make them.
package packettest

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/ethernet"
)

// A Namespace is a network namespace. Its sockets stay in it, whoever uses them.
type Namespace struct {
	t     testing.TB
	calls chan func()
}

// New makes a namespace without interfaces, which ends with the test. The test is skipped if it has not got the right to make one.
func New(t testing.TB) *Namespace {
	t.Helper()
	n := &Namespace{t: t, calls: make(chan func())}
	made, ended := make(chan error), make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and not unlocked: the thread ends with the goroutine, and the namespace with it
		err := unix.Unshare(unix.CLONE_NEWNET)
		made <- err
		if err != nil {
			return
		}
		for f := range n.calls {
			f()
		}
	}()
	err := <-made
	t.Cleanup(func() {
		close(n.calls)
		<-ended
	})
	if errors.Is(err, unix.EPERM) {
		t.Skip("SKIPPED: no right to make a network namespace (CAP_SYS_ADMIN): run the test as root")
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Do calls f in the namespace: sockets that it opens are there.
func (n *Namespace) Do(f func()) {
	done := make(chan struct{})
	n.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

// Host is h, whose interfaces are opened in the namespace.
func (n *Namespace) Host(h ethernet.Host) ethernet.Host { return host{n, h} }

type host struct {
	n *Namespace
	h ethernet.Host
}

// Open opens an interface.
func (h host) Open(c ethernet.Config) (w ethernet.Wire, err error) {
	h.n.Do(func() { w, err = h.h.Open(c) })
	return w, err
}
