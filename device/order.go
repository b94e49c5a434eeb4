package device

import "math"

// A Class says how a command stands to others of the unit while it runs.
type Class uint8

// Classes.
const (
	Free Class = iota
	Reads
	Writes
	Atomic
)

// An Order is the class of a command and the logical blocks that it is about.
type Order struct {
	Class         Class
	First, Blocks uint64
}

// Order says how the command c stands to others: from the table, fast and without side
// effects. A command that will be refused at once is free.
func (s *Server) Order(c []byte) Order {
	row, _ := s.table.find(c)
	if row == nil || len(c) < len(row.Usage) {
		return Order{Class: Free}
	}
	return row.order(c)
}

// order is that of the command with the CDB b, which has its full length.
func (c *Command) order(b []byte) Order {
	switch {
	case c.OrderOf != nil:
		return c.OrderOf(b)
	case c.Order == Free:
		return Order{}
	case c.Extent == nil:
		return WholeUnit(c.Order)
	}
	first, blocks := c.Extent(b)
	return Order{Class: c.Order, First: first, Blocks: blocks}
}

// WholeUnit is the order of a command that may touch any block.
func WholeUnit(c Class) Order { return Order{Class: c, Blocks: math.MaxUint64} }
