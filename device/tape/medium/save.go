package medium

import (
	"errors"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// config is how often what is done. Tests have less of everything.
type config struct {
	segment     int64 // bytes of a segment of the log
	entryBytes  int64 // so many bytes have an entry in the index,
	entryFrames int64 // or so many frames
	saveBytes   int64 // so many bytes are behind what the header has as saved before it is saved; twice that at the most
	saveEntries int   // or so many entries of an index are in memory
	inline      bool  // it is not saved beside the writing
}

func defaults() config {
	return config{segment: 64 << 30, entryBytes: 4 << 20, entryFrames: 256, saveBytes: 256 << 20, saveEntries: 16 << 10}
}

// A snapshot is what a header is to have as saved. What is written after it was taken does not touch it.
type snapshot struct {
	header header
	index  []entry // that are to be in the file behind those that are
	marks  []entry
	tail   file // that has to be durable before; nil: all is
	// decided says that the header was written, if perhaps not with success.
	decided bool
}

// snap takes a snapshot of all that there is.
func (h *head) snap() *snapshot {
	s := &snapshot{index: h.index.pending, marks: h.marks.pending}
	s.header = header{sequence: h.sequence + 1, salt: h.salt, capacity: h.capacity, epoch: h.epoch, saved: h.end,
		index: h.index.len(), marks: h.marks.len()}
	if h.log.dirty {
		s.tail = h.log.tail
	}
	return s
}

// save makes a snapshot durable: data, then index, then the header which says that both are. It may run beside the head,
// but for settle.
func (h *head) save(s *snapshot) error {
	if s.tail != nil {
		if err := s.tail.sync(); err != nil {
			return &syncError{err}
		}
	}
	failpoint.Here("medium/save/data")
	if err := h.index.write(s.index, s.header.index-int64(len(s.index))); err != nil {
		return err
	}
	if err := h.marks.write(s.marks, s.header.marks-int64(len(s.marks))); err != nil {
		return err
	}
	failpoint.Here("medium/save/index")
	s.decided = true
	return writeHeader(h.header, &s.header)
}

// A syncError is one after which nobody knows what the disk has of what was written.
type syncError struct{ err error }

func (e *syncError) Error() string { return space(e.err).Error() }
func (e *syncError) Unwrap() error { return space(e.err) }

// saveEnded takes the result of a save.
func (h *head) saveEnded(s *snapshot, err error) error {
	if err == nil {
		h.index.flushed(len(s.index))
		h.marks.flushed(len(s.marks))
		h.sequence, h.epoch, h.saved = s.header.sequence, s.header.epoch, s.header.saved
		return nil
	}
	// The slot that failed is written again the next time; what stands in the other one is right.
	return h.fail(err)
}

// fail keeps an error after which nothing may be written.
func (h *head) fail(err error) error {
	if e := (*syncError)(nil); errors.As(err, &e) {
		h.failed = err
	}
	return err
}

// settle waits until nothing is being saved.
func (h *head) settle() {
	if h.saving != nil {
		_ = h.saveEnded(h.snapshot, <-h.saving)
		h.saving, h.snapshot = nil, nil
	}
}

// pace has what was written saved from time to time, so that little has to be read after a crash, and little is kept in memory. It runs
// beside the writing, unless that is much faster.
func (h *head) pace() error {
	behind, entries := h.end.offset-h.saved.offset, max(len(h.index.pending), len(h.marks.pending))
	most := h.c.cfg
	if behind < most.saveBytes && entries < most.saveEntries {
		return nil
	}
	if h.saving != nil {
		if behind < 2*most.saveBytes && entries < 2*most.saveEntries {
			select {
			case err := <-h.saving:
				_ = h.saveEnded(h.snapshot, err)
				h.saving, h.snapshot = nil, nil
			default:
			}
			return h.failed
		}
		h.settle()
		if h.failed != nil {
			return h.failed
		}
		if behind = h.end.offset - h.saved.offset; behind >= 2*most.saveBytes || len(h.index.pending) >= 2*most.saveEntries {
			return h.saveNow() // it has failed: why?
		}
		return nil
	}
	if most.inline {
		return h.saveNow()
	}
	s, done := h.snap(), make(chan error, 1)
	h.snapshot, h.saving = s, done
	go func() { done <- h.save(s) }()
	return nil
}

// saveNow saves all.
func (h *head) saveNow() error {
	h.settle()
	if h.failed != nil {
		return h.failed
	}
	if h.header == nil || h.saved == h.end && len(h.index.pending)+len(h.marks.pending) == 0 {
		return h.sync()
	}
	s := h.snap()
	err := h.saveEnded(s, h.save(s))
	if err == nil {
		h.log.dirty = false
	}
	return err
}

// sync makes the data durable; the index can be made again from it.
func (h *head) sync() error {
	if h.failed != nil {
		return h.failed
	}
	if err := h.log.sync(); err != nil {
		return h.fail(err)
	}
	failpoint.Here("medium/synced")
	return nil
}
