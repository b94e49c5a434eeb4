//go:build vm

package vm

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An outside is what is outside of a guest, for its script, which asks for it a line at a time by a port of virtio-serial (vhost.sh: outside): the daemon, QEMU, and other guests.
type outside struct {
	dir     string // the guest's, with the sockets of QEMU
	daemon  *daemon
	meeting *meeting
}

// outsideDevices are QEMU's arguments for it.
const outsideDevices = " -qmp unix:qmp,server=on,wait=off -chardev socket,id=outside,path=outside,server=on,wait=off -device virtserialport,chardev=outside,name=outside"

// serve does what the script asks for until QEMU has ended, or until stop is closed before QEMU was there.
func (o outside) serve(stop <-chan struct{}) error {
	q, err := dialQMP(filepath.Join(o.dir, "qmp"), stop)
	if err != nil {
		return err
	}
	defer q.close()
	port, err := dialSoon(filepath.Join(o.dir, "outside"), stop)
	if err != nil {
		return err
	}
	defer port.Close()
	for lines := bufio.NewScanner(port); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			continue
		}
		said, status := o.do(q, words)
		if status == unanswered {
			continue
		}
		for line := range strings.Lines(said) {
			fmt.Fprintf(port, "  %s\n", strings.TrimRight(line, "\n"))
		}
		fmt.Fprintf(port, "= %d\n", status)
	}
	return nil
}

// unanswered is the status of what nobody waits for any more.
const unanswered = -1

// do does one thing, and returns what is to be said of it, and a status as commands have it.
func (o outside) do(q *qmp, words []string) (string, int) {
	var err error
	switch what, args := words[0], words[1:]; what {
	case "lunette":
		return o.daemon.ask(args...)
	case "kill":
		err = o.daemon.end(syscall.SIGKILL)
	case "end":
		err = o.daemon.end(syscall.SIGTERM)
	case "start":
		err = o.daemon.start()
	case "pause": // the machine stands still for that long
		var long time.Duration
		if long, err = time.ParseDuration(args[0]); err == nil {
			err = pause(q, long)
		}
	case "reset": // the machine's button
		if err = q.do("set-action", map[string]any{"reboot": "reset"}); err == nil { // lab has it end instead
			err = q.do("system_reset", nil)
		}
		if err == nil {
			return "", unanswered
		}
	case "meet":
		err = o.meeting.meet(args[0])
	case "alone":
		o.meeting.alone()
	default:
		err = fmt.Errorf("there is no %q", what)
	}
	if err != nil {
		return err.Error() + "\n", 1
	}
	return "", 0
}

func pause(q *qmp, long time.Duration) error {
	if err := q.do("stop", nil); err != nil {
		return err
	}
	time.Sleep(long)
	return q.do("cont", nil)
}

// A meeting is where two guests wait for each other, until one of them does no more.
type meeting struct {
	over, left   chan struct{} // closed when one of them meets nobody any more, and when one has ended
	ends, leaves sync.Once

	mu sync.Mutex
	at map[string]chan struct{} // the places where one of them is or has been; closed: both
}

func newMeeting() *meeting {
	return &meeting{over: make(chan struct{}), left: make(chan struct{}), at: make(map[string]chan struct{})}
}

// leave says that one of them has ended.
func (m *meeting) leave() {
	m.ends.Do(func() { close(m.over) })
	m.leaves.Do(func() { close(m.left) })
}

// alone returns when the other one has ended, which meets nobody any more.
func (m *meeting) alone() {
	m.ends.Do(func() { close(m.over) })
	<-m.left
}

// meet returns when the other one has come to the place of that name too.
func (m *meeting) meet(name string) error {
	m.mu.Lock()
	both, second := m.at[name]
	if !second {
		both = make(chan struct{})
		m.at[name] = both
	}
	m.mu.Unlock()
	if second {
		close(both)
		return nil
	}
	select {
	case <-both:
		return nil
	case <-m.over:
	}
	select {
	case <-both:
		return nil
	default:
		return fmt.Errorf("the other guest does not come to %s", name)
	}
}

func TestMeeting(t *testing.T) {
	m := newMeeting()
	met := make(chan error)
	go func() { met <- m.meet("a") }()
	if err := m.meet("a"); err != nil {
		t.Error(err)
	}
	if err := <-met; err != nil {
		t.Error(err)
	}
	go func() { met <- m.meet("b") }()
	alone := make(chan struct{})
	go func() { m.alone(); close(alone) }()
	if err := <-met; err == nil {
		t.Error("one has met who meets nobody")
	}
	m.leave()
	<-alone
	if err := m.meet("c"); err == nil {
		t.Error("one has met who has ended")
	}
}
