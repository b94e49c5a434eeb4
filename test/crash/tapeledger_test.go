//go:build crash

package crash

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// A tapeObject is what stands on a tape at a place: a block that is like no other, or a filemark, which has no number.
type tapeObject struct {
	number uint64
	size   int
}

// block is the data of an object: half of it can be compressed.
func (o tapeObject) block() []byte {
	b := make([]byte, o.size)
	binary.BigEndian.PutUint64(b, o.number)
	binary.BigEndian.PutUint32(b[8:], uint32(o.size))
	for i, x := 12, o.number*0x9e3779b97f4a7c15; i < o.size; i++ {
		if i%256 < 128 {
			x ^= x << 13
			x ^= x >> 7
			x ^= x << 17
		}
		b[i] = byte(x)
	}
	return b
}

// objectOf is the object that data is the block of.
func objectOf(data []byte) (tapeObject, error) {
	if len(data) < minBlock {
		return tapeObject{}, fmt.Errorf("a block of %d bytes", len(data))
	}
	o := tapeObject{binary.BigEndian.Uint64(data), len(data)}
	if int(binary.BigEndian.Uint32(data[8:])) != len(data) || !slices.Equal(o.block(), data) {
		return o, fmt.Errorf("block %d of %d bytes is not what was written", o.number, len(data))
	}
	return o, nil
}

// A history is what may stand on a tape: a beginning of objects that has sure of them at least.
type history struct {
	objects []tapeObject
	sure    int
}

// A tapeLedger knows what may stand on a cartridge. Where data is overwritten it is what was there, until what has come
// instead is durable.
type tapeLedger struct {
	mu    sync.Mutex
	may   []*history // the last one goes on
	acked int        // how many objects of the last have ended with GOOD
	cut   int        // how many the last began with; -1: it is the only one that there was
	turn  int        // of who writes: who has looked last
}

func newTapeLedger() *tapeLedger { return &tapeLedger{may: []*history{{}}, cut: -1} }

func (l *tapeLedger) last() *history { return l.may[len(l.may)-1] }

// length is how many objects there are, if all went well.
func (l *tapeLedger) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.last().objects)
}

// The functions that follow are for who has a turn. Somebody who has lost it, since the cartridge is in another drive by now, notes
// nothing any more: what was under way there was looked at here.

// overwrite notes that what is written next follows the first n objects. All of them are durable, as everything that was written before.
func (l *tapeLedger) overwrite(turn, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn != l.turn {
		return
	}
	old := l.last()
	old.sure = len(old.objects)
	l.may = append(l.may, &history{objects: slices.Clone(old.objects[:n]), sure: n})
	l.acked, l.cut = n, n
}

// writes notes what is about to be written.
func (l *tapeLedger) writes(turn int, o tapeObject) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn != l.turn {
		return
	}
	h := l.last()
	h.objects = append(h.objects, o)
}

// good notes GOOD for n of what was written.
func (l *tapeLedger) good(turn, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn == l.turn {
		l.acked += n
	}
}

// refused notes that the last n were not written.
func (l *tapeLedger) refused(turn, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn != l.turn {
		return
	}
	h := l.last()
	h.objects = h.objects[:len(h.objects)-n]
	if len(l.may) > 1 && len(h.objects) == l.cut { // nothing was overwritten
		l.may = l.may[:len(l.may)-1]
		l.acked, l.cut = len(l.last().objects), -1
	}
}

// blank notes that the tape has nothing any more, durably, after overwrite(turn, 0).
func (l *tapeLedger) blank(turn int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn == l.turn {
		l.may, l.cut = []*history{l.last()}, -1
	}
}

// synced notes that all is durable that has ended with GOOD, and returns how many objects were not known to be before.
func (l *tapeLedger) synced(turn int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if turn != l.turn {
		return 0
	}
	return l.durable()
}

// unloaded is synced for a drive that has given the cartridge up.
func (l *tapeLedger) unloaded() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.durable()
}

// durable makes all sure that has ended with GOOD. l.mu is held.
func (l *tapeLedger) durable() (n int) {
	h := l.last()
	if len(l.may) > 1 && l.acked == l.cut {
		return 0 // not even one of what comes instead was written
	}
	n = l.acked - h.sure
	h.sure = l.acked
	l.may, l.cut = []*history{h}, -1
	return n
}

// found compares what stands on the tape with what may. It is where everything goes on from, for who gets the turn: what was seen
// once does not go away.
func (l *tapeLedger) found(all []tapeObject) (turn int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fits := slices.ContainsFunc(l.may, func(h *history) bool {
		return len(all) >= h.sure && len(all) <= len(h.objects) && slices.Equal(all, h.objects[:len(all)])
	})
	if !fits {
		text := fmt.Sprintf("it has %d objects", len(all))
		for _, h := range l.may {
			same := 0
			for same < min(len(all), len(h.objects)) && all[same] == h.objects[same] {
				same++
			}
			text += fmt.Sprintf("; %d to %d were written, of which it has the first %d", h.sure, len(h.objects), same)
		}
		return 0, errors.New(text)
	}
	l.may, l.acked, l.cut = []*history{{objects: all, sure: len(all)}}, len(all), -1
	l.turn++
	return l.turn, nil
}
