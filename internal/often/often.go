// Package often tells the log of what others can make happen as often as they like.
package often

import (
	"log/slog"
	"sync/atomic"
)

// Told is how many events of a kind are told one by one in a second.
const Told = 10

// Events are those of one kind. The zero value is ready.
type Events struct{ count atomic.Int64 } // since Second was called last

// Warn tells of an event, unless there were many in this second.
func (e *Events) Warn(log *slog.Logger, msg string, args ...any) {
	if e.count.Add(1) <= Told {
		log.Warn(msg, args...)
	}
}

// Second is called once a second, and at the end: it tells how many were not told since.
func (e *Events) Second(log *slog.Logger, msg string) {
	if more := e.count.Swap(0) - Told; more > 0 {
		log.Warn(msg, "count", more)
	}
}
