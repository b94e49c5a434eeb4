package medium

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// Reindex makes the index again from the data, and the headers of partitions if they are damaged. The report says what of the data is
// damaged as far as headers of frames tell; Verify says the rest. After a crash it is called again.
func Reindex(ctx context.Context, dir string) (Report, error) {
	d := directory(dir)
	if _, err := readLabel(d); err != nil {
		return Report{}, err
	}
	lock, err := d.lock(true)
	if err != nil {
		return Report{}, err
	}
	r, err := reindexIn(ctx, d, defaults())
	return r, errors.Join(err, lock.Close())
}

func reindexIn(ctx context.Context, d folder, cfg config) (r Report, err error) {
	c := &Cartridge{d: d, cfg: cfg}
	if c.label, err = readLabel(d); err != nil {
		return r, err
	}
	if c.state, err = readState(d); err != nil {
		return r, err
	}
	defer c.codecs.close()
	for i := range c.state.Partitions {
		if err := c.reindex(ctx, i, &r); err != nil {
			return r, fmt.Errorf("partition %d: %w", i, err)
		}
	}
	return r, nil
}

// reindex makes the index of a partition.
func (c *Cartridge) reindex(ctx context.Context, i int, r *Report) error {
	p := &c.state.Partitions[i]
	h, _, err := c.openHead(ctx, i, p)
	lost := false
	if bad := (*CorruptError)(nil); errors.As(err, &bad) || errors.Is(err, fs.ErrNotExist) {
		h, err = c.openHeadless(i, p)
		lost = true
	}
	if err != nil {
		return err
	}
	defer func() { h.close() }()
	until := h.end
	if lost {
		// Nobody knows where the end is: all that is there is taken, up to the last frame that is whole.
		segs, err := h.log.segments()
		if err != nil {
			return err
		}
		until = position{object: 1 << 60, file: 1 << 60}
		if n := len(segs); n > 0 {
			if until.offset, err = h.log.ends(segs[n-1] * h.log.size); err != nil {
				return err
			}
		}
	}
	next := [2]*table{{seed: h.seed}, {seed: h.seed}}
	for k, name := range []string{"index", "marks"} {
		if err := c.d.remove(p.Dir + "/" + name + ".new"); err != nil {
			return err
		}
		if next[k].f, err = c.d.open(p.Dir+"/"+name+".new", true); err != nil {
			return space(err)
		}
	}
	old := [2]table{h.index, h.marks}
	h.index, h.marks = *next[0], *next[1]
	for _, t := range old {
		if t.f != nil {
			_ = t.f.close()
		}
	}
	h.sinceFrames = 1 << 30
	epoch := uint64(0)
	end, err := h.each(ctx, until, func(f frame) error {
		if f.kind == kindDamaged {
			if !lost || f.at.object+f.count < until.object {
				r.add(Damage{i, f.at.object, f.count, "the header is damaged"})
			}
			h.sinceFrames = 1 << 30
			return nil
		}
		epoch = max(epoch, f.epoch)
		r.Bytes += f.head()
		h.enter(&f)
		return h.flushTables(c.cfg.saveEntries)
	})
	if err == nil {
		err = h.flushTables(0)
	}
	if err != nil {
		return err
	}
	if lost {
		h.end = end
		h.epoch = epoch + 1
	}
	r.Objects += h.end.object
	failpoint.Here("medium/reindex/made")
	for _, name := range []string{"index", "marks"} {
		if err := c.d.rename(p.Dir+"/"+name+".new", p.Dir+"/"+name); err != nil {
			return space(err)
		}
		failpoint.Here("medium/reindex/renamed")
	}
	if err := c.d.syncDir(p.Dir); err != nil {
		return err
	}
	if lost {
		if err := h.log.cut(h.end.offset); err != nil {
			return err
		}
		if err := h.log.syncFrom(0, h.end.offset); err != nil {
			return err
		}
	}
	s := h.snap()
	return h.save(s)
}

// flushTables writes the entries that wait, if they are many.
func (h *head) flushTables(most int) error {
	for _, t := range []*table{&h.index, &h.marks} {
		if n := len(t.pending); n > most || n > 0 && most == 0 {
			if err := t.write(t.pending, t.n); err != nil {
				return err
			}
			t.flushed(n)
		}
	}
	return nil
}

// openHeadless opens a partition of which the header is damaged, at its beginning.
func (c *Cartridge) openHeadless(n int, p *partition) (*head, error) {
	if err := c.d.mkdir(p.Dir); err != nil {
		return nil, space(err)
	}
	f, err := c.d.open(p.Dir+"/header", true)
	if err != nil {
		return nil, space(err)
	}
	h := &head{c: c, n: n, dir: p.Dir, header: f, salt: p.Salt, seed: seedOf(p.Salt), capacity: p.Capacity, epoch: 1 << 62}
	h.log = newLog(c.d, p.Dir, c.cfg.segment)
	if err := f.truncate(2 * headerSlot); err != nil {
		h.close()
		return nil, space(err)
	}
	return h, nil
}
