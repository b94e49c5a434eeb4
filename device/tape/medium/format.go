package medium

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// Format makes as many empty partitions, of these capacities. The heads of before are of no use any more.
func (c *Cartridge) Format(ctx context.Context, sizes []int64) error {
	return c.format(ctx, sizes, c.Capacity())
}

// format is Format, and SetCapacity: from then on all partitions together have this capacity at the most.
func (c *Cartridge) format(ctx context.Context, sizes []int64, capacity int64) error {
	if err := c.writable(); err != nil {
		return err
	}
	if len(sizes) < 1 || len(sizes) > MaxPartitions {
		return fmt.Errorf("a cartridge has 1 to %d partitions", MaxPartitions)
	}
	left := min(capacity, c.label.Capacity)
	for i, n := range sizes {
		if n < 1 || n > left {
			return fmt.Errorf("partition %d cannot have %d bytes of %d", i, n, min(capacity, c.label.Capacity))
		}
		left -= n
	}
	if c.label.Type == WORM {
		for _, h := range c.heads {
			if h.end.object > 0 {
				return ErrWORM
			}
		}
	}
	c.mu.Lock()
	next := state{Generation: c.state.Generation + 1}
	if capacity < c.label.Capacity {
		next.Capacity = capacity
	}
	c.mu.Unlock()
	for i, n := range sizes {
		next.Partitions = append(next.Partitions, partition{Dir: partitionDir(i, next.Generation), Salt: random(), Capacity: n})
		err := ctx.Err()
		if err == nil {
			err = makePartition(c.d, &next.Partitions[i])
		}
		if err != nil {
			for _, p := range next.Partitions {
				err = errors.Join(err, c.d.remove(p.Dir))
			}
			return err
		}
	}
	if err := c.d.syncDir("."); err != nil {
		return space(err)
	}
	failpoint.Here("medium/format/made")
	for _, h := range c.heads {
		h.settle()
	}
	c.mu.Lock()
	next.Usage = c.state.Usage
	next.Partitions[0].Attributes = c.state.Partitions[0].Attributes
	err := c.commit(next)
	c.mu.Unlock()
	if err != nil {
		return err // the new ones are removed by the next Open: if the state is theirs nevertheless, they are there
	}
	failpoint.Here("medium/format/committed")
	c.closeHeads()
	if err := c.openHeads(); err != nil {
		return err
	}
	return c.sweep()
}

// SetCapacity makes all partitions one, of this capacity.
func (c *Cartridge) SetCapacity(ctx context.Context, capacity int64) error {
	return c.format(ctx, []int64{capacity}, capacity)
}

// Capacity is that of all partitions together, at the most.
func (c *Cartridge) Capacity() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state.Capacity > 0 {
		return min(c.state.Capacity, c.label.Capacity)
	}
	return c.label.Capacity
}
