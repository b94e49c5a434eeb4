package storetest

import (
	"bytes"
	"context"
	"sync"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// Comparing makes a [store.CompareWriter] of any store, as a cluster's is one: by keeping all that
// changes it apart. It passes on no other capability.
type Comparing struct {
	store.Store
	mu sync.RWMutex // held alone by CompareAndWrite, shared by whatever else changes the store
}

// NewComparing returns a Comparing of s, which it closes with itself.
func NewComparing(s store.Store) *Comparing { return &Comparing{Store: s} }

// Info is that of the store, without what is not passed on.
func (c *Comparing) Info() store.Info {
	i := c.Store.Info()
	i.Granularity, i.Alignment = 0, 0
	return i
}

// WriteAt implements [store.Store].
func (c *Comparing) WriteAt(ctx context.Context, from *buffer.Lease, off int64, f store.Flags) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.Store.WriteAt(ctx, from, off, f)
}

// CompareAndWrite implements [store.CompareWriter].
func (c *Comparing) CompareAndWrite(ctx context.Context, expect, with *buffer.Lease, off int64, f store.Flags) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	have, want := make([]byte, expect.Len()), make([]byte, expect.Len())
	if err := c.ReadAt(ctx, buffer.Of(have), off); err != nil {
		return err
	}
	if expect.Read(0, want); !bytes.Equal(have, want) {
		return &store.MiscompareError{At: int64(differ(have, want))}
	}
	return c.Store.WriteAt(ctx, with, off, f)
}
