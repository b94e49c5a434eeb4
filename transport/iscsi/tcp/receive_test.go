package tcp

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lunette-io/lunette/network/tcp"
)

// A connection that has left a part of a batch, and is ended then, throws it away: it waits for
// the peer like any other that lingers, and does not go round.
func TestEndWithBatchLeft(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	m := &Mover{buffers: NewBuffers(), params: loginParams}
	m.recv.m, m.recv.take = m, batchSize
	m.tx.init(m, nil)
	m.recv.left = true
	m.ending.Store(true)
	receive := func() tcp.Next {
		next := make(chan tcp.Next, 1)
		go func() { next <- m.Receive(uintptr(fds[0])) }()
		select {
		case n := <-next:
			return n
		case <-time.After(10 * time.Second):
			panic("Receive does not return") // with all stacks
		}
	}
	if n := receive(); n != tcp.Nothing {
		t.Errorf("nothing is there: %v", n)
	}
	m.recv.left = true
	if _, err := unix.Write(fds[1], []byte("late")); err != nil {
		t.Fatal(err)
	}
	if n := receive(); n != tcp.More || m.recv.late != 4 {
		t.Errorf("%v, %d bytes were thrown away", n, m.recv.late)
	}
}
