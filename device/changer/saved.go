package changer

import (
	"context"
	"fmt"

	"github.com/lunette-io/lunette/store"
)

// savedModes keeps saved values of mode pages in a record. It implements device.ModeKeeper.
type savedModes struct{ record store.Record }

// Load implements device.ModeKeeper.
func (m savedModes) Load(context.Context) ([]byte, error) {
	b, err := m.record.Load()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.record.Where(), err)
	}
	return b, nil
}

// Save implements device.ModeKeeper.
func (m savedModes) Save(_ context.Context, pages []byte) error { return m.record.Save(pages) }
