package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lunette-io/lunette/agent"
	"github.com/lunette-io/lunette/agent/api"
	"github.com/lunette-io/lunette/agent/model"
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/store"
	"github.com/lunette-io/lunette/target"
)

// Options say how a daemon runs, apart from what it serves.
type Options struct {
	Log     *slog.Logger
	Socket  string // of the API
	Version string
}

// A Daemon serves a document.
type Daemon struct {
	doc     *model.Document
	reg     Registry
	opts    Options
	log     *slog.Logger
	started time.Time

	arena      *buffer.Arena
	networks   *Networks
	units      []*unit // in the document's order
	targets    []*served
	transports map[string]Transport
	portals    []*portal
	api        *api.Server
	undo       undo
}

// A unit is a logical unit with what it is made of.
type unit struct {
	spec *model.Unit
	*target.Unit
	store store.Store
}

// served is a target with where it is served.
type served struct {
	spec *model.Target
	*target.Target
}

// A portal is a bound portal.
type portal struct {
	spec      model.Portal
	transport Transport
	Portal
}

// URL is the portal as it is bound.
func (p *portal) url() string { return p.spec.Scheme() + "://" + p.Addr() }

// TransportConfig is what all transports get.
type TransportConfig struct {
	Log       *slog.Logger
	Arena     *buffer.Arena
	Limits    model.Limits
	Networks  *Networks
	Discovery model.Discovery
	ISCSI     model.ISCSI
}

// Start serves doc, which Validate has found right. When it fails nothing is left of
// the attempt: no socket, no listener, no file that was not there before.
func Start(ctx context.Context, doc *model.Document, reg Registry, opts Options) (*Daemon, error) {
	d := &Daemon{
		doc: doc, reg: reg, opts: opts, log: opts.Log, started: time.Now(),
		arena:      buffer.NewArena(int64(doc.Limits.Memory)),
		transports: make(map[string]Transport),
	}
	d.undo.add(d.arena.Close)
	if err := d.start(ctx); err != nil {
		if left := d.undo.run(); left != nil {
			d.log.Error("the start failed, and could not be taken back whole", "error", left)
		}
		return nil, err
	}
	d.undo = nil
	return d, nil
}

// start goes from what is cheap to take back to what is not: no initiator gets in before
// everything else has gone well.
func (d *Daemon) start(ctx context.Context) error {
	socket, err := api.Listen(d.opts.Socket)
	if err != nil {
		return err
	}
	d.undo.add(socket.Close)
	for i := range d.doc.Units {
		if err := d.openUnit(ctx, &d.doc.Units[i]); err != nil {
			return err
		}
	}
	if d.networks, err = newNetworks(d.doc.Network); err != nil {
		return err
	}
	d.undo.add(d.networks.close)
	if err := d.openTransports(); err != nil {
		return err
	}
	for i := range d.doc.Targets {
		if err := d.openTarget(&d.doc.Targets[i]); err != nil {
			return err
		}
	}
	for _, spec := range d.doc.Portals {
		if err := d.bind(ctx, spec); err != nil {
			return err
		}
	}
	for _, p := range d.portals {
		p.Start()
	}
	d.api = api.Serve(socket, d, d.log)
	return nil
}

// openUnit opens store, filters and device of a unit.
func (d *Daemon) openUnit(ctx context.Context, spec *model.Unit) error {
	fail := func(err error) error { return fmt.Errorf("unit %s: %w", spec.Name, err) }
	kind, err := agent.Find(d.reg.Stores, "store", spec.Store.Kind)
	if err != nil {
		return fail(err)
	}
	opened, err := kind.New(ctx, spec.Store.Values)
	if err != nil {
		return fail(err)
	}
	s := opened.Store
	closer := opened.Close // then the outermost filter closes all, then the unit
	d.undo.add(func() error { return closer() })
	if opened.Undo != nil {
		d.undo.add(opened.Undo)
	}
	for i := len(spec.Filters) - 1; i >= 0; i-- { // the first is next to the device
		f, err := agent.Find(d.reg.Filters, "filter", spec.Filters[i].Kind)
		if err != nil {
			return fail(err)
		}
		wrapped, err := f.New(s, spec.Filters[i].Values)
		if err != nil {
			return fail(err)
		}
		s, closer = wrapped, wrapped.Close
	}
	id, err := identity(opened.Seed, spec.Device.Values)
	if err != nil {
		return fail(err)
	}
	dev, err := agent.Find(d.reg.Devices, "device", spec.Device.Kind)
	if err != nil {
		return fail(err)
	}
	lu, err := dev.New(Parts{Store: s, Arena: d.arena, Identity: id}, spec.Device.Values)
	if err != nil {
		return fail(err)
	}
	u := target.NewUnit(spec.Name, lu)
	closer = u.Close
	d.units = append(d.units, &unit{spec: spec, Unit: u, store: s})
	return nil
}

