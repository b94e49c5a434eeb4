package device

import (
	"math"

	"github.com/lunette-io/lunette/target"
)

// Order says how the command c stands to others: from the table, fast and without side
// effects. A command that will be refused at once is free.
func (s *Server) Order(c []byte) target.Order {
	row, _ := s.table.find(c)
	if row == nil || len(c) < len(row.Usage) {
		return target.Order{Class: target.Free}
	}
	return row.order(c)
}

// order is that of the command with the CDB b, which has its full length.
func (c *Command) order(b []byte) target.Order {
	switch {
	case c.OrderOf != nil:
		return c.OrderOf(b)
	case c.Order == target.Free:
		return target.Order{}
	case c.Extent == nil:
		return WholeUnit(c.Order)
	}
	first, blocks := c.Extent(b)
	return target.Order{Class: c.Order, First: first, Blocks: blocks}
}

// WholeUnit is the order of a command that may touch any block.
func WholeUnit(c target.Class) target.Order { return target.Order{Class: c, Blocks: math.MaxUint64} }
