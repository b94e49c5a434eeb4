package passthrough

import (
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// bound makes r one that can be believed: the lengths in it are within the command's.
func bound(r *sg.Result, n int64) {
	r.Residual = min(max(r.Residual, 0), n)
	r.Sense = min(max(r.Sense, 0), sg.MaxSense)
}

// answer ends the task of c with what the device has said, bit for bit, or with what the host has said in its place.
func (p *path) answer(c *command) {
	t, r := c.task, &c.Result
	t.Work.Any = nil
	if r.Executed() && r.Status == scsi.CheckCondition && r.Sense == 0 {
		r.Host = sg.HostError // an adapter that has lost the sense: what happened is not known
	}
	if r.Err == nil && r.Host == sg.HostReset && !t.Aborted() {
		// As if the device had said it: it is reset, and everybody has to know. (If the task is aborted the reset is ours, or the device will say so itself.)
		*r = sg.Result{Status: scsi.CheckCondition, Residual: c.n, Driver: r.Driver}
		r.Sense = len(scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset).AppendFixed(c.Sense[:0]))
	}
	if !r.Executed() {
		p.tellFailure(c)
		c.giveBack()
		p.fail(t, r)
		return
	}
	moved := c.moved()
	raw := c.Sense[:r.Sense]
	c.got = answer{Result: r, sense: raw}
	if c.Direction == sg.In {
		c.got.data = c.Data.Mem[:moved]
	}
	if t.Aborted() {
		p.policy.heard(nil, &c.got) // nobody gets the answer, and the device does not say it again
	}
	p.policy.answered(t, c.rule, &c.got)
	response := target.Response{Status: r.Status, Moves: moved}
	if r.Status == scsi.CheckCondition {
		response.SenseData = t.RawSense(raw)
	}
	p.stats.bytes.Add(moved)
	if c.Direction == sg.In && moved > 0 {
		response.DataIn = c.lease
		response.DataIn.Truncate(moved)
		c.lease, c.got = nil, answer{}
	}
	c.giveBack() // before the initiator knows
	t.Respond(response)
}

// moved is how many bytes the command has moved, as far as that can be believed: the residual is the adapter's, and some always say 0.
// With GOOD it counts. With CHECK CONDITION data may have come all the same (a tape's block was shorter, or there was a filemark), but a residual
// of 0 is then not enough to say so: the sense must say that data was moved, or how much was not (SSC-5 4.2.14).
func (c *command) moved() int64 {
	r, n := &c.Result, c.n
	switch {
	case n == 0:
		return 0
	case r.Status == scsi.Good, r.Status == scsi.ConditionMet:
		return n - r.Residual
	case r.Status != scsi.CheckCondition:
		return 0
	case r.Residual > 0:
		return n - r.Residual
	}
	s, err := scsi.ParseSense(c.Sense[:r.Sense])
	switch {
	case err != nil, s.Deferred: // an error of a command before, and this one was not done (SPC-5 4.4.7)
		return 0
	case (s.Filemark || s.EOM || s.ILI) && s.InfoValid:
		return n - c.missing(s, n)
	case s.Key == scsi.KeyNoSense, s.Key == scsi.KeyRecoveredError, s.Key == scsi.KeyCompleted:
		return n
	}
	return 0
}

// missing is how much of n bytes the INFORMATION field of a stream command says were not moved: blocks with FIXED=1, else bytes. A negative number
// is of a block that was longer than what was asked for: nothing is missing.
func (c *command) missing(s scsi.Sense, n int64) int64 {
	left := int64(int32(uint32(s.Info)))
	if s.Info > 1<<32 {
		left = int64(s.Info)
	}
	if left <= 0 {
		return 0
	}
	unit := int64(1)
	if len(c.CDB) > 1 && c.CDB[1]&1 != 0 { // FIXED, of READ and WRITE
		unit = int64(c.path.facts().blockSize)
	}
	if unit == 0 || left > n/unit {
		return n
	}
	return left * unit
}
