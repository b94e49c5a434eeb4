package medium

import (
	"context"
	"errors"
	"fmt"
)

// A head is that of a partition: see [Head].
type head struct {
	c        *Cartridge
	n        int // of the partition
	dir      string
	salt     uint64
	seed     uint32 // of the salt
	capacity int64

	log    *dataLog
	header file // nil: read-only, nothing is kept
	index  table
	marks  table

	sequence uint64
	epoch    uint64
	end      position // end of data
	saved    position // as the header has it, and how many entries
	saving   chan error
	snapshot *snapshot // that is being saved
	uncut    bool      // behind the end is what recovery could not cut off
	failed   error     // after which nothing is written any more
	isDead   bool      // the partition is gone

	sinceBytes, sinceFrames int64 // since the last entry of the index

	pos  Position
	goal position // where writable has said that what is written goes
	win  window

	rawBuf   [maxHead]byte
	raw      []byte // in rawBuf: the header at rawAt
	rawAt    int64
	rawFrame frame
	vec      [][]byte
	headBuf  [maxHead]byte
	decoded  decoded
	stored   []byte // a frame as it is kept, while it is decoded
	opened   []byte // the same, decrypted
	rest     []byte // what nobody asked for of a block, read for its checksum
}

// moved ends what was kept of the place that the head is at, and of headers: the log has changed.
func (h *head) changed() {
	h.win.frames, h.win.next, h.win.until = h.win.frames[:0], position{}, position{}
	h.raw = h.raw[:0]
	h.decoded.is = false
}

func (h *head) Position() Position { return h.pos }

func (h *head) Room() Room {
	r := Room{Capacity: h.capacity, Warning: h.capacity - reserve(h.capacity), Here: h.end.used, Data: h.end.used}
	switch {
	case h.pos.Object == 0:
		r.Here = 0
	case h.pos.Object < h.end.object && !h.isDead:
		// It is asked at a place that was reached by reading or locating, mostly: nothing is read then.
		if f, err := h.find(context.Background(), h.pos.Object); err == nil {
			r.Here = f.at.used
			if i := h.pos.Object - f.at.object; i > 0 {
				r.Here += int64(float64(f.after().used-f.at.used) * float64(i) / float64(f.count))
			}
		}
	}
	return r
}

// reserve is what a partition has between early warning and its end.
func reserve(capacity int64) int64 {
	return min(max(2<<20, min(capacity/20, 1<<30)), capacity/2)
}

func (h *head) Next(ctx context.Context) (Object, error) {
	if err := h.alive(); err != nil {
		return Object{}, err
	}
	if h.pos.Object >= h.end.object {
		return Object{Kind: EndOfData}, nil
	}
	f, err := h.find(ctx, h.pos.Object)
	if err != nil {
		return Object{}, err
	}
	switch f.kind {
	case kindMarks:
		return Object{Kind: Filemark}, nil
	case kindBlocks:
		o := Object{Kind: Block, Len: f.length, Sealed: f.sealed, Plain: f.fine()}
		if f.sealed {
			if _, ok, err := h.readHead(f.at.offset); !ok || err != nil {
				return Object{}, errors.Join(err, h.corrupt(h.pos.Object, "its header is damaged"))
			}
			o.Header = h.raw[frameFixed : frameFixed+int(f.key)]
		}
		return o, nil
	}
	return Object{}, h.corrupt(h.pos.Object, fmt.Sprintf("it and %d more are damaged", f.count-1))
}

var errDead = errors.New("the partition is gone: it was formatted, or the cartridge is closed")

func (h *head) alive() error {
	if h.isDead {
		return errDead
	}
	return nil
}

// mark finds filemark number n: the object that it is.
func (h *head) mark(n uint64) (uint64, error) {
	e, _, ok, _ := h.marks.search(func(e entry) bool { return e.file <= n })
	if !ok || n-e.file >= uint64(e.count) {
		return 0, h.corrupt(h.pos.Object, fmt.Sprintf("filemark %d is missing in the index: it can be made again", n))
	}
	return e.object + n - e.file, nil
}

