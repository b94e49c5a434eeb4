//go:build scale

package scale

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A host is a logged-in session that is nothing but a socket.
type host struct {
	fd    int
	sn    uint32 // CmdSN of the next command
	head  pdu.BHS
	have  int // bytes of head
	skip  int // of its data, still to come
	due   int // commands to send
	done  int64
	pings int
}

// A crowd is many hosts, and one goroutine for all of them.
type crowd struct {
	t     *testing.T
	s     *server
	poll  int
	hosts []host
	buf   []byte
	out   []byte
	lost  int // connections that have ended
	done  int64
	pings int
}

// gather logs n hosts in, each as a session of its own; each has done a command.
func gather(s *server, from, n int) *crowd {
	t := s.t
	t.Helper()
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	s.must(err)
	c := &crowd{t: t, s: s, poll: poll, hosts: make([]host, n), buf: make([]byte, 256<<10)}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for k := i; k < n; k += 8 {
				if err := c.enter(k, from+k); err != nil {
					t.Errorf("host %d: %v", k, err)
					return
				}
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	t.Cleanup(c.leave)
	return c
}

func (c *crowd) enter(k, n int) error {
	w, r, err := c.s.dial(n)
	if err != nil {
		return err
	}
	defer w.Close() // the duplicate stays
	h := &c.hosts[k]
	h.sn = r.Last.ExpCmdSN()
	for ready := false; !ready; { // TEST UNIT READY, until nothing needs attention
		var b pdu.BHS
		pdu.SCSICommand{Final: true, Attr: pdu.AttrSimple, ITT: h.sn, LUN: uint64(fast)}.Put(&b)
		b.SetCmdSN(h.sn)
		h.sn++
		if err := w.Send(&b, nil, nil); err != nil {
			return err
		}
		a, err := w.Receive()
		if err != nil {
			return err
		}
		x, err := pdu.ParseSCSIResponse(&a.BHS)
		if err != nil {
			return err
		}
		ready = x.Status == uint8(scsi.Good)
	}
	raw, err := w.SyscallConn()
	if err != nil {
		return err
	}
	var dup error
	err = raw.Control(func(fd uintptr) { h.fd, dup = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) })
	if err == nil {
		err = dup
	}
	if err == nil {
		err = unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, h.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(k)})
	}
	return err
}

// leave closes every connection.
func (c *crowd) leave() {
	for i := range c.hosts {
		if c.hosts[i].fd != 0 {
			_ = unix.Close(c.hosts[i].fd)
		}
	}
	if c.hosts != nil {
		_ = unix.Close(c.poll)
	}
	c.hosts = nil
}

// begin makes every host read, always with depth commands on their way.
func (c *crowd) begin(depth int) {
	for i := range c.hosts {
		c.hosts[i].due += depth
		c.read(&c.hosts[i])
	}
}

// run serves the hosts until enough is true; it fails the test if that takes too long. It is
// looked at after each time that the poller has told of something.
func (c *crowd) run(enough func() bool) {
	c.t.Helper()
	events := make([]unix.EpollEvent, 128)
	for deadline := time.Now().Add(time.Minute); !enough(); {
		n, err := unix.EpollWait(c.poll, events, 100)
		if err != nil && err != unix.EINTR {
			c.t.Fatal(err)
		}
		for _, e := range events[:max(n, 0)] {
			c.take(&c.hosts[e.Fd])
		}
		if c.lost > 0 {
			c.t.Fatalf("%d connections have ended", c.lost)
		}
		if time.Now().After(deadline) {
			c.t.Fatal("it takes too long")
		}
	}
}

// take receives what has come for a host, and answers.
func (c *crowd) take(h *host) {
	n, err := unix.Read(h.fd, c.buf)
	if err != nil || n == 0 {
		c.lost++
		return
	}
	for b := c.buf[:n]; len(b) > 0; {
		if h.have < len(h.head) {
			k := copy(h.head[h.have:], b)
			b = b[k:]
			if h.have += k; h.have < len(h.head) {
				break
			}
			h.skip = pdu.Padded(h.head.DataSegmentLength())
		}
		k := min(h.skip, len(b))
		b = b[k:]
		if h.skip -= k; h.skip == 0 {
			h.have = 0
			c.arrived(h)
		}
	}
	if h.due > 0 {
		c.read(h)
	}
}

