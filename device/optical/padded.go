package optical

import (
	"context"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/store"
)

// A padded store is one whose size is no multiple of a block, for reading alone: zeros follow what it has of its last block. Images of
// discs that begin with a partition table may end so.
type padded struct{ store.Store }

// Info has the size with the zeros.
func (p padded) Info() store.Info {
	i := p.Store.Info()
	i.Size, i.ReadOnly = (i.Size+BlockSize-1)/BlockSize*BlockSize, true
	return i
}

// ReadAt is that of the store, and zeros behind its end.
func (p padded) ReadAt(ctx context.Context, into *buffer.Lease, off int64) error {
	have := max(p.Store.Info().Size-off, 0)
	if into.Len() <= have {
		return p.Store.ReadAt(ctx, into, off)
	}
	if have > 0 {
		part := into.Slice(0, have)
		err := p.Store.ReadAt(ctx, part, off)
		part.Release()
		if err != nil {
			return err
		}
	}
	into.Clear(have, into.Len()-have)
	return nil
}

// WriteAt refuses.
func (p padded) WriteAt(context.Context, *buffer.Lease, int64, store.Flags) error {
	return store.ErrReadOnly
}