// place is the position before an object.
func (h *head) place(ctx context.Context, object uint64) (Position, error) {
	if object >= h.end.object {
		return h.end.Position(), nil
	}
	e, next, isLo, isHi := h.marks.search(func(e entry) bool { return e.object < object })
	p, after, limit := Position{Object: object}, uint64(0), h.end.file
	if isHi {
		limit = next.file
	}
	if isLo {
		after = min(e.file+uint64(e.count), limit) // of the last ones some may not count any more
		p.File = min(e.file+object-e.object, after)
	}
	if limit != after { // there are some that the index has not
		f, err := h.find(ctx, object)
		if err != nil {
			return p, err
		}
		if p.File = f.at.file; f.kind == kindMarks {
			p.File += object - f.at.object
		}
	}
	return p, nil
}

func (h *head) Locate(ctx context.Context, object uint64) error {
	if err := h.alive(); err != nil {
		return err
	}
	p, err := h.place(ctx, object)
	if err != nil {
		return err
	}
	h.pos = p
	if object > h.end.object {
		return ErrEndOfData
	}
	return ctx.Err()
}

func (h *head) LocateEnd(context.Context) error {
	if err := h.alive(); err != nil {
		return err
	}
	h.pos = h.end.Position()
	return nil
}

func (h *head) LocateFile(ctx context.Context, file uint64) error {
	if err := h.alive(); err != nil {
		return err
	}
	switch {
	case file == 0:
		h.pos = Position{}
		return nil
	case file > h.end.file:
		h.pos = h.end.Position()
		return ErrEndOfData
	}
	object, err := h.mark(file - 1)
	if err != nil {
		return err
	}
	h.pos = Position{object + 1, file}
	return nil
}

func (h *head) Space(ctx context.Context, n int64) (int64, error) {
	if err := h.alive(); err != nil || n == 0 {
		return 0, err
	}
	if n < 0 {
		return h.back(uint64(-n))
	}
	from := h.pos.Object
	to, end := from+uint64(n), ErrEndOfData
	stop := h.end.object
	if h.pos.File < h.end.file {
		m, err := h.mark(h.pos.File)
		if err != nil {
			return 0, err
		}
		stop, end = m, ErrFilemark
	}
	if to <= stop {
		h.pos.Object = to
		return n, nil
	}
	h.pos.Object = stop
	if end == ErrFilemark {
		h.pos = Position{stop + 1, h.pos.File + 1}
	}
	return int64(stop - from), end
}

// back moves over n blocks backwards.
func (h *head) back(n uint64) (int64, error) {
	from, first := h.pos.Object, uint64(0)
	if h.pos.File > 0 {
		m, err := h.mark(h.pos.File - 1)
		if err != nil {
			return 0, err
		}
		first = m + 1
	}
	if n <= from-first {
		h.pos.Object = from - n
		return int64(n), nil
	}
	h.pos.Object = first
	if h.pos.File == 0 {
		return int64(from - first), ErrBeginning
	}
	h.pos = Position{first - 1, h.pos.File - 1}
	return int64(from - first), ErrFilemark
}

func (h *head) SpaceFilemarks(ctx context.Context, n int64) (int64, error) {
	if err := h.alive(); err != nil || n == 0 {
		return 0, err
	}
	file := h.pos.File
	if n > 0 {
		if left := h.end.file - file; uint64(n) > left {
			h.pos = h.end.Position()
			return int64(left), ErrEndOfData
		}
		m, err := h.mark(file + uint64(n) - 1)
		if err != nil {
			return 0, err
		}
		h.pos = Position{m + 1, file + uint64(n)}
		return n, nil
	}
	if uint64(-n) > file {
		h.pos = Position{}
		return int64(file), ErrBeginning
	}
	m, err := h.mark(file - uint64(-n))
	if err != nil {
		return 0, err
	}
	h.pos = Position{m, file - uint64(-n)}
	return -n, nil
}
