package kept

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/store"
)

// Modes keeps saved values of mode pages in a record, as they are. It is a ModeKeeper of package device.
type Modes struct{ Record store.Record }

// Load returns what was kept; nil: nothing was.
func (m Modes) Load(context.Context) ([]byte, error) {
	b, err := m.Record.Load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Record.Where(), err)
	}
	return b, nil
}

// Save keeps pages.
func (m Modes) Save(_ context.Context, pages []byte) error { return m.Record.Save(pages) }
