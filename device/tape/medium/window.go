package medium

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"golang.org/x/sys/unix"
)

// A window is a part of the headers of a partition: those behind one entry of the index, as far as they have been read.
type window struct {
	frames []frame
	next   position // behind the last of them
	until  position // behind the last that the window can have
}

const windowFrames = 1024 // where the index is damaged a window might have more: the first are forgotten then

// covers reports that the frame of an object is in the window, or comes in it.
func (w *window) covers(object uint64) bool {
	first := w.next.object
	if len(w.frames) > 0 {
		first = w.frames[0].at.object
	}
	return first <= object && object < w.until.object
}

// find returns the frame that has an object, which is before the end of data. It is valid until the next call.
func (h *head) find(ctx context.Context, object uint64) (*frame, error) {
	w := &h.win
	if !w.covers(object) {
		lo, hi, isLo, isHi := h.index.search(func(e entry) bool { return e.object <= object })
		w.frames, w.next, w.until = w.frames[:0], position{}, h.end
		if isLo {
			w.next = lo.position
		}
		if isHi {
			w.until = hi.position
		}
	}
	for {
		if i := len(w.frames) - 1; i >= 0 && object < w.next.object {
			// Of a frame of several objects the next frame says how many count.
			if f := &w.frames[i]; object < f.at.object || f.count == 1 || f.kind == kindDamaged || w.next.offset >= w.until.offset {
				break
			}
		}
		was := w.next
		if err := h.extend(ctx); err != nil {
			return nil, err
		}
		if w.next == was && w.next.offset < w.until.offset {
			return nil, h.corrupt(object, "it is not where the index says")
		}
		if object >= w.next.object && w.next.offset >= w.until.offset {
			return nil, h.corrupt(object, "it is not where the index says")
		}
	}
	i, _ := slices.BinarySearchFunc(w.frames, object, func(f frame, o uint64) int {
		switch {
		case f.at.object+f.count <= o:
			return -1
		case f.at.object > o:
			return 1
		}
		return 0
	})
	if i == len(w.frames) {
		return nil, h.corrupt(object, "it is not where the index says")
	}
	return &w.frames[i], nil
}

func (h *head) corrupt(object uint64, what string) error {
	return &CorruptError{Partition: h.n, Object: object, What: what}
}

// extend reads the next header of the window.
func (h *head) extend(ctx context.Context) error {
	w := &h.win
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.next.offset >= w.until.offset {
		return nil
	}
	off, err := h.log.resolve(w.next.offset)
	if err != nil {
		return err
	}
	if off >= w.until.offset {
		h.lost(w.until)
		return nil
	}
	f, ok, err := h.readHead(off)
	if err != nil && !unreadable(err) {
		return err
	}
	if !ok || !h.follows(w, &f) {
		return h.pass(ctx, off)
	}
	f.count = min(f.count, w.until.object-f.at.object) // the end may be within the last one
	h.push(f)
	w.next = f.after()
	return nil
}

// follows reports that a frame is the next of the window. If it starts within the last one, that has lost what is behind.
func (h *head) follows(w *window, f *frame) bool {
	if f.at.object >= w.until.object || f.at.file > w.next.file {
		return false
	}
	if i := len(w.frames) - 1; f.at.object < w.next.object && i >= 0 && f.at.object > w.frames[i].at.object && f.epoch > w.frames[i].epoch {
		w.frames[i].count = f.at.object - w.frames[i].at.object
		return true
	}
	return f.at.object == w.next.object && f.at.file == w.next.file
}

// push adds a frame to the window.
func (h *head) push(f frame) {
	w := &h.win
	if len(w.frames) >= windowFrames {
		w.frames = append(w.frames[:0], w.frames[windowFrames/2:]...)
	}
	w.frames = append(w.frames, f)
}

// pass makes what cannot be read at off a damaged frame, up to the next that can.
func (h *head) pass(ctx context.Context, off int64) error {
	w := &h.win
	g, err := h.resync(ctx, off+1, w.until.offset, w.next.object, w.until.object)
	if err != nil {
		return err
	}
	if g == (position{}) {
		g = w.until
	}
	h.lost(g)
	return nil
}

