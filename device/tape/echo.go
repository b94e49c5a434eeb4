package tape

import (
	"sync"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// maxEcho is the capacity of the echo buffer, and maxEchoes of how many nexuses one is kept.
const (
	maxEcho   = 4096
	maxEchoes = 64
)

// echoes are the echo buffers of nexuses: each has its own, as long as there are not too many.
type echoes struct {
	mu  sync.Mutex
	all map[*target.ITL][]byte
}

// put keeps b, which it takes; who has none yet when there are too many overwrites that of another.
func (e *echoes) put(x *target.ITL, b []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = make(map[*target.ITL][]byte)
	}
	if _, there := e.all[x]; !there && len(e.all) >= maxEchoes {
		for o := range e.all {
			delete(e.all, o)
			break
		}
	}
	e.all[x] = b
}

func (e *echoes) get(x *target.ITL) ([]byte, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	b, ok := e.all[x]
	return b, ok
}

func (e *echoes) forget(x *target.ITL) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.all, x)
}

// readBuffer is READ BUFFER(10) (SPC-5 6.21): the echo buffer, and descriptors. There is no microcode and no dump to read.
func (d *Drive) readBuffer(t *target.Task) {
	c, err := cdb.ParseBuffer(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Specific != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 7))
	case c.Mode == cdb.BufferDescriptor: // of a buffer that is not there: its capacity is 0
		d.Reply(t, []byte{0, 0, 0, 0}, c.Length)
	case c.Mode == cdb.BufferEchoDescriptor:
		d.Reply(t, []byte{0, 0, maxEcho >> 8, maxEcho & 0xff}, c.Length)
	case c.Mode != cdb.BufferEcho:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	default:
		b, ok := d.pages.echo.get(t.ITL())
		if !ok {
			d.Fail(t, scsi.IllegalRequest(scsi.ASCCommandSequenceError))
			return
		}
		d.Reply(t, b, c.Length)
	}
}

// writeBuffer is WRITE BUFFER (SPC-5 6.46): the echo buffer. Microcode cannot be downloaded.
func (d *Drive) writeBuffer(t *target.Task) {
	c, err := cdb.ParseBuffer(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Mode != cdb.BufferEcho:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 4))
	case c.Specific != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(1, 7))
	case c.Length > maxEcho:
		d.Fail(t, scsi.InvalidFieldInCDB(6, -1))
	case c.Length == 0:
		d.Good(t)
	default:
		d.ReceiveList(t, int64(c.Length), func(t *target.Task, list []byte) {
			d.pages.echo.put(t.ITL(), list)
			d.Used(t, len(list))
		})
	}
}

// receiveDiagnostic is RECEIVE DIAGNOSTIC RESULTS (SPC-5 6.27): the list of diagnostic pages, which is all of them.
func (d *Drive) receiveDiagnostic(t *target.Task) {
	c, err := cdb.ParseReceiveDiagnostic(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Page != 0:
		d.Fail(t, scsi.InvalidFieldInCDB(2, -1))
	default:
		d.Reply(t, []byte{0, 0, 0, 1, 0}, uint32(c.Allocation))
	}
}
