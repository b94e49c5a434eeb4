// Package daemon wires stores, devices, targets and transports as a document says, changes what
// is wired, and takes all of it down again.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/agent/apply"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/agent/server"
	"github.com/lunette-io/lunette/agent/state"
	"github.com/lunette-io/lunette/buffer"
)

// Options say how a daemon runs, apart from what it serves.
type Options struct {
	Log         *slog.Logger
	Socket      string // of the API; empty: where it is by itself
	SocketGroup string // who may ask beside the daemon's user; empty: nobody
	Version     string
	Flags       []model.Flag // go before what documents say
	// Generations keep the documents; nil: in memory, for as long as the daemon runs. If there is a current one,
	// it is the document of the start. Directory is where they are, for people; empty: nowhere.
	Generations state.Generations
	Directory   string
	// File is the document that is applied when the daemon is told to reload; empty: there is none.
	File string
	// Author is who the first generation is by.
	Author  string
	Program string // how this program is called, for lines that people can type in; empty: lunette
	// Strict: a unit that cannot be opened is the end of the start, unless it is optional. Without it such a
	// unit is NOT READY, and opened as soon as that is possible.
	Strict bool
	// UnitRecord is the file that keeps what has to outlive the process of a unit whose stores cannot keep
	// it: the result calls its argument with the path, which is right until that returns, whatever the unit is
	// called by then. nil: there is none.
	UnitRecord func(unit string) (do func(func(path string) error) error)
}

// A Daemon serves a document: units, targets that map them, and portals that show targets.
type Daemon struct {
	current atomic.Pointer[model.Document] // what is served
	reg     Registry
	opts    Options
	log     *slog.Logger
	started time.Time
	arena   *buffer.Arena
	api     *server.Server
	engine  *apply.Engine

	// changing is held by who changes something, from the beginning of the preparation until it is
	// published or taken back. Who only looks takes no lock.
	changing sync.Mutex
	serving  atomic.Bool // the start has not failed

	unopened  chan struct{} // gets something when a unit is not ready
	watching  sync.Mutex    // held by who looks whether stores are still there: see look
	stopWatch func()        // returns when nobody does any more

	// fitting are the limits of each transport when the first was made, taken how many descriptors were open
	// then, and descriptors how many this process may have: see nodes.limits. None is changed afterwards.
	fitting     model.Limits
	taken       int
	descriptors int

	units    units
	targets  targets
	networks networks
	nodes    nodes
	portals  portals
}

// change begins a change: what it returns ends it.
func (d *Daemon) change() (end func()) {
	d.changing.Lock()
	return d.changing.Unlock
}

// Start serves doc, which Validate has found right. When it fails nothing is left of
// the attempt: no socket, no listener, no file that was not there before.
func Start(ctx context.Context, doc *model.Document, reg Registry, opts Options) (*Daemon, error) {
	d := &Daemon{
		reg: reg, opts: opts, log: opts.Log, started: time.Now(),
		arena: buffer.NewArena(int64(doc.Limits.Memory)),
	}
	d.current.Store(doc)
	d.arena.TellRefusals(newThrottled(opts.Log).tell)
	d.made()
	socket, err := server.Listen(opts.Socket, opts.SocketGroup)
	if err != nil {
		return nil, errors.Join(err, d.arena.Close())
	}
	if err := d.start(ctx, doc); err != nil {
		if left := errors.Join(d.arena.Close(), socket.Close()); left != nil {
			d.log.Error("the start failed, and could not be taken back whole", "error", left)
		}
		return nil, err
	}
	if err := d.startAgent(socket); err != nil {
		return nil, errors.Join(err, d.takeDown(ctx), socket.Close())
	}
	d.startWatch()
	return d, nil
}

// doc is the document that is served. The caller does not change it.
func (d *Daemon) doc() *model.Document { return d.current.Load() }

// startWatch looks from time to time whether stores are still there, until stopWatch is called.
func (d *Daemon) startWatch() {
	stop := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Go(func() { d.watch(stop) })
	d.stopWatch = func() {
		close(stop)
		watcher.Wait()
	}
}

// start is the transition from nothing to a document: no initiator gets in before everything else has
// gone well.
func (d *Daemon) start(ctx context.Context, doc *model.Document) error {
	if d.opts.Strict {
		if problems := look(doc, &d.reg); len(problems) > 0 { // all of them, before anything is opened
			return problems
		}
	}
	x := d.newTransition(apply.Transition{Old: &model.Document{}, New: doc, Plan: fromNothing(doc)})
	x.first = true
	if err := x.prepare(ctx); err != nil {
		return err
	}
	d.serving.Store(true)
	x.Publish()
	return nil
}

// Stop ends the daemon in good order: it stops accepting, asks initiators to log out,
// waits for them until ctx is done, makes everything durable and closes it. It is called
// once.
func (d *Daemon) Stop(ctx context.Context) error {
	d.stopWatch()
	d.engine.Close()
	return errors.Join(d.takeDown(ctx), d.api.Close())
}

// takeDown ends all that is served.
func (d *Daemon) takeDown(ctx context.Context) error {
	defer d.change()()
	errs := []error{d.portals.closeAll()}
	drain, cancel := context.WithTimeout(ctx, d.doc().Limits.StopTimeout)
	defer cancel()
	errs = append(errs, d.nodes.shutdown(drain), d.networks.close())
	errs = append(errs, d.units.stop(drain))
	return errors.Join(append(errs, d.arena.Close())...)
}

// oneLine joins the lines of an error.
func oneLine(err error) string { return strings.Join(strings.Split(err.Error(), "\n"), "; ") }
