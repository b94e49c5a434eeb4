package optical

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/device/disk"
	"github.com/lunette-io/lunette/scsi"
)

// A loaded is a disc with what runs its commands.
type loaded struct {
	disc  *Disc
	part  *disk.Part
	shape shape
}

// take makes d a loaded one.
func (r *Drive) take(d *Disc) (*loaded, error) {
	from, info := d.Store, d.Store.Info()
	if more := info.Size % BlockSize; more != 0 {
		if d.Writable && !info.ReadOnly {
			return nil, fmt.Errorf("%s: %w: the last of its blocks of %d bytes has %d: a disc that can be written has whole ones: make it longer (truncate -s %d), or let it be read-only",
				d.Label, errPartOfABlock, BlockSize, more, info.Size-more+BlockSize)
		}
		from = padded{from}
	}
	p, err := disk.NewPart(r.Server, disk.PartConfig{
		Store: from, Arena: r.cfg.Arena, BlockSize: BlockSize, ReadOnly: !d.Writable || info.ReadOnly, Log: r.cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Label, err)
	}
	return &loaded{d, p, shapeOf(p.Blocks(), !p.ReadOnly())}, nil
}

// errPartOfABlock is of a disc that can be written and has a part of a block at its end, which nobody could reach.
var errPartOfABlock = errors.New("its size is no multiple of a block")

// close closes the store of a disc, of which no command runs.
func (l *loaded) close(ctx context.Context) error {
	end := l.disc.Close
	if end == nil {
		end = l.disc.Store.Close
	}
	return closeWhenReturned(ctx, end)
}

// Waits for memory that the store of a disc has lent, and that is on its way to initiators.
const (
	lentPatience = 5 * time.Second
	lentEvery    = time.Millisecond
)

// closeWhenReturned calls end, again while it fails for a while: a store of which memory is lent cannot be closed.
func closeWhenReturned(ctx context.Context, end func() error) error {
	ctx, cancel := context.WithTimeout(ctx, lentPatience)
	defer cancel()
	for {
		err := end()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(lentEvery):
		}
	}
}

// A tray has a disc, or none. Who has its hands, one at a time, opens and closes it and changes the disc; everybody may look.
type tray struct {
	hands chan struct{}
	shut  chan struct{} // closed when the drive is being closed
	once  sync.Once

	mu    sync.Mutex // guards what follows
	disc  *loaded    // that is in the drive, or lies in the open tray; nil: none
	open  bool
	swaps int64

	now    atomic.Pointer[loaded] // the disc, if the tray is closed
	isOpen atomic.Bool

	// left are discs that could not be closed when they left, since memory of theirs was lent. Who has the hands may touch them.
	left []*loaded
}

func (y *tray) init() { y.hands, y.shut = make(chan struct{}, 1), make(chan struct{}) }

// usable is the disc that commands can have; nil: there is none, and why says so.
func (y *tray) usable() *loaded { return y.now.Load() }

func (y *tray) why() scsi.Sense {
	if y.isOpen.Load() {
		return scsi.NotReady(scsi.ASCMediumNotPresentTrayOpen)
	}
	return scsi.NotReady(scsi.ASCMediumNotPresentTrayClosed)
}

// look says what is there.
func (y *tray) look() (l *loaded, open bool, swaps int64) {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.disc, y.open, y.swaps
}

// put makes l, which may be nil, the disc, and the tray open or closed.
func (y *tray) put(l *loaded, open bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if l != y.disc {
		y.swaps++
	}
	y.disc, y.open = l, open
	y.isOpen.Store(open)
	if open {
		l = nil
	}
	y.now.Store(l)
}

// grab takes the hands and waits for them, tryGrab reports that nobody else has them, and letGo gives them back.
func (y *tray) tryGrab() bool {
	select {
	case y.hands <- struct{}{}:
		return true
	default:
		return false
	}
}

func (y *tray) grab(ctx context.Context) error {
	select {
	case <-y.shut:
		return ErrClosed
	default:
	}
	select {
	case y.hands <- struct{}{}:
		return nil
	case <-y.shut:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (y *tray) letGo() { <-y.hands }
