package passthrough

import (
	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
)

// fail ends t with sense of lunette's own, in the format that the device has.
func (p *policy) fail(t *target.Task, s scsi.Sense) {
	t.Respond(target.Response{Status: scsi.CheckCondition, Sense: s, Descriptor: p.facts().descriptor})
}

// failWith ends t with what err means.
func (p *policy) failWith(t *target.Task, err error) {
	r := device.Failure(err)
	r.Descriptor = p.facts().descriptor
	t.Respond(r)
}

// reply ends t with GOOD and data, of which the CDB has room for allocation bytes, in memory on the account of the initiator.
func (p *policy) reply(t *target.Task, data []byte, allocation uint32) {
	if uint64(len(data)) > uint64(allocation) {
		data = data[:allocation]
	}
	if len(data) == 0 {
		t.Respond(target.Response{})
		return
	}
	l, err := t.Memory(int64(len(data)))
	if err != nil {
		p.failWith(t, err)
		return
	}
	l.Copy(0, data)
	t.Respond(target.Response{Moves: int64(len(data)), DataIn: l})
}

// repeat ends t with what the device, or the host, has said to a command of lunette's own that was for t: no data.
func (p *policy) repeat(t *target.Task, a *answer) {
	if !a.Executed() {
		p.line.fail(t, a.Result)
		return
	}
	r := target.Response{Status: a.Status}
	if a.Status == scsi.CheckCondition {
		r.SenseData = t.RawSense(a.sense) // it may have to wait for its place
		if len(r.SenseData) == 0 {
			r.Sense = scsi.NewSense(scsi.KeyHardwareError, scsi.ASCInternalTargetFailure)
		}
	}
	t.Respond(r)
}

// ask sends the command c, with at most n bytes of data-in, to the device for t, and calls then with what has come, which is then's until it returns, when it was executed with
// GOOD. Else t ends with what was said.
func (p *policy) ask(t *target.Task, c []byte, n int, then func(data []byte)) {
	p.line.own(c, min(n, maxOwn), func(a *answer) {
		p.heard(t.ITL(), a)
		if !a.good() {
			p.repeat(t, a)
			return
		}
		then(a.data)
	})
}

// check refuses CDBs with bits that have no meaning, for commands that are ours. What SCSI-2 had in them is let through: the LUN, and CONTROL.
func check(c []byte) error {
	op := scsi.Opcode(c[0])
	action, _ := cdb.Action(c)
	usage := cdb.UsageOf(op, action)
	if usage == "" {
		return scsi.InvalidFieldInCDB(1, 4)
	}
	var b [16]byte
	n := copy(b[:], c[:min(len(c), len(usage))])
	if n == 6 {
		b[1] &^= 0xe0
	}
	b[n-1] = 0
	return cdb.CheckUsage(b[:n], usage)
}
