package passthrough

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/initiator/sg"
	"github.com/lunette-io/lunette/internal/ratelog"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/target"
)

// A path is the way of commands to the device and of its answers back: it is the policy's [line]. It has
//
//   - the queue (order.go): which command goes next, and the link to the device that is there now (link.go);
//   - the commands under way (command.go), their data (data.go, memory.go), time-outs (timeouts.go) and what came of them (answer.go, hostsense.go);
//   - the attendant (attend.go), a goroutine that opens the device, asks it what has to be known (learn.go), and resets it.
type path struct {
	cfg    Config
	log    *slog.Logger
	policy *policy // set before the first command of an initiator comes

	queue queue
	ways  ways
	free  sync.Pool // of *command
	maps  mappings
	stats statistics
	times atomic.Pointer[timeouts] // those that the device recommends
	tuned tuning
	desk  attendant

	medium       medium // the attendant's
	unprivileged sync.Once
	warnings     ratelog.Paced

	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	unwatch func()
	// background has what ends aborted tasks, and resets; Close waits for it.
	background sync.WaitGroup
}

// The ways into a command that has waited, as values that are made once: so no command allocates any.
type ways struct {
	received func(*target.Task, *buffer.Lease, error) // data-out is there
	landed   func(*target.Task, error)                // data-out is in the memory of the command
	aborted  func(*target.Task)                       // the task is aborted
	ended    func(*sg.Command)                        // the device has answered
}

// newPath opens the device and asks it who it is.
func newPath(ctx context.Context, cfg Config) (*path, error) {
	p := &path{cfg: cfg, log: cfg.Log}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.ways = ways{received: p.received, landed: p.landed, aborted: p.aborted, ended: p.ended}
	p.desk.wake, p.desk.done = make(chan struct{}, 1), make(chan struct{})
	p.ctx, p.cancel = context.WithCancel(context.Background())
	dev, err := cfg.Source.Open(ctx)
	if err != nil {
		p.cancel()
		return nil, fmt.Errorf("%w: %w", errNoDevice, err)
	}
	stop := context.AfterFunc(ctx, p.cancel)
	l := p.newLink(dev)
	f, err := p.learnFirst(l)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		p.policy, err = newPolicy(cfg, p, f)
	}
	if err != nil {
		p.cancel()
		p.queue.lose(l)
		p.closed(nil, l)
		p.maps.close()
		return nil, fmt.Errorf("%w: %w", errNoDevice, err)
	}
	p.queue.connect(l, p.depth(l))
	return p, nil
}

// watch begins to look for the device's going and coming.
func (p *path) watch() {
	go p.attend()
	p.unwatch = p.cfg.Source.Watch(p.look)
}

// close gives the device back. No task is left. Commands that the device still has are waited for, for [Grace]; their memory is
// the kernel's until they end, whatever becomes of the unit.
func (p *path) close() {
	p.unwatch()
	p.cancel()
	<-p.desk.done // nothing that it waits for is waited for any more
	all := p.queue.close()
	p.advance() // those that have waited end
	ended := make(chan struct{})
	go func() {
		p.background.Wait() // a reset waits for the device
		close(ended)
	}()
	if !p.closed(ended, all...) {
		p.log.Warn("the device still has commands, and is not waited for any more: it is given back when they have ended")
	}
	p.maps.close()
	p.warnings.Flush(p.log, "more of the device was not told")
}

// closed waits until the devices of all links are closed and background is too, or reports false after [Grace].
func (p *path) closed(background <-chan struct{}, all ...*link) bool {
	grace := time.NewTimer(Grace)
	defer grace.Stop()
	wait := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		case <-grace.C:
			grace.Reset(0) // nothing else is waited for
			return false
		}
	}
	ok := true
	for _, l := range all {
		ok = wait(l.closed) && ok
	}
	if background != nil {
		ok = wait(background) && ok
	}
	return ok
}

// warn tells of something that a device can make happen as often as it likes.
func (p *path) warn(msg string, args ...any) { p.warnings.Warn(p.log, msg, args...) }

// tellFailure tells that the host has ended a command that the device has not answered.
func (p *path) tellFailure(c *command) {
	if c.Result.Err != nil && !errors.Is(c.Result.Err, sg.ErrGone) || c.Result.Err == nil && goneBy(&c.Result) == nil {
		node := ""
		if c.link != nil {
			node = c.link.info.Node
		}
		p.warn("the device has not answered a command", "node", node, "command", scsi.Opcode(c.CDB[0]), "why", failure(&reply{Result: c.Result}))
	}
}

// facts are what is known of the device.
func (p *path) facts() *facts {
	if p.policy == nil {
		return new(facts) // it is being asked
	}
	return p.policy.facts()
}
