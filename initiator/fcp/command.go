package fcp

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// A Command is a SCSI command. It can be used again when it has ended. The caller lends it, with its buffers, from Submit to
// Finish (or Ended).
type Command struct {
	LUN      scsi.LUN
	Attr     uint8
	Priority uint8
	CRN      uint8
	CDB      []byte
	Out, In  []byte
	// Manage is a task management function, which has no CDB; 0: it is a command.
	Manage iu.Management
	// Length is FCP_DL; 0: that of Out or In.
	Length uint32
	// Change, if it is not nil, edits the information unit before it is sent.
	Change func(b []byte) []byte
	// Ended, if it is not nil, is called when the command has ended, instead of Finish: on the goroutine that has received. It may submit commands.
	Ended func(k *Command)
	// User is the caller's.
	User any

	Status    scsi.Status
	Sense     scsi.Sense
	SenseData []byte
	Residual  int64 // >0 underflow, <0 overflow
	Received  int   // bytes of data-in
	HasCode   bool
	Code      iu.Code // of the response: of task management, or of what was wrong with the command
	Err       error

	c     *Conn
	use   atomic.Uint64 // how often it has been used
	done  chan struct{}
	last  atomic.Int64 // the look of the clock at which it made progress
	began int64

	// Of the list of the Conn, under its lock.
	prev, next *Command

	mu      sync.Mutex // guards what follows, and the results until the end
	x       nport.Exchange
	open    bool // x is an exchange
	state   state
	lent    int // sequences that are with the port
	head    [headLen]byte
	command fc.Sequence
	confirm fc.Sequence
	out     buffer.Lease
	outs    []*dataOut // sequences of data-out; they are kept
	busy    int        // of data-out that is with the port

	place     placed
	asked     int64 // bytes of data-out that were asked for
	responded bool
	under     int64 // RESID_UNDER of the response
	confirms  bool
	sense     [252]byte
	tries     int // of recovery without progress
	repeats   int // how often it was sent again
	ask       *ask
}

// headLen is how much memory there is for the command's information unit: one with the longest CDB.
const headLen = iu.CommandLen + 63*4

// A state is what a Command is doing.
type state uint8

const (
	running  state = iota
	again          // it is sent again when all of its sequences are back
	aborting       // ABTS is under way
	ending         // it is over when all of its sequences are back
	over
)

// unit makes the information unit.
func (k *Command) unit(dst []byte) []byte {
	x := iu.Command{
		LUN: uint64(k.LUN), CRN: k.CRN, Priority: k.Priority, Attr: k.Attr, TM: k.Manage, Read: len(k.In) > 0, Write: len(k.Out) > 0,
		Len: k.Length,
	}
	if x.Len == 0 {
		x.Len = uint32(len(k.Out) + len(k.In))
	}
	if n := copy(x.CDB[:], k.CDB); n < len(k.CDB) {
		x.Additional = k.CDB[n:]
	}
	return x.Append(dst)
}

// A dataOut is a sequence of data-out.
type dataOut struct {
	fc.Sequence
	lent bool
}

