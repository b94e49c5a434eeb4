package kind

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/initiator/sg/attached"
	"github.com/lunette-io/lunette/scsi"
)

// lookAgain is how often a device that is gone is looked for where the system does not tell of comings and goings.
const lookAgain = 2 * time.Second

// How long a device that a driver has taken meanwhile is left to those who use it, before it is tried again to take it: udev looks into what comes, for a moment.
const (
	takeAgain     = time.Second
	takeAgainMost = 30 * time.Second
)

// A source opens one device, at first and whenever it has come back. It implements [passthrough.Source].
type source struct {
	bridge
	log    *slog.Logger
	detach bool
	io     string
	depth  int

	// moving is held while the device is looked for, taken from a driver, opened and given back, for as long as the kernel takes over that. mu is
	// taken under it, and never held meanwhile: people can always ask what was found.
	moving sync.Mutex

	mu     sync.Mutex
	unit   attached.Unit // as it was last found
	attach func() error  // gives the device back to the kernel's driver; nil: it was not taken
	device *opened       // that was opened last
	since  time.Time     // when it was opened last, or found gone
	there  bool
	closed bool
	work   sync.WaitGroup // resets by hand; none begins when closed is set
}

// An opened is a device that is not reset when it is closed, and not closed while it is reset.
type opened struct {
	sg.Device
	resetting sync.RWMutex // held for reading while it is reset, and for writing when it is closed
	closed    bool
}

// Reset implements [sg.Device].
func (o *opened) Reset() error {
	o.resetting.RLock()
	defer o.resetting.RUnlock()
	if o.closed {
		return sg.ErrGone
	}
	return o.Device.Reset()
}

// Close implements [sg.Device].
func (o *opened) Close() error {
	o.resetting.Lock()
	defer o.resetting.Unlock()
	o.closed = true
	return o.Device.Close()
}

// Open implements [passthrough.Source].
func (s *source) Open(context.Context) (sg.Device, error) {
	s.moving.Lock()
	defer s.moving.Unlock()
	u, d, err := s.open()
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := err == nil; there != s.there || s.since.IsZero() {
		s.there, s.since = there, time.Now()
	}
	if err != nil {
		return nil, err
	}
	s.unit, s.device = u, &opened{Device: d}
	return s.device, nil
}

// open finds the device, takes it from the driver, and opens it. s.moving is held.
func (s *source) open() (attached.Unit, sg.Device, error) {
	u, err := s.look()
	if errors.Is(err, attached.ErrNotFound) {
		return u, nil, fmt.Errorf("%w: %w", sg.ErrGone, err)
	}
	if err == nil {
		err = s.unused(u) // somebody may have mounted before us what has come back
	}
	if err == nil {
		err = s.take(u)
	}
	if err != nil {
		return u, nil, err
	}
	d, err := s.bridge.open(nodes(u), sg.Config{IO: s.io, Depth: s.deep(u), MaxTransfer: u.MaxTransfer, Once: u.Type == scsi.TypeTape || u.Type == scsi.TypeChanger})
	if err != nil {
		return u, nil, fmt.Errorf("%s: %w%s", title(u), err, cure(err))
	}
	// A device file is found by the address, where another device may have come since: what is open is the one if that is there still.
	if now, err := s.look(); err != nil || now.Address != u.Address {
		return u, nil, errors.Join(fmt.Errorf("%s: %w: it went while it was opened", title(u), sg.ErrGone), d.Close())
	}
	return u, d, nil
}

// look is the device as it is now.
func (s *source) look() (attached.Unit, error) {
	u, _ := s.found()
	return s.host.Same(u)
}

