package medium

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// openHead opens a partition. Without write nothing is changed: what has to be cut off is passed over.
func (c *Cartridge) openHead(ctx context.Context, n int, p *partition) (h *head, r Recovered, err error) {
	h = &head{c: c, n: n, dir: p.Dir}
	r.Partition = n
	write := !c.readOnly
	hf, err := c.d.open(p.Dir+"/header", write)
	if err != nil {
		return nil, r, err
	}
	x, err := readHeader(hf)
	if err == nil && write {
		// A crash may have left it in the memory of the operating system alone, and the next one goes over the one before.
		err = hf.sync()
	}
	if err != nil {
		_ = hf.close()
		if errors.Is(err, errHeader) {
			err = &CorruptError{Partition: n, What: "its header is damaged: it can be made again with the index"}
		}
		return nil, r, err
	}
	h.header, h.salt, h.seed, h.capacity = hf, x.salt, seedOf(x.salt), x.capacity
	h.sequence, h.epoch, h.saved = x.sequence, x.epoch, x.saved
	h.log = newLog(c.d, p.Dir, c.cfg.segment)
	for _, t := range []struct {
		t    *table
		name string
		n    int64
	}{{&h.index, "index", x.index}, {&h.marks, "marks", x.marks}} {
		f, err := c.d.open(p.Dir+"/"+t.name, write)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil // all its entries are damaged
		}
		if err != nil {
			h.close()
			return nil, r, err
		}
		*t.t = table{f: f, seed: h.seed, n: t.n}
	}
	r, err = h.recover(ctx, write)
	if err != nil {
		h.close()
		return nil, r, err
	}
	return h, r, nil
}

// recover finds the end of data, and cuts off what is behind it.
func (h *head) recover(ctx context.Context, write bool) (r Recovered, err error) {
	r.Partition = h.n
	h.end = h.saved
	h.sinceFrames = 1 << 30
	from := h.saved
	for ok := true; ok; {
		if ok, err = h.replay(ctx); err != nil {
			return r, err
		}
		if len(h.marks.pending) < 4*h.c.cfg.saveEntries {
			continue
		}
		if !write {
			return r, errors.New("too much was written since it was closed: it has to be opened for writing")
		}
		if err := h.keep(); err != nil {
			return r, err
		}
	}
	r.Objects = h.end.object - from.object
	if r.Cut, _, err = h.log.behind(h.end.offset); err != nil || !write || r.Cut == 0 && r.Objects == 0 {
		return r, err
	}
	// What was found may be in the memory of the operating system alone.
	if err = h.keep(); err == nil && r.Cut > 0 {
		err = h.truncate(h.end)
	}
	if errors.Is(err, ErrNoSpace) { // the index waits; what is behind the end is cut off before something is written there
		h.uncut, err = r.Cut > 0, nil
	}
	h.pos = Position{}
	return r, err
}

// keep makes what was found durable.
func (h *head) keep() error {
	if err := h.log.syncFrom(h.saved.offset, h.end.offset); err != nil {
		return err
	}
	return h.saveNow()
}

// replay takes the frame at the end, if there is one that counts: whole, of the epoch, and with the number that comes next.
func (h *head) replay(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	off, err := h.log.resolve(h.end.offset)
	if err != nil {
		return false, err
	}
	f, ok, err := h.readHead(off)
	if err != nil && !unreadable(err) {
		return false, fmt.Errorf("what was written last cannot be read: %w", err)
	}
	if !ok || f.epoch != h.epoch || f.at.object != h.end.object || f.at.file != h.end.file || f.at.used != h.end.used || f.at.bytes != h.end.bytes {
		return false, nil
	}
	if f.kind == kindBlocks && !h.c.quick {
		if _, err := h.kept(&f, f.at.object); err != nil {
			if bad := (*CorruptError)(nil); errors.As(err, &bad) {
				return false, nil
			}
			return false, err
		}
	}
	h.enter(&f)
	h.end = f.after()
	return true, nil
}

func (h *head) close() {
	h.isDead = true
	if h.log != nil {
		h.log.closeFiles()
	}
	for _, f := range []file{h.header, h.index.f, h.marks.f} {
		if f != nil {
			_ = f.close()
		}
	}
}
