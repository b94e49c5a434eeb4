package device

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/lunette-io/lunette/device/reserve"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A Command is one row of the table that everything about a command comes from:
// dispatch, the check of the CDB, reservation fencing, the order of tasks, and what REPORT
// SUPPORTED OPERATION CODES says. A command without a row goes to the default row, or is
// refused.
type Command struct {
	Op     scsi.Opcode
	Action scsi.ServiceAction // for operation codes that have service actions

	// Usage is the CDB usage data; "" takes that of [cdb.UsageOf]. Its length is the
	// length of the CDB. Tolerated bits have no meaning, but are let through, since
	// initiators are known to set them; by byte.
	Usage     cdb.Usage
	Tolerated map[int]byte

	// Access is how reservations fence the command. If it depends on more of the CDB
	// than the operation code, AccessOf says it.
	Access   reserve.Class
	AccessOf func(c []byte) reserve.Class

	// Order is the class that says how the command stands to others while it runs, and
	// Extent the logical blocks that it is about; nil is the whole unit. If the class depends
	// on the CDB, OrderOf says it all. The CDB has its full length. Both are fast, have no side
	// effects, and are called before anything else of the command is checked.
	Order   target.Class
	Extent  func(c []byte) (first, blocks uint64)
	OrderOf func(c []byte) target.Order

	// Attention: the command runs while a unit attention is pending, and leaves it so.
	Attention bool
	// Medium: the command needs the unit to be ready; see Config.Ready.
	Medium bool

	Timeouts page.Timeouts

	// Run executes the task and sees to it that it ends. The CDB has its full length
	// and no bit that Usage and Tolerated do not have.
	Run func(*target.Task)

	changes bool     // it changes the medium: its Order says so
	refused [16]byte // bits of the CDB that must be 0
	low     uint64   // the same as numbers
	high    uint64
}

const controlNACA = cdb.ControlNACA

// table finds commands by operation code, and those with service actions in a list.
type table struct {
	by   [256]uint8 // where the row of an operation code is; 0, where it is empty: there is none
	rows []row
	all  []*Command // in order of operation code and service action
	rest *Command   // the default row; nil: the rest is refused
}

type row struct {
	one  *Command
	many []*Command
}

// newTable checks the rows and fills in what they leave out. A wrong row is a
// programming error.
func newTable(rows []Command, rest *Command) *table {
	if len(rows) > 255 {
		panic("device: more rows than operation codes")
	}
	t := &table{all: make([]*Command, 0, len(rows)), rows: make([]row, 1, 1+len(rows))}
	own := make([]Command, len(rows)) // one piece of memory for all: there may be thousands of devices
	if rest != nil {
		if rest.Run == nil || rest.Usage != "" || rest.Tolerated != nil {
			panic("device: the default row has no function, or checks CDBs that it does not know")
		}
		c := *rest
		t.rest = &c
	}
	for i := range rows {
		c := &own[i]
		*c = rows[i]
		c.complete()
		if t.by[c.Op] == 0 {
			t.by[c.Op] = uint8(len(t.rows))
			t.rows = append(t.rows, row{})
		}
		r := t.row(c.Op)
		if !c.Op.HasServiceActions() {
			if r.one != nil {
				panic(fmt.Sprintf("device: %v is in the table twice", c.Op))
			}
			r.one = c
		} else {
			if slices.ContainsFunc(r.many, func(o *Command) bool { return o.Action == c.Action }) {
				panic(fmt.Sprintf("device: %s is in the table twice", scsi.CommandName(c.Op, c.Action)))
			}
			r.many = append(r.many, c)
		}
		t.all = append(t.all, c)
	}
	slices.SortFunc(t.all, func(a, b *Command) int {
		if a.Op != b.Op {
			return int(a.Op) - int(b.Op)
		}
		return int(a.Action) - int(b.Action)
	})
	return t
}

func (c *Command) complete() {
	if c.Usage == "" {
		c.Usage = cdb.UsageOf(c.Op, c.Action)
	}
	if len(c.Usage) < 6 || len(c.Usage) > len(c.refused) || c.Usage[0] != byte(c.Op) || c.Run == nil {
		panic("device: incomplete row for " + scsi.CommandName(c.Op, c.Action))
	}
	if c.OrderOf == nil && c.Order == target.Free && (c.Access == reserve.Reading || c.Access == reserve.Writing) {
		panic("device: a row without an order for " + scsi.CommandName(c.Op, c.Action))
	}
	c.changes = c.Medium && (c.Order == target.Writes || c.Order == target.Atomic)
	last := len(c.Usage) - 1
	for i := 1; i < last; i++ {
		c.refused[i] = ^(c.Usage[i] | c.Tolerated[i])
	}
	if len(c.Usage) == 6 {
		c.refused[1] &^= 0xe0 // where SCSI-2 had the LUN
	}
	c.refused[last] = controlNACA // the rest of CONTROL is obsolete or the vendor's
	c.low = binary.LittleEndian.Uint64(c.refused[:])
	c.high = binary.LittleEndian.Uint64(c.refused[8:])
}

// row is that of an operation code; empty: there is none.
func (t *table) row(op scsi.Opcode) *row { return &t.rows[t.by[op]] }

// find returns the row for a CDB, or the sense of what is wrong with it.
func (t *table) find(c []byte) (*Command, scsi.Sense) {
	if len(c) == 0 {
		return nil, scsi.InvalidOpcode()
	}
	r := t.row(scsi.Opcode(c[0]))
	if r.one != nil {
		return r.one, scsi.Sense{}
	}
	if a, ok := cdb.Action(c); ok {
		for _, m := range r.many {
			if m.Action == a {
				return m, scsi.Sense{}
			}
		}
	}
	switch {
	case t.rest != nil:
		return t.rest, scsi.Sense{}
	case len(r.many) == 0:
		return nil, scsi.InvalidOpcode()
	}
	return nil, scsi.InvalidFieldInCDB(1, 4)
}

// check reports a CDB that is too short or has bits that must be 0.
func (c *Command) check(b []byte) (scsi.Sense, bool) {
	if len(b) >= 16 {
		if binary.LittleEndian.Uint64(b)&c.low|binary.LittleEndian.Uint64(b[8:])&c.high == 0 {
			return scsi.Sense{}, true
		}
	} else if len(b) < len(c.Usage) {
		return scsi.InvalidFieldInCDB(len(b), -1), false
	}
	for i := range min(len(b), len(c.refused)) {
		if extra := b[i] & c.refused[i]; extra != 0 {
			return scsi.InvalidFieldInCDB(i, bits.Len8(extra)-1), false
		}
	}
	return scsi.Sense{}, true
}

// protected reports that the command, with the CDB b, changes the medium, and that x may not.
func (c *Command) protected(b []byte, x *target.ITL) bool {
	if c.OrderOf != nil && c.Medium {
		o := c.OrderOf(b)
		return (o.Class == target.Writes || o.Class == target.Atomic) && x.ReadOnly()
	}
	return c.changes && x.ReadOnly()
}

// class is how reservations fence the command with the CDB b.
func (c *Command) class(b []byte) reserve.Class {
	if c.AccessOf != nil && len(b) >= len(c.Usage) {
		return c.AccessOf(b)
	}
	return c.Access
}
