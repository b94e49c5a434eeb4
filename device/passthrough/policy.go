package passthrough

import (
	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// whose says who answers a command.
type whose uint8

const (
	passes  whose = iota // the device, bit for bit
	edited               // the device, and lunette changes its data-in
	ours                 // lunette; it may ask the device, or give it the command after all
	refused              // lunette: nobody may have it
)

// String is what the reference says.
func (w whose) String() string { return [...]string{"passes", "edited", "ours", "refused"}[w&3] }

// A permission is what a configuration may list (Allowed): without it, a command that needs it is refused.
type permission uint8

const (
	nobodys permission = iota // nothing has to be listed
	firmware
	format
	vendor
	thirdParty
	keys
)

// String is how a configuration calls p.
func (p permission) String() string {
	return [...]string{"", "firmware", "format", "vendor", "third-party", "keys"}[p]
}

// A rule is what is done with the commands of one operation code, or of one service action of it, of one device type.
// All that is decided about a command comes from its rule; rules are data and do not change.
type rule struct {
	op     scsi.Opcode
	action scsi.ServiceAction // if the operation code has service actions, and not anyAction
	name   string             // as the standard of the device type has it

	whose whose
	// needs is what the configuration must list, or the command is refused; with Exclusive it passes all the same.
	needs permission
	// needsOf says it where it depends on more of the CDB; the CDB has its full length.
	needsOf func(c []byte) permission

	// access is how reservations fence the command; accessOf says it where it depends on more of the CDB.
	access   reserve.Class
	accessOf func(c []byte) reserve.Class
	// changes: the command changes the medium, so that who may only read may not have it. extent says which
	// blocks; nil are all.
	changes bool
	extent  func(c []byte) (first, blocks uint64)
	// changesOf says it where it depends on more of the CDB, which has its full length, and what else who may only read may not have: what does away with a medium, or the device.
	changesOf func(c []byte) bool
	// alone: it moves the medium, or goes by its position: the device gets it when it has no other such command.
	alone bool
	// ejects: it takes the medium out, so that it is refused while another initiator prevents that.
	ejects func(c []byte) bool
	// targets: the command is about what is the target's, so that it is ours or edited with Exclusive too.
	targets bool
	// attention: it goes on while a unit attention is pending, and leaves it so (SAM-5 5.14).
	attention bool

	data transfer

	// run answers a command that is ours or edited. An edited one asks the device with a command of lunette's own, since the initiator may want only the
	// beginning of an answer whose length changes.
	run func(p *policy, t *target.Task, r *rule)
	// after is called when a command that the device had has ended with GOOD, before its answer goes out.
	after func(p *policy, t *target.Task)
}

// maxOwn is how much data-in a command of lunette's own asks for at the most. Some devices refuse REPORT SUPPORTED OPERATION CODES with more than 65,535.
const maxOwn = 64<<10 - 1024

// An answer is how the device, or the host in its place, has ended a command.
type answer struct {
	*sg.Result
	data  []byte // data-in that has come
	sense []byte // with CHECK CONDITION, as the device gave it
}

// good reports that the device has executed the command.
func (a *answer) good() bool { return a.Executed() && a.Status == scsi.Good }

// anyAction is the action of a rule for all service actions of its operation code that have no rule.
const anyAction scsi.ServiceAction = 0xffff

// A line is how a policy reaches the device: the command path of the unit.
type line interface {
	// pass gives t to the device, as r says, and ends it with what came of it. Before the answer goes out it calls [policy.answered], if the device
	// has answered.
	pass(t *target.Task, r *rule)
	// fail ends t with what the host has said in the device's place, or with the sense of a device that is gone.
	fail(t *target.Task, res *sg.Result)
	// own sends a command of lunette's own, with at most n ≤ maxOwn bytes of data-in, and calls done exactly once, perhaps before it returns, on any goroutine,
	// with no lock held, when it has ended. c is borrowed until then; done borrows a until it returns.
	own(c []byte, n int, done func(a *answer))
	// forget says that what was remembered of the device may not be so any more, because of the unit attention a.
	forget(a scsi.ASC)
}
