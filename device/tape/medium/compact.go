package medium

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/internal/failpoint"
)

// Compact gives back the space of what counts only in part: frames within which somebody has started to write anew. It needs as much space
// as the partition has, for a while. What is damaged it does not touch: *CorruptError.
func Compact(ctx context.Context, dir string) error {
	c, err := Open(dir, Options{})
	if err != nil {
		return err
	}
	err = c.compact(ctx)
	return errors.Join(err, c.Close())
}

func (c *Cartridge) compact(ctx context.Context) error {
	for i := range c.heads {
		need := false
		_, err := c.heads[i].each(ctx, c.heads[i].end, func(f frame) error {
			if f.kind == kindDamaged {
				return c.heads[i].corrupt(f.at.object, "it is damaged")
			}
			need = need || f.count < f.all
			return nil
		})
		if err == nil && need {
			err = c.compactPartition(ctx, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// compactPartition copies a partition into a new directory, and makes that the partition.
func (c *Cartridge) compactPartition(ctx context.Context, i int) error {
	next := c.state
	next.Generation++
	next.Partitions = slices.Clone(next.Partitions)
	p := &next.Partitions[i]
	p.Dir, p.Salt = partitionDir(i, next.Generation), random()
	err := makePartition(c.d, p)
	if err == nil {
		err = c.copyPartition(ctx, i, p)
	}
	if err != nil {
		return errors.Join(err, c.d.remove(p.Dir))
	}
	failpoint.Here("medium/compact/made")
	if err := c.d.syncDir("."); err != nil {
		return err
	}
	c.mu.Lock()
	err = c.commit(next)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	failpoint.Here("medium/compact/committed")
	c.closeHeads()
	if err := c.openHeads(); err != nil {
		return err
	}
	return c.sweep()
}

// copyPartition copies what counts of partition i.
func (c *Cartridge) copyPartition(ctx context.Context, i int, p *partition) (err error) {
	from := c.heads[i]
	to, _, err := c.openHead(ctx, i, p)
	if err != nil {
		return err
	}
	defer to.close()
	_, err = from.each(ctx, from.end, func(f frame) error {
		if f.kind == kindMarks {
			return to.put(&frame{kind: kindMarks, count: f.count, all: f.count}, nil, nil, nil)
		}
		return from.copyFrame(&f, to)
	})
	if err != nil {
		to.settle()
		return err
	}
	if to.end.object != from.end.object || to.end.file != from.end.file || to.end.bytes != from.end.bytes {
		to.settle()
		return fmt.Errorf("partition %d: the copy has not what it should", i)
	}
	return to.saveNow()
}

// copyFrame writes what counts of a frame to another partition.
func (h *head) copyFrame(f *frame, to *head) error {
	if _, ok, err := h.readHead(f.at.offset); err != nil {
		return err
	} else if !ok {
		return h.corrupt(f.at.object, "its header is damaged")
	}
	b, err := h.kept(f, f.at.object)
	if err != nil {
		return err
	}
	key := slices.Clone(h.raw[frameFixed : frameFixed+int(f.key)])
	sums := make([]uint32, f.sums())
	for i := range sums {
		sums[i] = h.sum(f, uint64(i))
	}
	g := frame{kind: f.kind, codec: f.codec, sealed: f.sealed, key: f.key, count: f.all, all: f.all, length: f.length, stored: f.stored}
	switch {
	case f.count == f.all:
	case f.sealed: // nobody can take it apart
		if err := to.put(&g, key, sums, [][]byte{b}); err != nil {
			return err
		}
		return to.truncate(g.within(f.count))
	case f.codec == Plain:
		g.count, g.all = f.count, f.count
		g.stored = int64(g.all) * g.length
		b = b[:g.stored]
		if sums = sums[:min(len(sums), int(g.all))]; g.fine() && !f.fine() || !g.fine() {
			sums = []uint32{crc32.Checksum(b, castagnoli)}
		}
	default:
		plain, err := h.unpack(f, b, nil)
		if err != nil {
			return h.corrupt(f.at.object, "it cannot be decompressed: "+err.Error())
		}
		packed, err := to.pack(Blocks{Data: buffer.Of(plain[:int64(f.count)*f.length]), Len: f.length, Count: int(f.count), Codec: f.codec})
		if err != nil {
			return err
		}
		defer packed.Release()
		g = packed.header()
		return to.put(&g, nil, packed.sums, packed.vec)
	}
	return to.put(&g, key, sums, [][]byte{b})
}
