package iscsi

import (
	"errors"
	"fmt"
	"os"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// A Command is one SCSI command. The caller fills the first part, lends it with its buffers
// from Submit until Poll or Wait returns it, and may then submit it again.
type Command struct {
	LUN       scsi.LUN
	CDB       []byte // 6 to 260 bytes
	Out       []byte // data-out
	In        []byte // room for data-in
	Attr      pdu.TaskAttribute
	Priority  uint8
	Immediate bool
	User      any // the caller's

	Result

	// Err: the command has no result. See [RejectError], [ErrAborted].
	Err error

	next   *Command
	tag    uint32
	sn     uint32
	sent   bool
	r2tSN  uint32 // next
	dataSN uint32

	remote remote // what is exposed for it, on RDMA
}

// A Result is how a command ended.
type Result struct {
	Status scsi.Status
	// Residual is >0 for underflow, <0 for overflow, in bytes.
	Residual int64
	Received int // bytes of In that came
	// SenseData is empty without sense; Sense reads it.
	SenseData []byte
	sense     [260]byte
}

// Sense is the sense data that came with the status; the zero Sense if none did.
func (r *Result) Sense() scsi.Sense {
	s, err := scsi.ParseSense(r.SenseData)
	if err != nil {
		return scsi.Sense{}
	}
	return s
}

// ErrAborted is the error of a command that task management has ended.
var ErrAborted = errors.New("initiator: command aborted")

// A RejectError is the error of a command that was rejected.
type RejectError struct{ Reason pdu.RejectReason }

func (e *RejectError) Error() string { return fmt.Sprintf("initiator: rejected: %v", e.Reason) }

// Tag is the Initiator Task Tag while the command is on its way.
func (k *Command) Tag() uint32 { return k.tag }

// CmdSN is the number that the command was sent with.
func (k *Command) CmdSN() uint32 { return k.sn }

// Sent reports that the command has been given to the connection: the window was open.
func (k *Command) Sent() bool { return k.sent }

// Submit queues k. Poll, Wait or Flush send it, as soon as the window of the target is open.
func (c *Conn) Submit(k *Command) error {
	if c.err != nil {
		return c.err
	}
	if len(k.CDB) < 6 || len(k.CDB) > 260 {
		return fmt.Errorf("initiator: a CDB of %d bytes", len(k.CDB))
	}
	k.Status, k.Residual, k.Received, k.SenseData, k.Err = 0, 0, 0, nil, nil
	k.next, k.sent, k.r2tSN, k.dataSN = nil, false, 0, 0
	if c.last != nil {
		c.last.next = k
	} else {
		c.first = k
	}
	c.last = k
	return nil
}

// start encodes what was submitted, as far as the window is open.
func (c *Conn) start() {
	for k := c.first; k != nil && len(c.free) > 0; k = c.first {
		if k.Immediate {
			k.sn = c.s.peek()
		} else if sn, ok := c.s.take(); ok {
			k.sn = sn
		} else {
			return
		}
		if c.first = k.next; c.first == nil {
			c.last = nil
		}
		k.next = nil
		i := c.free[len(c.free)-1]
		c.free = c.free[:len(c.free)-1]
		c.uses++
		k.tag = c.uses<<10&^(1<<31) | uint32(i)
		c.tasks[i] = k
		k.sent = true
		c.running++
		c.link.command(k)
	}
}

// unasked is how much data-out goes with k: with the command itself, and in all before
// anything is asked for (13.10, 13.11).
func (c *Conn) unasked(k *Command) (now, all int) {
	if len(k.Out) == 0 {
		return 0, 0
	}
	prm := &c.params
	burst := min(len(k.Out), int(prm.FirstBurstLength))
	if prm.ImmediateData {
		now = min(burst, int(prm.MaxSendDataSegmentLength))
	}
	if prm.InitialR2T {
		return now, now
	}
	return now, burst
}

// header makes the header of k in h and returns its additional headers (11.3); final: no
// unsolicited Data-Out follows.
func (k *Command) header(h *pdu.BHS, final bool) (ahs []byte) {
	x := pdu.SCSICommand{
		Immediate: k.Immediate, Final: final, Read: len(k.In) > 0, Write: len(k.Out) > 0,
		Attr: k.Attr, Priority: k.Priority, LUN: uint64(k.LUN), ITT: k.tag, ExpectedDataLength: uint32(len(k.Out)),
	}
	copy(x.CDB[:], k.CDB)
	if !x.Write {
		x.ExpectedDataLength = uint32(len(k.In))
	}
	if len(k.CDB) > 16 || (x.Write && x.Read) {
		a := pdu.AHS{HasBidiRead: x.Write && x.Read, BidiReadLength: uint32(len(k.In))}
		if len(k.CDB) > 16 {
			a.ExtendedCDB = k.CDB[16:]
		}
		ahs = a.Append(nil)
	}
	x.Put(h)
	h.SetCmdSN(k.sn)
	return ahs
}

// find returns the command with that tag, or nil.
func (c *Conn) find(tag uint32) *Command {
	if k := c.tasks[tag%maxTasks]; k != nil && k.tag == tag {
		return k
	}
	return nil
}

// finish ends k.
func (c *Conn) finish(k *Command, err error) {
	i := uint16(k.tag % maxTasks)
	if c.tasks[i] != k {
		return
	}
	c.tasks[i] = nil
	c.free = append(c.free, i)
	c.running--
	c.link.ended(k)
	k.Err = err
	c.finished = append(c.finished, k)
}

// Flush sends what was submitted, as far as the window is open.
func (c *Conn) Flush() error {
	if c.err != nil {
		return c.err
	}
	c.start()
	return c.link.flush()
}

// Poll sends, handles what has arrived, and returns the commands that have finished. The
// slice is valid until the next call.
func (c *Conn) Poll() ([]*Command, error) { return c.poll(false) }

// Wait is Poll that waits until a command has finished. It returns none if no command
// was outstanding.
func (c *Conn) Wait() ([]*Command, error) {
	for {
		if c.err == nil && len(c.finished) == 0 && c.Outstanding() == 0 {
			return nil, nil
		}
		done, err := c.poll(len(c.finished) == 0)
		if len(done) > 0 || err != nil {
			return done, err
		}
	}
}

// Receive waits until something has arrived, whatever it is, and handles it.
func (c *Conn) Receive() ([]*Command, error) { return c.poll(true) }

func (c *Conn) poll(wait bool) ([]*Command, error) {
	err := c.round(wait)
	c.given, c.finished = c.finished, c.given[:0]
	return c.given, err
}

// round sends, receives once and handles that.
func (c *Conn) round(wait bool) error {
	if err := c.Flush(); err != nil {
		return err
	}
	err := c.link.receive(wait)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) { // a deadline loses nothing
		return err
	}
	if f := (*pdu.FormatError)(nil); errors.As(err, &f) {
		err = fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return c.fail(err)
}

// Do executes one command and waits for it. Commands that were submitted before go on,
// and are returned by Poll or Wait.
func (c *Conn) Do(lun scsi.LUN, cdb, out, in []byte) (*Result, error) {
	k := &Command{LUN: lun, CDB: cdb, Out: out, In: in, Attr: pdu.AttrSimple}
	if err := c.Submit(k); err != nil {
		return nil, err
	}
	if err := c.Finish(k); err != nil {
		return nil, err
	}
	return &k.Result, k.Err
}

// Finish waits for k, which was submitted, and takes it: Poll and Wait do not return it.
func (c *Conn) Finish(k *Command) error {
	for {
		for i, f := range c.finished {
			if f == k {
				c.finished = append(c.finished[:i], c.finished[i+1:]...)
				return nil
			}
		}
		if err := c.round(true); err != nil {
			return err
		}
	}
}