// openTransports makes the transports that the portals need.
func (d *Daemon) openTransports() error {
	for _, p := range d.doc.Portals {
		provider, err := d.reg.provider(p)
		if err != nil {
			return err
		}
		name := provider.Transport
		if d.transports[name] != nil {
			continue
		}
		kind, err := agent.Find(d.reg.Transports, "transport", name)
		if err != nil {
			return err
		}
		t, err := kind.New(TransportConfig{
			Log: d.log.With("transport", name), Arena: d.arena, Limits: d.doc.Limits, Networks: d.networks,
			Discovery: d.doc.Discovery, ISCSI: d.doc.ISCSI,
		})
		if err != nil {
			return err
		}
		d.transports[name] = t
		d.undo.add(func() error {
			now, cancel := context.WithCancel(context.Background())
			cancel() // nobody has come yet
			return t.Shutdown(now)
		})
	}
	return nil
}

// openTarget makes a target and shows it by every transport.
func (d *Daemon) openTarget(spec *model.Target) error {
	var maps []target.Mapping
	for _, l := range spec.LUNs {
		lun, err := scsi.FlatLUN(uint32(l.Number))
		if err != nil {
			return fmt.Errorf("target %s: %w", spec.Name, err)
		}
		for _, u := range d.units {
			if u.spec.Name == l.Unit {
				maps = append(maps, target.Mapping{LUN: lun, Unit: u.Unit})
			}
		}
	}
	t, err := target.NewTarget(spec.Name, maps...)
	if err != nil {
		return err
	}
	for _, transport := range d.transports {
		if err := transport.AddTarget(t, *spec); err != nil {
			return err
		}
	}
	d.targets = append(d.targets, &served{spec: spec, Target: t})
	return nil
}

// bind binds a portal.
func (d *Daemon) bind(ctx context.Context, spec model.Portal) error {
	provider, err := d.reg.provider(spec)
	if err != nil {
		return err
	}
	transport := d.transports[provider.Transport]
	p, err := provider.New(ctx, transport, spec.Addr())
	if err != nil {
		return fmt.Errorf("portal %s: %s", spec, d.explainBind(err, spec))
	}
	d.undo.add(p.Close)
	d.portals = append(d.portals, &portal{spec: spec, transport: transport, Portal: p})
	return nil
}

// Stop ends the daemon in good order: it stops accepting, asks initiators to log out,
// waits for them until ctx is done, makes everything durable and closes it. It is called
// once.
func (d *Daemon) Stop(ctx context.Context) error {
	var errs []error
	for _, p := range d.portals {
		errs = append(errs, p.Close())
	}
	drain, cancel := context.WithTimeout(ctx, d.doc.Limits.StopTimeout)
	defer cancel()
	errs = append(errs, d.shutdown(drain), d.networks.close())
	for _, u := range d.units {
		if err := u.Close(); err != nil { // which flushes
			errs = append(errs, fmt.Errorf("unit %s: %w", u.Name, err))
		}
	}
	errs = append(errs, d.arena.Close(), d.api.Close())
	return errors.Join(errs...)
}

// shutdown ends all transports at the same time: initiators of each have all of it to leave.
func (d *Daemon) shutdown(ctx context.Context) error {
	errs := make([]error, len(d.transports))
	var ended sync.WaitGroup
	for i, name := range slices.Sorted(maps.Keys(d.transports)) {
		ended.Go(func() { errs[i] = d.transports[name].Shutdown(ctx) })
	}
	ended.Wait()
	return errors.Join(errs...)
}

// oneLine joins the lines of an error.
func oneLine(err error) string { return strings.Join(strings.Split(err.Error(), "\n"), "; ") }