// take takes u from the kernel's driver, if it is to be taken, and has one: one that has come back has it anew. s.moving is held.
func (s *source) take(u attached.Unit) error {
	s.mu.Lock()
	taken := s.attach != nil
	s.mu.Unlock()
	if !s.detach || u.Driver == "" && taken { // without a driver at first: it may be from us that it was taken, and we were killed
		return nil
	}
	attach, err := s.host.Detach(u)
	switch {
	case errors.Is(err, attached.ErrInUse):
		return inUse(u, err)
	case err != nil:
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attach = attach // what took it before was of a device that is gone
	return nil
}

// retake takes the device from a driver that has bound to it since it was opened: the kernel probes disks some time after they have come, and anybody can
// load a driver, or give it the device by hand. What is not open is taken when it is opened.
func (s *source) retake() error {
	s.moving.Lock()
	defer s.moving.Unlock()
	s.mu.Lock()
	idle := s.device == nil || s.closed || !s.there
	s.mu.Unlock()
	if idle {
		return nil
	}
	u, err := s.look()
	switch {
	case errors.Is(err, attached.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	if u.Driver != "" {
		s.mu.Lock()
		s.attach, s.unit.Driver = nil, u.Driver // a driver has it, and to give it back there is nothing to do
		s.mu.Unlock()
	}
	return s.take(u)
}

// keepTaken takes the device from its driver again whenever something has changed, until ctx ends. What is in use is tried again.
func (s *source) keepTaken(ctx context.Context, changed <-chan struct{}) {
	wait := time.Duration(0) // 0: there is nothing to be tried again
	timer := time.NewTimer(takeAgain)
	timer.Stop()
	defer timer.Stop()
	told := false
	for {
		again := false
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-timer.C:
			again = true
		}
		err := s.retake()
		if err == nil {
			timer.Stop()
			wait, told = 0, false
			continue
		}
		if again && !told {
			s.log.Warn("a driver of the kernel has the device again, and it cannot be taken from it: other programs of this host get in between until it can", "error", err)
			told = true
		}
		if again || wait == 0 {
			wait = min(max(2*wait, takeAgain), takeAgainMost)
			timer.Reset(wait)
		}
	}
}

// giveBack gives the device back to the kernel's driver. It was closed.
func (s *source) giveBack() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
	s.moving.Lock()
	defer s.moving.Unlock()
	s.mu.Lock()
	attach := s.attach
	s.device, s.attach = nil, nil
	s.mu.Unlock()
	if attach == nil {
		return nil
	}
	err := attach()
	if errors.Is(err, attached.ErrNotFound) || errors.Is(err, sg.ErrGone) { // there is nothing to give back
		return nil
	}
	return err
}

// Watch implements [passthrough.Source].
func (s *source) Watch(changed func()) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	if s.detach {
		look, take := changed, make(chan struct{}, 1)
		done.Go(func() { s.keepTaken(ctx, take) })
		changed = func() {
			select {
			case take <- struct{}{}:
			default:
			}
			look()
		}
	}
	done.Go(func() {
		err := s.host.Watch(ctx, changed)
		if ctx.Err() != nil {
			return
		}
		s.log.Warn("the system does not say when devices come and go: it is asked every now and then", "error", err, "every", lookAgain)
		tick := time.NewTicker(lookAgain)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				changed()
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// errClosed is why nothing is done with a unit any more.
var errClosed = errors.New("the unit is being closed")

// reset resets the device, if it is there, or leaves that to go on when ctx ends.
func (s *source) reset(ctx context.Context) error {
	done := make(chan error, 1)
	s.mu.Lock()
	d, u := s.device, s.unit
	switch {
	case s.closed:
		s.mu.Unlock()
		return errClosed
	case d == nil:
		s.mu.Unlock()
		return sg.ErrGone
	}
	s.work.Go(func() { done <- d.Reset() })
	s.mu.Unlock()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s: %w", title(u), err)
		}
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// found is the device as it was last found, and since when it has been there, or gone.
func (s *source) found() (u attached.Unit, since time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unit, s.since
}

// deep is how many commands u gets at a time: a tape and a robot do one after the other, and the next is there when one has ended.
func (s *source) deep(u attached.Unit) int {
	switch {
	case s.depth > 0:
		return s.depth
	case u.Type == scsi.TypeTape, u.Type == scsi.TypeChanger:
		return 2
	case u.Depth > 0:
		return min(u.Depth, sg.MaxDepthUring)
	}
	return 0
}

func nodes(u attached.Unit) sg.Nodes {
	return sg.Nodes{BSG: u.Nodes.BSG, SG: u.Nodes.SG, Upper: u.Nodes.Upper}
}

// title is a device for people: what it is, and where.
func title(u attached.Unit) string {
	text := strings.Join(strings.Fields(u.Vendor+" "+u.Product), " ")
	if text == "" {
		text = u.Type.String()
	}
	return fmt.Sprintf("%s at %s", text, u.Address)
}

// cure is what to do about an error of opening.
func cure(err error) string {
	if errors.Is(err, sg.ErrPrivilege) {
		return ": start lunette as root, or give its service CAP_SYS_RAWIO and the device file (DeviceAllow)"
	}
	return ""
}
