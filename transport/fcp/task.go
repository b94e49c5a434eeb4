package fcp

import (
	"sync"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/nport"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/fcp/iu"
)

// An exchange is what a task needs of its own: [nport.Exchange].
type exchange interface {
	Post(s *fc.Sequence) bool
	Cancel(s *fc.Sequence)
	Finish()
	Close()
}

// A task is one exchange of an initiator: a SCSI command, or a task management function.
//
//	       SendResponse: the data      FCP_CONF, Forgotten, Abort,
//	       and FCP_RSP are posted      or the login has ended
//	open ─────────────────────────► kept ──────────────────────────┐
//	  │                                                            ▼  nothing refers to it:
//	  └──────────────────────────────────────────────────────────► let ────────────────► closed
//	    Abort, the login has ended; Ended: the target has aborted it
//
// An exchange that is kept can answer REC and SRR; its target.Task has ended. One that is let go posts nothing any more.
type task struct {
	target.Task
	c    *channel
	x    nport.Exchange
	wire exchange // x
	next *task    // of those that nobody uses

	cdb  [16]byte
	long []byte // room for a CDB of more than 16 bytes

	mu     sync.Mutex // guards what follows
	refs   int        // who refers to it: who runs it, the target until Ended, the network until Sent, asks until its turn
	state  state
	answer bool   // FCP_RSP is posted, or was
	with   bool   // it is with the target: from Execute to Ended
	done   func() // of Abort

	rsp        sequence // its memory is head
	head       [iu.MaxResponseLen]byte
	confirming bool        // FCP_CONF was asked for and has not come
	resent     int         // how often SRR was answered
	last       sequence    // the data-in that comes with the response
	lastAt     int64       // where it goes
	held       int64       // bytes of it, if it is held for SRR
	pieces     []*sequence // the data-in that goes ahead of it; as many as there ever were at a time
	sent       int64       // up to where data-in was posted
	get        dataOut     // the data-out that the device server has asked for
	taken      int64       // up to where data-out is there

	asking asking // the mu of asks guards it
}

// A state is how far an exchange is.
type state uint8

const (
	closed state = iota // nobody uses it
	open
	kept
	let
)

func newTask(c *channel) *task {
	k := &task{c: c}
	k.Private, k.x.Owner = k, k
	k.wire = &k.x
	k.rsp.init(k, response)
	k.last.init(k, lastData)
	k.get.ready.init(k, ready)
	k.get.ready.Header = fc.Header{RCtl: fc.RCtlDataDescriptor, Type: fc.TypeFCP, FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative}
	return k
}

// begin runs k, whose exchange has just been accepted, for the FCP_CMND b.
func (k *task) begin(b []byte) {
	k.mu.Lock()
	k.refs, k.state = 1, open
	k.answer, k.with, k.confirming = false, false, false
	k.sent, k.taken, k.held, k.resent = 0, 0, 0, 0
	k.mu.Unlock()
	x, err := iu.ParseCommand(b)
	switch {
	case err != nil:
		k.refuse(err.Error())
	case x.TM != 0:
		k.manage(&x)
	default:
		if wrong := k.describe(&x); wrong != "" {
			k.refuse(wrong)
			break
		}
		k.c.commands.Add(1)
		k.mu.Lock()
		k.refs, k.with = 2, true
		k.mu.Unlock()
		k.c.door.Execute(&k.Task)
	}
	k.drop()
}

// hold adds a reference, if there is an exchange; drop ends it. k.mu is held.
func (k *task) hold() { k.refs++ }

// drop ends a reference. The caller does not touch k afterwards. No lock is held.
func (k *task) drop() {
	k.mu.Lock()
	k.refs--
	end := k.ends()
	k.mu.Unlock()
	if end {
		k.close()
	}
}

// ends reports that the exchange is to be closed, once, by the caller. k.mu is held.
func (k *task) ends() bool {
	if k.refs > 0 || k.state == closed || k.state == kept {
		return false
	}
	k.state = closed
	return true
}

