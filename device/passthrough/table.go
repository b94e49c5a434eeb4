package passthrough

import (
	"slices"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// A table has the rules of one device type.
type table struct {
	by     [256][]*rule // by operation code; several where there are service actions, then the one for any of them last
	rest   *rule        // of all other commands: fenced and ordered as those that write anywhere
	vendor *rule        // of the operation codes of vendors
	all    []*rule      // in order of operation code and service action
}

// Device types that nothing else of lunette knows (SPC-5 table 151).
const (
	typeWriteOnce  scsi.PeripheralType = 0x04
	typeMemory     scsi.PeripheralType = 0x07 // optical memory, by SBC
	typeEnclosure  scsi.PeripheralType = 0x0d
	typeSimplified scsi.PeripheralType = 0x0e // RBC
)

// hasBlocks reports a device type that has the commands of SBC.
func hasBlocks(t scsi.PeripheralType) bool {
	switch t {
	case scsi.TypeDisk, scsi.TypeZoned, typeWriteOnce, typeMemory, typeSimplified:
		return true
	}
	return false
}

// tableOf is the table for devices of type t. Of a type that is not here every command passes, fenced as if it wrote, but those of SPC that are refused for all.
func tableOf(t scsi.PeripheralType) *table {
	rules := primaryRules()
	switch {
	case hasBlocks(t):
		return newTable(append(rules, diskRules()...), vendor)
	case t == scsi.TypeTape:
		return newTable(append(rules, tapeRules()...), vendor)
	case t == scsi.TypeChanger:
		return newTable(append(rules, changerRules()...), vendor)
	case t == scsi.TypeOptical:
		return newTable(append(rules, opticalRules()...), vendor)
	case t == typeEnclosure:
		return newTable(append(rules, enclosureRules()...), vendor)
	}
	return newTable(rules, nobodys)
}

// newTable is the table of rules, of which later ones take the places of earlier ones. The rest needs what restNeeds says.
func newTable(rules []rule, restNeeds permission) *table {
	other := rule{name: "all others", needs: restNeeds, access: reserve.Writing, changes: true, alone: true, data: unknown()}
	vendors := other
	vendors.name, vendors.needs = "operation codes of vendors (C0h to FFh)", vendor
	t := &table{rest: &other, vendor: &vendors}
	for i := range rules {
		r := &rules[i]
		same := t.by[r.op]
		if !hasActions(r.op) {
			same = nil
		}
		if at := slices.IndexFunc(same, func(o *rule) bool { return o.action == r.action }); at >= 0 {
			same[at] = r
		} else if n := len(same); n > 0 && same[n-1].action == anyAction {
			same = slices.Insert(same, n-1, r)
		} else {
			same = append(same, r)
		}
		t.by[r.op] = same
	}
	for _, same := range t.by {
		t.all = append(t.all, same...)
	}
	return t
}

// find is the rule for the command c, which may be of any length.
func (t *table) find(c []byte) *rule {
	if len(c) == 0 {
		return t.rest
	}
	action, ok := actionOf(c)
	if !ok && hasActions(scsi.Opcode(c[0])) {
		action = anyAction
	}
	return t.findAction(scsi.Opcode(c[0]), action)
}

// findAction is the rule of a command by its operation code and, where there are such, service action.
func (t *table) findAction(op scsi.Opcode, action scsi.ServiceAction) *rule {
	for _, r := range t.by[op] {
		if r.action == action || r.action == anyAction || !hasActions(op) {
			return r
		}
	}
	if op >= 0xc0 {
		return t.vendor
	}
	return t.rest
}

// hasActions reports operation codes whose commands are told apart by service actions, those that [scsi.Opcode.HasServiceActions] does not have among them.
func hasActions(op scsi.Opcode) bool {
	switch op {
	case opServiceActionIn12, 0xa9, opZoneIn, opZoneOut, opAccessControlIn, opAccessControlOut:
		return true
	}
	return op.HasServiceActions()
}

// actionOf is the service action of c; false if it is too short, or a variable length CDB of another length than those that have rules.
func actionOf(c []byte) (scsi.ServiceAction, bool) {
	switch op := scsi.Opcode(c[0]); {
	case !hasActions(op):
		return 0, true
	case op == scsi.OpVariableLength:
		if n, _ := cdb.FullLength(c); n != sg.MaxCDB {
			return 0, false
		}
		return cdb.Action(c)
	case len(c) < 2:
		return 0, false
	}
	return scsi.ServiceAction(c[1] & 0x1f), true
}
