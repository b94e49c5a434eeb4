package medium

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/internal/failpoint"
)

// A dataLog is the data of a partition: one sequence of bytes, in files that are its segments. A frame lies in one segment: if
// the rest of one has no room, it starts the next. So the file of a segment may end early, and then the log goes on with the next.
type dataLog struct {
	d       folder
	dir     string
	size    int64 // of a segment
	tail    file  // the segment that was written last
	tailSeg int64 // -1: none
	look    file  // another one, for reading
	lookSeg int64
	dirty   bool // something was written into the tail since the last sync
}

func newLog(d folder, dir string, size int64) *dataLog {
	return &dataLog{d: d, dir: dir, size: size, tailSeg: -1, lookSeg: -1}
}

func (l *dataLog) name(seg int64) string { return fmt.Sprintf("%s/data.%06d", l.dir, seg) }

// segment returns a segment for reading; nil: there is none.
func (l *dataLog) segment(seg int64) (file, error) {
	switch seg {
	case l.tailSeg:
		return l.tail, nil
	case l.lookSeg:
		return l.look, nil
	}
	f, err := l.d.open(l.name(seg), false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if l.look != nil {
		_ = l.look.close()
	}
	l.look, l.lookSeg = f, seg
	return f, nil
}

// readv reads pieces that lie in one segment. What is behind its end comes with io.EOF.
func (l *dataLog) readv(v [][]byte, off int64) (int64, error) {
	f, err := l.segment(off / l.size)
	if err != nil {
		return 0, err
	}
	if f == nil {
		return 0, io.EOF
	}
	return f.readv(v, off%l.size)
}

// ends returns where the file of the segment of off ends, as a place in the log.
func (l *dataLog) ends(off int64) (int64, error) {
	f, err := l.segment(off / l.size)
	if f == nil || err != nil {
		return off / l.size * l.size, err
	}
	n, err := f.size()
	return off/l.size*l.size + n, err
}

// resolve returns where a frame that comes at off really starts: there, or at the start of the next segment.
func (l *dataLog) resolve(off int64) (int64, error) {
	end, err := l.ends(off)
	if err != nil || end > off {
		return off, err
	}
	next := (off/l.size + 1) * l.size
	if f, err := l.segment(next / l.size); f == nil || err != nil {
		return off, err
	}
	return next, nil
}

// room returns where n bytes go that come at off.
func (l *dataLog) room(off, n int64) int64 {
	if at := off % l.size; at > 0 && at+n > l.size {
		return off - at + l.size
	}
	return off
}

// open makes the segment of off that which is written. If it is another than before, that is made durable first, up to end.
func (l *dataLog) open(off, end int64) error {
	seg := off / l.size
	if seg == l.tailSeg {
		return nil
	}
	if l.tail == nil && seg > 0 && end/l.size == seg-1 { // what was left behind the end is no part of the log
		if f, err := l.segment(seg - 1); err != nil {
			return err
		} else if f != nil {
			if l.tail, err = l.d.open(l.name(seg-1), true); err != nil {
				return space(err)
			}
			l.tailSeg, l.dirty = seg-1, true
		}
	}
	if l.tail != nil {
		if end/l.size == l.tailSeg {
			if err := l.tail.truncate(end % l.size); err != nil {
				return space(err)
			}
		}
		if err := l.sync(); err != nil {
			return err
		}
		_ = l.tail.close()
		l.tail, l.tailSeg = nil, -1
	}
	f, err := l.d.open(l.name(seg), true)
	if err != nil {
		return space(err)
	}
	failpoint.Here("medium/segment/made")
	if err := l.d.syncDir(l.dir); err != nil { // also if it was there: who has made it may have come no further
		return errors.Join(space(err), f.close())
	}
	l.tail, l.tailSeg = f, seg
	return nil
}

// append writes a frame of n bytes at off, where room has said. After an error nothing of it counts.
func (l *dataLog) append(v [][]byte, off int64) error {
	l.dirty = true
	if _, err := l.tail.writev(v, off%l.size); err != nil {
		// What is left of it is overwritten by the next frame, and does not count: but it takes space, of which there is none.
		_ = l.tail.truncate(off % l.size)
		return space(err)
	}
	return nil
}

// sync makes what was written durable.
func (l *dataLog) sync() error {
	if !l.dirty || l.tail == nil {
		return nil
	}
	if err := l.tail.sync(); err != nil {
		return &syncError{err}
	}
	l.dirty = false
	return nil
}

// segments are the numbers of those that are there, in order.
func (l *dataLog) segments() (all []int64, err error) {
	names, err := l.d.list(l.dir)
	for _, n := range names { // in order, as they have the same length
		if s, ok := strings.CutPrefix(n, "data."); ok && len(s) == 6 {
			if seg, err := strconv.ParseInt(s, 10, 32); err == nil && seg >= 0 {
				all = append(all, seg)
			}
		}
	}
	return all, err
}

// behind is how many bytes the files have from off on, and all how many they have.
func (l *dataLog) behind(off int64) (behind, all int64, err error) {
	segs, err := l.segments()
	for _, seg := range segs {
		f, err := l.d.open(l.name(seg), false)
		if err != nil {
			return 0, 0, err
		}
		n, err := f.size()
		if err = errors.Join(err, f.close()); err != nil {
			return 0, 0, err
		}
		all += n
		if end := seg*l.size + n; end > off {
			behind += min(end-off, n)
		}
	}
	return behind, all, err
}

// cut removes what is behind off, the last first. Segments before that of off are durable.
func (l *dataLog) cut(off int64) error {
	segs, err := l.segments()
	if err != nil {
		return err
	}
	last := off / l.size
	if l.tailSeg != last {
		l.closeFiles()
		l.dirty = false
	}
	for i := len(segs) - 1; i >= 0 && segs[i] >= last; i-- {
		switch {
		case segs[i] > last:
			err = l.d.remove(l.name(segs[i]))
		case l.tailSeg == last:
			err = l.tail.truncate(off % l.size)
		default:
			var f file
			if f, err = l.d.open(l.name(last), true); err == nil {
				err = errors.Join(f.truncate(off%l.size), f.close())
			}
		}
		if err != nil {
			return space(err)
		}
		failpoint.Here("medium/cut/segment")
	}
	return nil
}

// syncFrom makes all durable that lies between two places, whoever has written it.
func (l *dataLog) syncFrom(from, to int64) error {
	for seg := from / l.size; seg <= to/l.size; seg++ {
		f, err := l.d.open(l.name(seg), false)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := errors.Join(f.sync(), f.close()); err != nil {
			return space(err)
		}
	}
	return l.d.syncDir(l.dir)
}

// closeFiles closes all files.
func (l *dataLog) closeFiles() {
	for _, f := range []file{l.tail, l.look} {
		if f != nil {
			_ = f.close()
		}
	}
	l.tail, l.look, l.tailSeg, l.lookSeg = nil, nil, -1, -1
}
