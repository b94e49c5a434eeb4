package tape

import (
	"errors"
	"sync/atomic"

	"github.com/lunette-io/lunette/device/nexus"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// An activity is what the drive does.
type activity uint32

// Activities.
const (
	idle activity = iota
	reading
	writing
	locating
	rewinding
	erasing
	loading
	unloading
	formatting
)

// String is the word for it in Status.
func (a activity) String() string {
	names := [...]string{
		idle: "idle", reading: "reading", writing: "writing", locating: "locating", rewinding: "rewinding", erasing: "erasing",
		loading: "loading", unloading: "unloading", formatting: "formatting",
	}
	if int(a) < len(names) {
		return names[a]
	}
	return "unknown"
}

// doing is what is done now, and whether its command was answered before.
type doing struct {
	what   atomic.Uint32
	behind atomic.Bool
}

func (g *doing) begin(a activity) { g.what.Store(uint32(a)) }

func (g *doing) end() {
	g.behind.Store(false)
	g.what.Store(uint32(idle))
}

func (g *doing) now() activity { return activity(g.what.Load()) }

// notReady says that the medium cannot be used since work goes on behind a command that was answered; false: none does.
func (g *doing) notReady() (scsi.Sense, bool) {
	if !g.behind.Load() {
		return scsi.Sense{}, false
	}
	asc := scsi.ASCNotReadyOperationInProgress
	switch g.now() {
	case idle:
		return scsi.Sense{}, false
	case formatting:
		asc = scsi.ASCFormatInProgress
	case loading:
		asc = scsi.ASCBecomingReady
	}
	s := scsi.NotReady(asc)
	s.ProgressValid = true
	return s, true
}

// progress is what REQUEST SENSE says of such work.
func (g *doing) progress() (scsi.Sense, bool) {
	s, ok := g.notReady()
	if !ok {
		return s, false
	}
	switch g.now() {
	case formatting, loading:
		return s, true
	case erasing:
		s = scsi.NewSense(scsi.KeyNoSense, scsi.ASCEraseInProgress)
	default:
		s = scsi.NewSense(scsi.KeyNoSense, scsi.ASCOperationInProgress)
	}
	s.ProgressValid = true
	return s, true
}

// ready says why commands for the medium cannot run. One cleaning cartridge is seen at work once: it takes no time here.
func (d *Drive) ready(*target.ITL) (scsi.Sense, bool) {
	why := d.notReady.Load()
	if why == nil {
		return scsi.Sense{}, true
	}
	if why.ASC == scsi.ASCCleaningCartridge || why.ASC == scsi.ASCCleaningFailure {
		done := scsi.NotReady(scsi.ASCInitializingCommandRequired)
		d.notReady.CompareAndSwap(why, &done)
	}
	return *why, false
}

// testUnitReady is TEST UNIT READY.
func (d *Drive) testUnitReady(t *target.Task) {
	if s, ok := d.doing.notReady(); ok {
		d.Fail(t, s)
		return
	}
	if s, ok := d.ready(t.ITL()); !ok {
		d.Fail(t, s)
		return
	}
	d.Good(t)
}

// requestSense is REQUEST SENSE: a unit attention, how far work is that goes on behind its command, or why the drive is not ready.
func (d *Drive) requestSense(t *target.Task) {
	c, err := cdb.ParseRequestSense(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	var sense scsi.Sense
	if a, ok := nexus.Of(t.ITL()).Take(); ok {
		sense = scsi.UnitAttention(a)
	} else if s, ok := d.doing.progress(); ok {
		sense = s
	} else if s, ok := d.ready(t.ITL()); !ok {
		sense = s
	}
	var data []byte
	if c.Descriptor {
		data = sense.AppendDescriptor(nil)
	} else {
		data = sense.AppendFixed(nil)
	}
	d.Reply(t, data, uint32(c.Allocation))
}

// begins reports that t, whose turn it is, may use the medium; if not it is answered.
func (d *Drive) begins(t *target.Task, a activity) bool {
	if t.Aborted() {
		d.fail(t, target.ErrAborted)
		return false
	}
	if s, ok := d.ready(t.ITL()); !ok {
		d.release(t)
		d.Fail(t, s)
		return false
	}
	if s := d.cartridge.deferred; !s.IsZero() {
		d.cartridge.deferred = scsi.Sense{}
		d.release(t)
		d.Fail(t, s.AsDeferred())
		return false
	}
	if scsi.Opcode(t.CDB[0]) != scsi.OpRecoverBufferedData {
		d.cartridge.forget()
	}
	d.doing.begin(a)
	return true
}

// release gives the memory of t back.
func (d *Drive) release(t *target.Task) {
	if l := t.Work.Data; l != nil {
		t.Work.Data = nil
		l.Release()
	}
}

// settled is settle for a command of its own, which is answered if data was lost; then it reports false.
func (d *Drive) settled(t *target.Task) bool {
	err := d.settle(t.Context())
	if err == nil {
		return true
	}
	if s := (scsi.Sense{}); errors.As(err, &s) {
		err = s.AsDeferred()
	}
	d.FailWith(t, err)
	return false
}

// answer does the work of a command that may be answered before: with immed it is answered GOOD, and an error is told to who
// comes next. work does not use t.
func (d *Drive) answer(t *target.Task, immed bool, work func() error) {
	if !immed {
		if err := work(); err != nil {
			d.FailWith(t, err)
			return
		}
		d.Good(t)
		return
	}
	d.doing.behind.Store(true)
	d.Good(t)
	err := work()
	if s := (scsi.Sense{}); errors.As(err, &s) {
		d.cartridge.deferred = s
	}
}
