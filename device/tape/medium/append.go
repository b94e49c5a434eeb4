package medium

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/internal/failpoint"
)

func (h *head) Append(ctx context.Context, f Frame) (int, error) {
	p, ok := f.(*packed)
	if !ok || p.c != &h.c.codecs {
		return 0, errForeign
	}
	defer p.Release()
	at, err := h.writable(ctx, false)
	if err != nil {
		return 0, err
	}
	room, short := h.capacity-at.used-frameCharge, false
	if p.stored > room {
		// Some of several blocks may fit, as they are.
		n := int(max(room, 0) / p.blocks.Len)
		if p.sealed || n == 0 || n >= p.blocks.Count {
			return 0, ErrEndOfPartition
		}
		p.first(n)
		short = true
	}
	if err := h.trim(); err != nil {
		return 0, err
	}
	g := p.header()
	if err := h.put(&g, p.key, p.sums, p.vec); err != nil {
		return 0, err
	}
	if short {
		return p.blocks.Count, ErrEndOfPartition
	}
	return p.blocks.Count, nil
}

func (h *head) Filemarks(ctx context.Context, n int) (int, error) {
	if n <= 0 {
		return 0, nil
	}
	at, err := h.writable(ctx, false)
	if err != nil {
		return 0, err
	}
	fit := int(min(int64(n), max((h.capacity-at.used)/frameCharge, 0), 1<<31))
	if fit == 0 {
		return 0, ErrEndOfPartition
	}
	if err := h.trim(); err != nil {
		return 0, err
	}
	if err := h.put(&frame{kind: kindMarks, count: uint64(fit), all: uint64(fit)}, nil, nil, nil); err != nil {
		return 0, err
	}
	if fit < n {
		return fit, ErrEndOfPartition
	}
	return fit, nil
}

func (h *head) Erase(ctx context.Context) error {
	if _, err := h.writable(ctx, true); err != nil {
		return err
	}
	return h.trim()
}

// writable reports whether something may be written at the head, and where that is.
func (h *head) writable(ctx context.Context, erase bool) (position, error) {
	if err := h.alive(); err != nil {
		return position{}, err
	}
	if err := h.c.writable(); err != nil {
		return position{}, err
	}
	if h.failed != nil {
		return position{}, fmt.Errorf("nothing can be written before it is opened again: %w", h.failed)
	}
	if h.pos.Object >= h.end.object {
		return h.end, nil
	}
	if h.c.label.Type == WORM && (erase || h.end.file-h.pos.File != h.end.object-h.pos.Object) {
		return position{}, ErrWORM // but filemarks before end of data may be overwritten
	}
	f, err := h.find(ctx, h.pos.Object)
	if err != nil {
		return position{}, err
	}
	if f.kind == kindDamaged && f.at.object != h.pos.Object {
		return position{}, h.corrupt(h.pos.Object, "it is damaged: what is damaged can be overwritten from its start")
	}
	h.goal = f.within(h.pos.Object - f.at.object)
	return h.goal, nil
}

// trim makes the head's place the end of data, if data follows. writable has found the place.
func (h *head) trim() error {
	if h.pos.Object >= h.end.object {
		if h.uncut {
			return h.truncate(h.end)
		}
		return nil
	}
	return h.truncate(h.goal)
}

// truncate makes a place the end of data. What comes before it is durable then, and so is the new epoch: whatever of
// what follows is still there after a crash, it is never taken for what was written there later.
func (h *head) truncate(to position) error {
	h.settle()
	if h.failed != nil {
		return h.failed
	}
	failpoint.Here("medium/cut/begun")
	h.changed()
	index, marks := h.index, h.marks
	h.index.cut(to.offset)
	h.marks.cut(to.offset)
	s := h.snap()
	s.header.epoch++
	s.header.saved = to
	err := h.save(s)
	if errors.Is(err, ErrNoSpace) && !s.decided {
		h.index, h.marks = index, marks // nothing has changed
		return err
	}
	if err := h.saveEnded(s, err); err != nil {
		h.failed = err // nobody knows what the header says
		return err
	}
	failpoint.Here("medium/cut/header")
	h.end, h.pos, h.uncut = to, to.Position(), false
	h.sinceFrames = 1 << 30 // the next frame gets an entry
	if err := h.log.cut(to.offset); err != nil {
		h.failed = err
		return err
	}
	failpoint.Here("medium/cut/done")
	return nil
}

// put writes a frame at the end of data.
func (h *head) put(f *frame, key []byte, sums []uint32, data [][]byte) error {
	if err := h.pace(); err != nil {
		return err
	}
	f.at, f.epoch = h.end, h.epoch
	f.at.offset = h.log.room(h.end.offset, f.head()+f.stored)
	if f.at.offset/h.log.size != h.log.tailSeg {
		h.settle()
		if h.failed != nil {
			return h.failed
		}
		if err := h.log.open(f.at.offset, h.end.offset); err != nil {
			return h.fail(err)
		}
	}
	h.vec = append(h.vec[:0], f.put(h.headBuf[:], h.seed, key, sums))
	h.vec = append(h.vec, data...)
	if err := h.log.append(h.vec, f.at.offset); err != nil {
		return err
	}
	failpoint.Here("medium/frame")
	h.win.frames, h.win.next, h.win.until = h.win.frames[:0], position{}, position{}
	h.enter(f)
	h.end = f.after()
	h.pos = h.end.Position()
	return nil
}

// enter puts a frame that is at the end into the index.
func (h *head) enter(f *frame) {
	if f.kind == kindMarks {
		h.marks.pending = append(h.marks.pending, entry{f.at, uint32(f.count)})
	}
	h.sinceBytes += f.head() + f.stored
	h.sinceFrames++
	if h.sinceBytes >= h.c.cfg.entryBytes || h.sinceFrames >= h.c.cfg.entryFrames || h.index.len() == 0 {
		h.index.pending = append(h.index.pending, entry{position: f.at})
		h.sinceBytes, h.sinceFrames = 0, 0
	}
}
