package vtl

import (
	"context"
	"fmt"
	"sync"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/library"
	"github.com/lunette-io/lunette/device/tape"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// A holder is a drive of a library that nobody serves: it holds a cartridge, and does nothing with it.
type holder struct {
	mu   sync.Mutex
	tape medium.Tape
}

func holders(n int) []library.Drive {
	all := make([]library.Drive, n)
	for i := range all {
		all[i] = new(holder)
	}
	return all
}

func names(n int) []changer.Identifier {
	all := make([]changer.Identifier, n)
	for i := range all {
		all[i].Serial = fmt.Sprint(i)
	}
	return all
}

// Load implements [library.Drive].
func (h *holder) Load(_ context.Context, t medium.Tape) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tape = t
	return nil
}

// Unload implements [library.Drive].
func (h *holder) Unload(context.Context, bool) (medium.Tape, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tape
	h.tape = nil
	return t, nil
}

// Release implements [library.Drive].
func (h *holder) Release(t medium.Tape) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tape = t
}

// Status implements [library.Drive].
func (h *holder) Status() tape.Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.tape == nil {
		return tape.Status{Activity: "idle"}
	}
	return tape.Status{Loaded: true, Barcode: h.tape.Label().Barcode, Activity: "idle"}
}
