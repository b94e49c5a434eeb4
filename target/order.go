package target

// The order of tasks is these two tables. A task that comes, or that goes on with its data,
// is held back while the table blocks it because of another task that was there before.

// A Class is how a command stands to other commands whatever their attributes: a column of a
// device type's command table.
type Class uint8

// Classes.
const (
	// Free commands do not touch the medium, or leave the order to the initiator.
	Free Class = iota
	// Reads read an extent of the medium.
	Reads
	// Writes change an extent of the medium.
	Writes
	// Atomic commands read and change an extent as an uninterrupted series of actions, as
	// COMPARE AND WRITE (SBC-4 5.3). They have data-out, and do nothing with the medium before
	// all of it is there. From then to the response no other command of the class Writes or
	// Atomic that overlaps it runs.
	Atomic
)

// An Order says how a command stands to others. First and Blocks are its extent in logical
// blocks, for the classes that have one.
type Order struct {
	Class         Class
	First, Blocks uint64
}

// overlaps reports that the extents have a block in common. It is right for extents that reach
// beyond the last number as well.
func (o Order) overlaps(p Order) bool {
	if o.First > p.First {
		o, p = p, o
	}
	return o.Blocks > 0 && p.Blocks > 0 && p.First-o.First < o.Blocks
}

// A verdict is what a table says of a task because of one that was there before.
type verdict uint8

const (
	pass    verdict = iota // it may go
	block                  // it waits for the end of the other
	overlap                // it waits for the end of the other if their extents overlap
)

// attributeOrder is SAM-5 8.6 for a task with the attribute now, and one with the attribute
// before in the same task set: a SIMPLE task waits for all HEAD OF QUEUE tasks and all
// older ORDERED ones; an ORDERED task for all that are older. There is never an ACA
// condition, since NormACA is 0: the task manager refuses the attribute ACA.
func attributeOrder(now, before Attr) verdict {
	return [4][4]verdict{
		Simple:      {Simple: pass, Ordered: block, HeadOfQueue: block, ACA: pass},
		Ordered:     {Simple: block, Ordered: block, HeadOfQueue: block, ACA: block},
		HeadOfQueue: {Simple: pass, Ordered: pass, HeadOfQueue: pass, ACA: pass},
		ACA:         {Simple: pass, Ordered: pass, HeadOfQueue: pass, ACA: pass},
	}[now&3][before&3]
}

// classOrder is for a command of the class now, and one of the class before that runs, or is
// atomic and was there first. It holds for all tasks of the unit, whatever their nexus.
func classOrder(now, before Class) verdict {
	return [4][4]verdict{
		Free:   {Free: pass, Reads: pass, Writes: pass, Atomic: pass},
		Reads:  {Free: pass, Reads: pass, Writes: pass, Atomic: pass},
		Writes: {Free: pass, Reads: pass, Writes: pass, Atomic: overlap},
		Atomic: {Free: pass, Reads: pass, Writes: overlap, Atomic: overlap},
	}[now&3][before&3]
}

// conflicts reports that the command of now waits for that of before.
func conflicts(now, before Order) bool {
	switch classOrder(now.Class, before.Class) {
	case block:
		return true
	case overlap:
		return now.overlaps(before)
	}
	return false
}