// lost makes what is missing up to a place a damaged frame.
func (h *head) lost(to position) {
	w := &h.win
	if n := to.object - w.next.object; to.object > w.next.object {
		h.push(frame{kind: kindDamaged, at: w.next, count: n, all: n, marks: to.file - w.next.file})
	}
	w.next = to
}

// each calls visit for all frames up to a place, in order. It returns where it has come to, which is before what is damaged at the end.
// visit does not move the head, nor find anything.
func (h *head) each(ctx context.Context, until position, visit func(frame) error) (end position, err error) {
	h.changed()
	w := &h.win
	w.until = until
	defer h.changed()
	for {
		done := w.next.offset >= until.offset
		for len(w.frames) > 1 || done && len(w.frames) == 1 {
			f := w.frames[0]
			w.frames = append(w.frames[:0], w.frames[1:]...)
			if f.kind != kindDamaged || w.next != until || len(w.frames) > 0 {
				end = f.after()
				if f.kind == kindDamaged {
					end.offset = w.next.offset
				}
			}
			if err := visit(f); err != nil {
				return end, err
			}
		}
		if done {
			return end, nil
		}
		if err := h.extend(ctx); err != nil {
			return end, err
		}
	}
}

// resync looks for the next whole header between two places of the log, whose object is one of least to most. The zero
// position: there is none.
func (h *head) resync(ctx context.Context, from, to int64, least, most uint64) (position, error) {
	buf := make([]byte, 1<<20)
	for from < to {
		if err := ctx.Err(); err != nil {
			return position{}, err
		}
		b := buf[:min(int64(len(buf)), to-from)]
		n, err := h.log.readv([][]byte{b}, from)
		if err != nil && !errors.Is(err, io.EOF) {
			n = 0 // the disk cannot read it: further on it may
			from += 4096 - from%4096
			continue
		}
		b = b[:n]
		for i := 0; ; i++ {
			k := bytes.Index(b[i:], []byte(frameMagic))
			if k < 0 {
				break
			}
			i += k
			if len(b)-i >= 24 && int64(binary.BigEndian.Uint64(b[i+16:])) != from+int64(i) {
				continue
			}
			if f, ok, err := h.readHead(from + int64(i)); err == nil && ok && f.at.object >= least && f.at.object < most {
				return f.at, nil
			}
		}
		switch {
		case n >= 4:
			from += n - 3
		case n == 0 || errors.Is(err, io.EOF):
			from = (from/h.log.size + 1) * h.log.size
		default:
			from += n
		}
	}
	return position{}, nil
}

// readHead reads a header, and leaves what it has read in h.raw; false: there is none that is whole.
func (h *head) readHead(off int64) (frame, bool, error) {
	if h.rawAt == off && len(h.raw) > 0 {
		return h.rawFrame, true, nil
	}
	h.raw = h.raw[:0]
	b := h.rawBuf[:512]
	n, err := h.readOne(b, off)
	if err != nil {
		return frame{}, false, err
	}
	f, ok := takeFixed(b[:n])
	if !ok {
		return f, false, nil
	}
	if want := f.head(); want > n {
		if want > maxHead || n < int64(len(b)) {
			return f, false, nil
		}
		more, err := h.readOne(h.rawBuf[n:want], off+n)
		if err != nil || n+more < want {
			return f, false, err
		}
	}
	b = h.rawBuf[:f.head()]
	if !checkHead(b, &f, h.seed, off) || f.epoch > h.epoch {
		return f, false, nil
	}
	h.raw, h.rawAt, h.rawFrame = b, off, f
	return f, true, nil
}

// readOne reads into b what there is of it.
func (h *head) readOne(b []byte, off int64) (int64, error) {
	h.vec = append(h.vec[:0], b)
	n, err := h.log.readv(h.vec, off)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

// unreadable reports an error of the disk below about what lies at a place: it is damaged there, and not elsewhere.
func unreadable(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EUCLEAN) || errors.Is(err, unix.EBADMSG) || errors.Is(err, unix.ENODATA)
}