// arrived has a whole PDU.
func (c *crowd) arrived(h *host) {
	switch h.head.Opcode() {
	case pdu.OpDataIn:
		x, err := pdu.ParseDataIn(&h.head)
		if err != nil || !x.HasStatus || x.Status != uint8(scsi.Good) || h.head.DataSegmentLength() != block {
			c.t.Fatalf("%+v %v", x, err)
		}
		h.done++
		c.done++
		h.due++
	case pdu.OpSCSIResponse:
		x, err := pdu.ParseSCSIResponse(&h.head)
		if err != nil || x.Status != uint8(scsi.Good) {
			c.t.Fatalf("%+v %v", x, err)
		}
		h.done++
		c.done++
	case pdu.OpNOPIn:
		x, err := pdu.ParseNOPIn(&h.head)
		if err != nil {
			c.t.Fatal(err)
		}
		var b pdu.BHS
		pdu.NOPOut{Immediate: true, LUN: x.LUN, ITT: pdu.NoTag, TTT: x.TTT}.Put(&b)
		b.SetCmdSN(h.sn)
		c.send(h, b[:])
		if h.pings++; h.pings == 2 {
			c.pings++
		}
	default:
		c.t.Fatalf("%v", h.head.Opcode())
	}
}

// command is the header of the next command, of n bytes from block at on.
func (h *host) command(op scsi.Opcode, at uint32, n int) (b pdu.BHS) {
	x := pdu.SCSICommand{
		Final: true, Read: op == scsi.OpRead10, Write: op == scsi.OpWrite10, Attr: pdu.AttrSimple,
		LUN: uint64(fast), ITT: h.sn, ExpectedDataLength: uint32(n),
	}
	x.CDB[0] = byte(op)
	binary.BigEndian.PutUint32(x.CDB[2:], at*(block/512))
	binary.BigEndian.PutUint16(x.CDB[7:], uint16(n/512))
	x.Put(&b)
	b.SetCmdSN(h.sn)
	h.sn++
	return b
}

// read sends the commands that are due.
func (c *crowd) read(h *host) {
	c.out = c.out[:0]
	for ; h.due > 0; h.due-- {
		b := h.command(scsi.OpRead10, rand.Uint32N(unitSize/block), block)
		c.out = append(c.out, b[:]...)
	}
	c.send(h, c.out)
}

func (c *crowd) send(h *host, b []byte) {
	if n, err := unix.Write(h.fd, b); err != nil || n != len(b) {
		c.t.Fatalf("sending %d bytes: %d %v", len(b), n, err)
	}
}

// read reads or writes one block of a unit, and waits.
func do(c *initiator.Conn, lun scsi.LUN, op scsi.Opcode, n int, data []byte) error {
	k := command(lun, op, n, data)
	var in, out []byte
	if out = data; op == scsi.OpRead10 {
		in, out = data, nil
	}
	r, err := c.Do(lun, k.CDB, out, in)
	if err == nil && r.Status != scsi.Good {
		err = fmt.Errorf("status %v", r.Status)
	}
	return err
}

// command moves data from or to a unit, from block n on.
func command(lun scsi.LUN, op scsi.Opcode, n int, data []byte) *initiator.Command {
	k := &initiator.Command{LUN: lun, CDB: make([]byte, 10), Attr: pdu.AttrSimple}
	k.CDB[0] = byte(op)
	binary.BigEndian.PutUint32(k.CDB[2:], uint32(n*(block/512)))
	binary.BigEndian.PutUint16(k.CDB[7:], uint16(len(data)/512))
	if op == scsi.OpRead10 {
		k.In = data
	} else {
		k.Out = data
	}
	return k
}
