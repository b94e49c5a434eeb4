package ratelog

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// Owners are events of one kind, of which somebody is the cause. In each second [PerSecond] events of
// each of as many owners are told, so that who causes thousands does not hide what happens to others.
// The zero value is ready.
type Owners struct {
	mu     sync.Mutex
	count  map[string]int // of events since Flush was called last, by owner
	others int            // events of owners that are not in count
}

// Warn tells of an event of an owner, unless there were many in this second.
func (e *Owners) Warn(log *slog.Logger, msg, owner string, args ...any) {
	if e.tells(owner) {
		log.Warn(msg, append([]any{"from", owner}, args...)...)
	}
}

// tells counts an event, and reports whether it is to be told.
func (e *Owners) tells(owner string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	n, known := e.count[owner]
	if !known && len(e.count) == PerSecond {
		e.others++
		return false
	}
	if e.count == nil {
		e.count = make(map[string]int)
	}
	e.count[owner] = n + 1
	return n < PerSecond
}

// Flush is called once a second, and at the end: it tells how many were not told since, and of whom
// they were.
func (e *Owners) Flush(log *slog.Logger, msg string) {
	e.mu.Lock()
	count, others := e.count, e.others
	e.count, e.others = nil, 0
	e.mu.Unlock()
	for _, owner := range slices.Sorted(maps.Keys(count)) {
		if more := count[owner] - PerSecond; more > 0 {
			log.Warn(msg, "from", owner, "count", more)
		}
	}
	if others > 0 {
		log.Warn(msg, "from", "others", "count", others)
	}
}
