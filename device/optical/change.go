package optical

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

// Load puts d in the drive and closes the tray. The disc that was there is taken out first, as Eject does. On an error d is still the
// caller's, and the drive has what it had.
func (r *Drive) Load(ctx context.Context, d *Disc, force bool) error {
	if err := r.tray.grab(ctx); err != nil {
		return err
	}
	defer r.tray.letGo()
	if err := r.mayTakeOut(force); err != nil {
		return err
	}
	l, err := r.take(d)
	if err != nil {
		return err
	}
	if err := r.change(ctx, l, false, force); err != nil {
		l.part.Retire(scsi.NotReady(scsi.ASCMediumNotPresent))
		return err
	}
	r.tell("a disc was put in the drive", "disc", d.Label, "profile", l.profile().String(), "writable", !l.part.ReadOnly())
	return nil
}

// Shut closes the tray, with the disc in it that an initiator has ejected and nobody has taken out, if there is one.
func (r *Drive) Shut(ctx context.Context) error {
	if err := r.tray.grab(ctx); err != nil {
		return err
	}
	defer r.tray.letGo()
	return r.moveTray(ctx, false)
}

// Eject opens the tray and takes out the disc, if there is one; with force also while initiators prevent it. What they have written is durable then.
// The drive closes the disc.
func (r *Drive) Eject(ctx context.Context, force bool) error {
	if err := r.tray.grab(ctx); err != nil {
		return err
	}
	defer r.tray.letGo()
	old, _, _ := r.tray.look()
	if old == nil {
		return ErrEmpty
	}
	if err := r.mayTakeOut(force); err != nil {
		return err
	}
	if err := r.change(ctx, nil, true, force); err != nil {
		return err
	}
	r.tell("a disc was taken out of the drive", "disc", old.disc.Label)
	return nil
}

// mayTakeOut says who prevents that the disc is taken out; they are asked for it. Who calls it has the hands.
func (r *Drive) mayTakeOut(force bool) error {
	if force || r.tray.usable() == nil {
		return nil
	}
	who := r.prevents.who()
	if who == "" {
		return nil
	}
	r.mail.tell(page.MediaEject)
	return fmt.Errorf("%w: %s; they were asked to let it go: try again, or force it", ErrPrevented, who)
}

// change takes out the disc, if there is one, and puts l in, if it is not nil; the tray is open or closed then. What the commands
// under way of all initiators do with the disc that leaves ends before. After an error nothing has changed. Who calls it has the hands.
func (r *Drive) change(ctx context.Context, l *loaded, open, force bool) error {
	r.closeLeft(ctx, 0)
	old, err := r.replace(ctx, l, open, force)
	if err != nil {
		return err
	}
	if old != nil {
		r.tray.left = append(r.tray.left, old)
		r.closeLeft(ctx, lentPatience)
	}
	return nil
}

// replace puts l in the place of the disc that it returns, which may be nil.
func (r *Drive) replace(ctx context.Context, l *loaded, open, force bool) (old *loaded, err error) {
	// Commands that come wait. They were sent for what is there now: before any of them goes on, its nexus is told what is there then.
	// Those that wait for data of their initiators are not waited for.
	if u := r.unit.Load(); u != nil {
		if err := u.Pause(ctx); err != nil {
			return nil, fmt.Errorf("commands for the disc are under way: %w", err)
		}
		defer u.Resume()
	}
	was := r.tray.usable()
	if err := r.mayTakeOut(force); err != nil { // somebody may have begun to prevent it
		return nil, err
	}
	if old, _, _ = r.tray.look(); old != nil {
		if err := old.part.Flush(ctx); err != nil {
			if !force {
				return nil, fmt.Errorf("what was written is not durable, and the disc stays in the drive: %w", err)
			}
			r.warn("a disc was taken out by force, and not all that was written is durable", "disc", old.disc.Label, "error", err)
		}
		old.part.Retire(scsi.NotReady(scsi.ASCMediumNotPresent))
	}
	r.tray.put(l, open)
	r.changed(was, l)
	return old, nil
}

// changed tells all nexuses that commands can have the disc is instead of was; each may be nil. It is called after the tray is so.
func (r *Drive) changed(was, is *loaded) {
	if was != nil {
		r.mail.tell(page.MediaRemoved)
	}
	if was.profile() != is.profile() {
		r.mail.featuresChanged()
	}
	if is != nil {
		r.mail.tell(page.MediaNew)
		r.Announce(scsi.ASCMediumMayHaveChanged, nil)
	}
}

// closeLeft closes discs that have left. Those that cannot be closed in so much time stay. Who calls it has the hands.
func (r *Drive) closeLeft(ctx context.Context, patience time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	left := r.tray.left
	r.tray.left = nil
	for _, l := range left {
		if err := l.close(ctx); err != nil {
			r.warn("a disc that was taken out cannot be closed yet", "disc", l.disc.Label, "error", err)
			r.tray.left = append(r.tray.left, l)
		}
	}
}

// close takes the disc out at the end, when no command runs. It is the last to have the hands.
func (y *tray) close(r *Drive) error {
	y.once.Do(func() { close(y.shut) })
	y.hands <- struct{}{}
	var errs []error
	if l, _, _ := y.look(); l != nil {
		errs = append(errs, l.part.Flush(context.Background()))
		l.part.Retire(scsi.NotReady(scsi.ASCMediumNotPresent))
		y.left = append(y.left, l)
		y.put(nil, false)
	}
	for _, l := range y.left {
		errs = append(errs, l.close(context.Background()))
	}
	y.left = nil
	return errors.Join(errs...)
}
