package daemon

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lunette-io/lunette/buffer"
)

// A throttled tells the log which initiators get no memory: each once in a while, whatever the number
// of its commands that are answered TASK SET FULL.
type throttled struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]*toldRefusal // by initiator
}

type toldRefusal struct {
	at   time.Time
	more int // that were not told since
}

const (
	throttledEvery = 10 * time.Second
	// throttledMost is how many initiators are remembered: names cost nothing, memory does.
	throttledMost = 1000
)

func newThrottled(log *slog.Logger) *throttled {
	return &throttled{log: log, told: make(map[string]*toldRefusal)}
}

// tell tells of r, unless its initiator was told of a moment ago.
func (h *throttled) tell(r buffer.Refusal) {
	now := time.Now()
	h.mu.Lock()
	last := h.told[r.Initiator]
	if last != nil && now.Sub(last.at) < throttledEvery {
		last.more++
		h.mu.Unlock()
		return
	}
	count := 1
	if last != nil {
		count += last.more
	}
	if len(h.told) >= throttledMost {
		clear(h.told)
	}
	h.told[r.Initiator] = &toldRefusal{at: now}
	h.mu.Unlock()
	h.log.Warn("commands are answered TASK SET FULL: there is no more memory for the initiator",
		"initiator", r.Initiator, "unit", r.Unit, "has", r.Used, "lent", r.Lent, "limit", r.Limit, "commands", count)
}