// prepare makes k new.
func (k *Command) prepare(c *Conn) error {
	if len(k.CDB) > 16+63*4 || (len(k.Out) > 0 && len(k.In) > 0) {
		return fmt.Errorf("fcp: a CDB of %d bytes, with %d bytes of data-out and room for %d", len(k.CDB), len(k.Out), len(k.In))
	}
	if k.done == nil {
		k.done = make(chan struct{}, 1)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.c = c
	k.use.Add(1)
	k.Status, k.Sense, k.SenseData, k.Residual, k.Received, k.HasCode, k.Code, k.Err = 0, scsi.Sense{}, nil, 0, 0, false, 0, nil
	k.state, k.tries, k.repeats, k.ask = running, 0, 0, nil
	k.fresh()
	k.began = c.p.tick.Load()
	k.last.Store(k.began)
	return nil
}

// fresh forgets what came. k.mu is held.
func (k *Command) fresh() {
	k.place.reset()
	k.asked, k.responded, k.under, k.confirms = 0, false, 0, false
}

// begin sends it for the first time.
func (k *Command) begin() error {
	if len(k.Out) > 0 {
		k.out.Init(nil, buffer.Segment{Mem: k.Out})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.state != running { // the login has ended: k has been told
		return nil
	}
	err := k.send()
	if err != nil {
		k.state = over
	}
	return err
}

// send begins an exchange. k.mu is held.
func (k *Command) send() error {
	k.x.Owner = k
	if !k.c.r.Originate(&k.x) {
		return ErrBusy
	}
	k.open = true
	b := k.unit(k.head[:0])
	if k.Change != nil {
		b = k.Change(b)
	}
	k.command = fc.Sequence{Header: fc.Header{RCtl: fc.RCtlCommand, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, Head: b}
	if !k.x.Post(&k.command) {
		k.x.Close()
		k.open = false
		return ErrClosed
	}
	k.lent++
	return nil
}

// sent has a sequence back.
func (k *Command) sent(s *fc.Sequence, _ error) {
	k.mu.Lock()
	k.lent--
	if s != nil && s != &k.command && s != &k.confirm {
		for _, d := range k.outs {
			if &d.Sequence == s {
				d.lent = false
				k.busy--
			}
		}
	}
	told := k.settle()
	k.mu.Unlock()
	if told {
		k.tell()
	}
}

// settle does what waits for the last sequence, and reports that k is over, which the caller tells when it has unlocked it. k.mu is held.
func (k *Command) settle() bool {
	if k.lent > 0 {
		return false
	}
	switch k.state {
	case again:
		if k.open {
			k.open = false
			k.x.Close()
		}
		k.state = running
		k.fresh()
		err := k.send()
		if err == nil {
			return false
		}
		k.Err = err
	case ending:
	default:
		return false
	}
	if k.open {
		k.open = false
		k.x.Close()
	}
	k.state = over
	return true
}

// tell says that k has ended.
func (k *Command) tell() {
	k.c.remove(k)
	if k.Ended != nil {
		k.Ended(k)
		return
	}
	k.done <- struct{}{}
}

// fail ends k with an error that is not of the network: nothing of it is worth anything. k.mu is held. The result is for the
// caller, who has to call it when k.mu is not held, if it is not nil.
func (k *Command) fail(err error) func() {
	switch k.state {
	case running:
	case again: // its exchange is aborted already, and something of it is not back
		k.state, k.Err, k.ask = ending, err, nil
		return nil
	default:
		return nil
	}
	k.state, k.Err, k.ask = aborting, err, nil
	k.cancel()
	use := k.use.Load()
	k.lent++ // so that the exchange is not closed meanwhile
	return func() {
		k.x.Abort(func(error) { k.aborted(use) })
		k.sent(nil, nil)
	}
}

// cancel takes back what is with the port. k.mu is held.
func (k *Command) cancel() {
	for _, d := range k.outs {
		if d.lent {
			k.x.Cancel(&d.Sequence)
		}
	}
}

// abort ends k by ABTS, if it is the same use of it.
func (k *Command) abort(use uint64, err error) {
	k.mu.Lock()
	var do func()
	if k.use.Load() == use {
		do = k.fail(err)
	}
	k.mu.Unlock()
	if do != nil {
		do()
	}
}

// aborted has the answer to ABTS, or knows that none comes.
func (k *Command) aborted(use uint64) {
	k.mu.Lock()
	told := false
	if k.use.Load() == use && k.state == aborting {
		k.state = ending
		told = k.settle()
	}
	k.mu.Unlock()
	if told {
		k.tell()
	}
}

// lose ends k, of which nothing more comes: its login has ended.
func (k *Command) lose(err error) {
	k.mu.Lock()
	told := false
	if k.state < ending {
		if k.Err == nil {
			k.Err = err
		}
		k.state, k.ask = ending, nil
		told = k.settle()
	}
	k.mu.Unlock()
	if told {
		k.tell()
	}
}