// close gives back what the exchange has. Nobody refers to it any more.
func (k *task) close() {
	data, done := k.last.Data, k.done
	k.last.Data, k.done = nil, nil
	k.c.held.Add(-k.held)
	k.held = 0
	if data != nil {
		data.Release()
	}
	k.CDB = nil
	if done != nil {
		k.c.aborted.Add(1)
		done()
	}
	k.wire.Close()
	k.c.recycle(k)
}

// let lets the exchange go: it posts nothing any more, is kept no longer, and is closed when nobody refers to it.
func (k *task) let() { k.release(false) }

// lose is let for the end of the login: what is posted needs not leave any more.
func (k *task) lose() { k.release(true) }

func (k *task) release(cancel bool) {
	k.mu.Lock()
	if k.state != closed {
		k.state = let
		if cancel {
			k.cancel()
		}
	}
	end := k.ends()
	k.mu.Unlock()
	if end {
		k.close()
	}
}

// A kind is what a sequence of a task is.
type kind uint8

const (
	response  kind = iota
	ready          // FCP_XFER_RDY
	lastData       // the data-in that comes with the response
	dataPiece      // data-in ahead of it
)

// A sequence is one of a task's, and belongs to it: k.mu guards it while it is not posted.
type sequence struct {
	fc.Sequence
	k      *task
	kind   kind
	posted bool
}

func (s *sequence) init(k *task, what kind) {
	s.k, s.kind = k, what
	s.Owner = s
}

// post posts s, which is not posted, and reports whether the network has taken it. k.mu is held.
func (k *task) post(s *sequence) bool {
	if k.state == let || k.state == closed {
		return false
	}
	s.posted = true
	k.refs++
	if !k.wire.Post(&s.Sequence) {
		s.posted = false
		k.refs-- // who has called has one too
		return false
	}
	return true
}

// returned takes back a sequence that the network has sent, or will not send. No lock is held.
func (s *sequence) returned(err error) {
	k := s.k
	flush := false
	k.mu.Lock()
	s.posted = false
	data := s.Data
	switch s.kind {
	case response:
		data = nil
	case ready:
		data = nil
		flush = k.readyLeft()
	case lastData:
		if k.holds() {
			data = nil
		}
	}
	if data != nil {
		s.Data = nil
	}
	k.mu.Unlock()
	if data != nil {
		data.Release()
		if s.kind == dataPiece {
			k.DataInSent()
		}
	}
	if flush {
		k.c.flush()
	}
	k.drop()
}

// sending reports that something of the exchange is posted. k.mu is held.
func (k *task) sending() bool {
	for _, s := range k.pieces {
		if s.posted {
			return true
		}
	}
	return k.last.posted || k.rsp.posted || k.get.ready.posted
}

// cancel lets nothing more of what is posted leave. k.mu is held.
func (k *task) cancel() {
	for _, s := range k.pieces {
		k.cancelOne(s)
	}
	k.cancelOne(&k.last)
	k.cancelOne(&k.rsp)
	k.cancelOne(&k.get.ready)
}

// cancelOne cancels s if it is posted. k.mu is held.
func (k *task) cancelOne(s *sequence) {
	if s.posted {
		k.wire.Cancel(&s.Sequence)
	}
}

// set makes the target's part of k ready for a command.
func (k *task) set(x *iu.Command, attr target.Attr) {
	k.cdb = x.CDB
	k.LUN, k.Attr, k.Priority, k.CDB = scsi.LUN(x.LUN), attr, x.Priority, k.cdb[:]
	if len(x.Additional) > 0 {
		k.long = append(append(k.long[:0], k.cdb[:]...), x.Additional...)
		k.CDB = k.long
	}
	k.WantIn, k.HaveOut, k.Unasked = 0, 0, 0
	if x.Read {
		k.WantIn = int64(x.Len)
	}
	if x.Write {
		k.HaveOut = int64(x.Len)
	}
}
