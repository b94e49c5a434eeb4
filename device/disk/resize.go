package disk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
)

// A Pauser lets nothing of a unit run for a while: a [target.Unit].
type Pauser interface {
	Pause(ctx context.Context) error
	Resume()
}

// A Resizing is another size of a disk that was prepared: initiators see nothing of it before Publish.
// It ends with Publish and then Retire, or with Undo. There is one at a time.
type Resizing struct {
	disk     *Disk
	unit     Pauser
	was, now int64 // of the store
	cut      bool  // it is to be smaller: the store still has its old size
	follows  bool  // the size is that of the store's place, whatever we do
}

// PrepareResize prepares size bytes, or the size that the place of the store has by now if size is 0.
// A store that is to be larger has that size when PrepareResize returns; one that is to be smaller is
// cut by Retire. Where the store cannot be resized under way the unit is paused for it. After an error
// everything is as before.
func (d *Disk) PrepareResize(ctx context.Context, unit Pauser, size int64) (*Resizing, error) {
	m := d.medium
	r := &Resizing{disk: d, unit: unit, was: m.store.Info().Size, now: size, follows: size == 0}
	switch {
	case m.resizer == nil:
		return nil, fmt.Errorf("disk: resize: %w by the store", store.ErrNotSupported)
	case size < 0 || size != 0 && m.whole(size) == 0:
		return nil, fmt.Errorf("disk: resize: %w: %d bytes are less than one block of %d", store.ErrNotSupported, size, m.blockSize)
	case size%512 != 0:
		return nil, fmt.Errorf("disk: resize: %w: %d bytes are not a multiple of 512", store.ErrNotSupported, size)
	case m.info.ReadOnly && !r.follows && size != r.was:
		return nil, fmt.Errorf("disk: resize: %w", store.ErrReadOnly)
	case !r.follows && size < r.was:
		r.cut = true
		return r, nil
	}
	if err := r.resize(ctx, size); err != nil {
		return nil, errors.Join(err, r.Undo())
	}
	r.now = m.store.Info().Size
	if m.whole(r.now) == 0 {
		return nil, errors.Join(fmt.Errorf("disk: resize: %w: it has %d bytes now, less than one block of %d", store.ErrNotSupported, r.now, m.blockSize), r.Undo())
	}
	return r, nil
}

// Publish shows the size: all who see the unit are told that the capacity has changed (SPC-5 CAPACITY
// DATA HAS CHANGED).
func (r *Resizing) Publish() {
	if r.disk.medium.show(r.now) {
		r.disk.Announce(scsi.ASCCapacityDataChanged, nil)
	}
}

// Retire cuts the store of what is not shown any more. Commands that were under way there are waited
// for. After an error the store is as long as it was, and the disk is not.
func (r *Resizing) Retire(ctx context.Context) error {
	if !r.cut || r.disk.medium.size.Load() != r.now { // it has got another size since then
		return nil
	}
	return r.paused(ctx, func() error { return r.disk.medium.resizer.Resize(ctx, r.now) })
}

// Undo gives the store its old size back, instead of Publish.
func (r *Resizing) Undo() error {
	m := r.disk.medium
	if r.cut || r.follows || m.store.Info().Size == r.was {
		return nil
	}
	return r.resize(r.disk.life, r.was)
}

// resize gives the store another size, under way or in a pause.
func (r *Resizing) resize(ctx context.Context, size int64) error {
	if live := r.disk.medium.live; live != nil {
		return live.ResizeLive(ctx, size)
	}
	return r.paused(ctx, func() error { return r.disk.medium.resizer.Resize(ctx, size) })
}

// Waits of a pause: how long an initiator may hold memory that the store has lent, and how often that
// is looked at.
const (
	lentPatience = 5 * time.Second
	lentEvery    = time.Millisecond
)

// paused calls do while nothing of the unit runs. A store of which memory is lent is not ready for it:
// data-in that is on its way is waited for.
func (r *Resizing) paused(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithTimeout(ctx, lentPatience)
	defer cancel()
	if err := r.unit.Pause(ctx); err != nil {
		return err
	}
	defer r.unit.Resume()
	for {
		err := do()
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lentEvery):
		}
	}
}
