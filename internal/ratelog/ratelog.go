// Package ratelog tells the log of what others can make happen as often as they like.
package ratelog

import (
	"log/slog"
	"sync/atomic"
)

// PerSecond is how many events of a kind are told one by one in a second.
const PerSecond = 10

// Events are those of one kind. The zero value is ready.
type Events struct{ count atomic.Int64 } // since Flush was called last

// Warn tells of an event, unless there were many in this second.
func (e *Events) Warn(log *slog.Logger, msg string, args ...any) {
	if e.count.Add(1) <= PerSecond {
		log.Warn(msg, args...)
	}
}

// Flush is called once a second, and at the end: it tells how many were not told since.
func (e *Events) Flush(log *slog.Logger, msg string) {
	if more := e.count.Swap(0) - PerSecond; more > 0 {
		log.Warn(msg, "count", more)
	}
}
