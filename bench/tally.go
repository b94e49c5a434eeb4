package bench

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
)

// A tally counts errors by what they say.
type tally struct {
	n    atomic.Int64
	mu   sync.Mutex
	kind map[string]int64
}

// add counts one. Of sense data the key and the code count, not where it was.
func (t *tally) add(err error) int64 {
	text := err.Error()
	if s := (scsi.Sense{}); errors.As(err, &s) {
		text = scsi.NewSense(s.Key, s.ASC).Error()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == nil {
		t.kind = make(map[string]int64)
	}
	const kinds = 100 // the rest is one: a target may answer anything
	if _, known := t.kind[text]; !known && len(t.kind) >= kinds {
		text = "other errors"
	}
	t.kind[text]++
	return t.n.Add(1)
}

func (t *tally) all() map[string]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.kind)
}
