//go:build crash

package crash

import (
	"fmt"
	"slices"
	"sync"
)

// A write is one write command: of n blocks from lba on.
type write struct {
	lba, n int
	gen    uint64
	begun  int64 // times of the ledger's clock; ended is 0 while it runs
	ended  int64
}

// A ledger knows for every block which writes it may have come from. A write may be
// replaced by any other that did not end before it began, and it must be replaced by one
// that is durable and began after it had ended.
type ledger struct {
	mu       sync.Mutex
	clock    int64
	gen      uint64
	may      [][]*write // by block
	unstable []*write   // acknowledged, and not durable as far as is known
	noCache  int64      // since when WCE is 0; 0: it is 1

	// survives: what is acknowledged is durable enough for this crash.
	survives bool

	writes, sure, flushes int // for the log
}

func newLedger(blocks int) *ledger {
	l := &ledger{clock: 1, may: make([][]*write, blocks)}
	never := &write{ended: 1}
	for i := range l.may {
		l.may[i] = []*write{never}
	}
	return l
}

func (l *ledger) tick() int64 { l.clock++; return l.clock }

// begin notes a write that is about to be sent.
func (l *ledger) begin(lba, n int) *write {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gen++
	w := &write{lba: lba, n: n, gen: l.gen, begun: l.tick()}
	for i := lba; i < lba+n; i++ {
		l.may[i] = append(l.may[i], w)
	}
	return w
}

// acknowledged notes the GOOD of w; durable says that it promises to have the data on the
// medium, whatever WCE says.
func (l *ledger) acknowledged(w *write, durable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.ended = l.tick()
	l.writes++
	if durable || l.survives || l.noCache != 0 && w.begun > l.noCache {
		l.sure++
		l.settle(w)
		return
	}
	l.unstable = append(l.unstable, w)
}

// failed notes that w ended without GOOD: any part of it may have been written.
func (l *ledger) failed(w *write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.ended = l.tick()
}

// contested reports that another write of a block of w ran at the same time.
func (l *ledger) contested(w *write) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := w.lba; i < w.lba+w.n; i++ {
		for _, x := range l.may[i] {
			if x != w && (x.ended == 0 || x.ended > w.begun) {
				return true
			}
		}
	}
	return false
}

// refused notes that w was not executed.
func (l *ledger) refused(w *write) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := w.lba; i < w.lba+w.n; i++ {
		l.may[i] = slices.DeleteFunc(l.may[i], func(x *write) bool { return x == w })
	}
}

// settle takes the writes away that the durable w has replaced.
func (l *ledger) settle(w *write) {
	for i := w.lba; i < w.lba+w.n; i++ {
		l.may[i] = slices.DeleteFunc(l.may[i], func(x *write) bool { return x.ended != 0 && x.ended < w.begun })
	}
}

// now is when a flush begins, for flushed.
func (l *ledger) now() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tick()
}

// flushed notes the GOOD of a flush.
func (l *ledger) flushed(since int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush(since)
}

func (l *ledger) flush(since int64) {
	l.flushes++
	l.unstable = slices.DeleteFunc(l.unstable, func(w *write) bool {
		if w.ended > since {
			return false
		}
		l.sure++
		l.settle(w)
		return true
	})
}

// cacheOff notes the GOOD of a MODE SELECT that was sent at since and cleared WCE: it
// flushes (SBC-4 6.5.6). cacheOn is called before one that sets WCE.
func (l *ledger) cacheOff(since int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush(since)
	l.noCache = l.tick()
}

func (l *ledger) cacheOn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.noCache = 0
}

// restart looks at what is left after a crash, blocks from lba on, and returns what is
// wrong with it. What it finds is where everything goes on from.
func (l *ledger) restart(lba int, data []byte, blockSize int) []error {
	var wrong []error
	for ; len(data) > 0; lba, data = lba+1, data[blockSize:] {
		gen, err := generation(data[:blockSize], uint64(lba))
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		i := slices.IndexFunc(l.may[lba], func(w *write) bool { return w.gen == gen })
		if i < 0 {
			var may []uint64
			for _, w := range l.may[lba] {
				may = append(may, w.gen)
			}
			wrong = append(wrong, fmt.Errorf("block %d is from write %d, and must be from one of %d", lba, gen, may))
			continue
		}
		w := l.may[lba][i]
		if w.ended == 0 {
			w.ended = l.tick()
		}
		l.may[lba] = []*write{w}
	}
	l.unstable, l.noCache = nil, 0
	return wrong
}

// counts are the writes that were acknowledged, those of them that had to survive, and
// the flushes, since the last call.
func (l *ledger) counts() (writes, sure, flushes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	writes, sure, flushes = l.writes, l.sure, l.flushes
	l.writes, l.sure, l.flushes = 0, 0, 0
	return writes, sure, flushes
}
