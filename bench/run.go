package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/login"
)

// Bounds of a [Config].
const (
	MaxConnections = 1024
	maxMemory      = 4 << 30 // bytes of all commands
	maxRings       = 253     // that vhost-user can name beside the two that are not for requests
)

// DefaultInitiator is the name to log in with if none is given.
const DefaultInitiator = "iqn.2026-11.io.lunette:bench"

// A Config says how a [Run] loads one logical unit.
type Config struct {
	URL        URL
	Initiator  string
	SecretFile string // of URL.User
	// HeaderDigest and DataDigest insist on CRC32C.
	HeaderDigest, DataDigest bool

	Workload            // of each connection
	Connections int     // each a session of its own, on its own part of the range
	Range       int64   // bytes from the start of the unit; 0: all of it
	Count       int64   // commands in all; 0: no limit
	Rate        float64 // commands a second in all; 0: no limit
	// Verify writes the range first, checks every byte that is read, and reads the
	// range again at the end.
	Verify bool

	// Plan has the time and those who look on. Its hooks are around the measured part:
	// neither filling nor reading back is in it.
	Plan Plan
}

// Check says what is wrong with c whatever the target is. It reads the secret.
func (c *Config) Check() error {
	if err := c.Workload.check(MaxDepth, NoChecks); err != nil {
		return err
	}
	switch {
	case c.Connections < 1 || c.Connections > MaxConnections:
		return fmt.Errorf("%d connections: 1 to %d are possible", c.Connections, MaxConnections)
	case int64(c.Size)*int64(c.Depth)*int64(c.Connections) > maxMemory:
		return fmt.Errorf("%d connections with %d commands of %d bytes each take more than %d bytes of memory", c.Connections, c.Depth, c.Size, int64(maxMemory))
	case c.Range < 0 || c.Count < 0 || c.Plan.Time < 0:
		return errors.New("a range, a count or a time is negative")
	case !(c.Rate >= 0 && c.Rate <= 1e9):
		return fmt.Errorf("a rate of %v: 0 to 1e9 commands a second are possible", c.Rate)
	case c.Count == 0 && c.Plan.Time == 0:
		return errors.New("neither a time nor a count: it would not end")
	case c.Count > 0 && c.Count < int64(c.Connections):
		return fmt.Errorf("%d commands are less than one for each of %d connections", c.Count, c.Connections)
	}
	if c.URL.IsVHost() {
		return c.checkRings()
	}
	if _, err := login.NormalizeName(c.Initiator); err != nil {
		return fmt.Errorf("the initiator: %w", err)
	}
	_, err := c.account()
	return err
}

// checkRings checks what is different with vhost-user.
func (c *Config) checkRings() error {
	switch {
	case c.Connections > maxRings:
		return fmt.Errorf("%d connections: of vhost-user each is a request queue, of which 1 to %d are possible", c.Connections, maxRings)
	case c.HeaderDigest || c.DataDigest:
		return errors.New("there are no digests in vhost-user: nothing is sent that they could be of")
	case c.SecretFile != "":
		return errors.New("vhost-user has no secrets: who may open the socket may use it")
	case c.Initiator != "" && c.Initiator != DefaultInitiator:
		return errors.New("an initiator of vhost-user has the name that the portal gives it: none can be asked for")
	}
	return nil
}

// account is what to prove ourselves with; nil: nothing.
func (c *Config) account() (*auth.Account, error) {
	switch {
	case c.URL.User == "" && c.SecretFile == "":
		return nil, nil
	case c.URL.User == "":
		return nil, errors.New("there is a secret and no user: iscsi://USER@HOST… says whose it is")
	case c.SecretFile == "":
		return nil, errors.New("there is a user and no secret: --secret FILE names the file with it")
	}
	s, err := auth.LoadSecret(c.SecretFile)
	if err != nil {
		return nil, err
	}
	return &auth.Account{User: c.URL.User, Secret: s}, nil
}

// A Misfit is the error of a load that this unit cannot have.
type Misfit struct{ why string }

func (e *Misfit) Error() string { return e.why }

// A Run is a logical unit with connections to it.
type Run struct {
	cfg     Config
	clients []Client
	reach   reach
	part    int64 // bytes of each connection
	unit    Unit
	gens    atomic.Uint64
	seed    uint64
	ended   bool // well
}

// A reach is how a Run reaches its unit: what its clients share.
type reach interface {
	// addresses are this side of the connections, as the target sees them: of vhost-user the path of the socket, which is ours alone.
	addresses() []string
	// wakes are how often the two sides have woken each other so far; false: they do not.
	wakes() (Wakes, bool)
	// close ends the connections, in good order if everything has gone well.
	close(well bool) error
}

// Open logs in. The caller closes the Run.
func Open(ctx context.Context, cfg Config) (*Run, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	lun, err := scsi.FlatLUN(cfg.URL.LUN)
	if err != nil {
		return nil, err
	}
	r := &Run{cfg: cfg}
	// Where they read is random, and so are the names of sessions (RFC 7143 11.12.5), so that two programs do not take each other's over.
	var id [11]byte
	if _, err := rand.Read(id[:]); err != nil {
		return nil, err
	}
	for _, b := range id[3:] {
		r.seed = r.seed<<8 | uint64(b)
	}
	if cfg.URL.IsVHost() {
		err = r.openVHost(ctx, lun)
	} else {
		err = r.openISCSI(ctx, lun, [3]byte(id[:]))
	}
	if err == nil {
		err = r.divide()
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// divide gives each connection its part.
func (r *Run) divide() error {
	if r.cfg.Range == 0 {
		r.cfg.Range = r.unit.Size
	}
	switch size := int64(r.cfg.Size); {
	case r.cfg.Range > r.unit.Size:
		return &Misfit{fmt.Sprintf("the range of %d bytes is larger than the unit, which has %d", r.cfg.Range, r.unit.Size)}
	case size%int64(r.unit.Block) != 0:
		return &Misfit{fmt.Sprintf("commands of %d bytes do not fit the blocks of the unit, which have %d", size, r.unit.Block)}
	default:
		r.part = r.cfg.Range / int64(r.cfg.Connections) / size * size
	}
	return nil
}

// Unit is what the unit says of itself.
func (r *Run) Unit() Unit { return r.unit }

// LocalAddresses are this side of the connections, as the target sees them; of vhost-user, the path of the socket.
func (r *Run) LocalAddresses() []string { return r.reach.addresses() }

// Go does it all, once. The result is that of the measured part, nil if it has not come
// to that. See [Plan.Run] about errors.
func (r *Run) Go(ctx context.Context) (*Result, error) {
	workers := make([]*Worker, len(r.clients))
	checks := NoChecks
	if r.cfg.Verify {
		checks = AllChecks
	}
	for i, c := range r.clients {
		var err error
		workers[i], err = NewWorker(c, WorkerConfig{
			Workload: r.cfg.Workload, Part: Part{From: int64(i) * r.part, Len: r.part}, Checks: checks,
			Seed: r.seed, Gens: &r.gens,
		})
		if err != nil {
			return nil, err
		}
	}
	if r.cfg.Verify {
		if err := r.whole(ctx, "filling", 0, workers); err != nil {
			return nil, err
		}
	}
	n := int64(len(workers))
	for i, w := range workers {
		count := r.cfg.Count / n
		if int64(i) < r.cfg.Count%n {
			count++
		}
		var err error
		if workers[i], err = w.Again(r.cfg.Workload, count, r.cfg.Rate/float64(n)); err != nil {
			return nil, err
		}
	}
	result, err := r.measure(ctx, workers)
	if err == nil && r.cfg.Verify && r.cfg.Reads < 100 {
		err = r.whole(ctx, "reading back", 100, workers)
	}
	r.ended = err == nil
	return result, err
}

// measure is the measured part.
func (r *Run) measure(ctx context.Context, workers []*Worker) (*Result, error) {
	p := r.cfg.Plan
	if _, ok := r.reach.wakes(); !ok {
		return p.Run(ctx, workers...)
	}
	var before, after Wakes
	begin, end := p.Begin, p.End
	p.Begin = func() (err error) {
		if begin != nil {
			err = begin()
		}
		before, _ = r.reach.wakes()
		return err
	}
	p.End = func() (err error) {
		after, _ = r.reach.wakes()
		if end != nil {
			err = end()
		}
		return err
	}
	result, err := p.Run(ctx, workers...)
	if result != nil && after != (Wakes{}) {
		result.Wakes = after.since(before, result.Commands())
	}
	return result, err
}

// whole writes or reads every block once.
func (r *Run) whole(ctx context.Context, phase string, reads int, workers []*Worker) error {
	all := make([]*Worker, len(workers))
	for i, w := range workers {
		var err error
		load := Workload{Size: r.cfg.Size, Reads: reads, Sequential: true, Depth: r.cfg.Depth}
		if all[i], err = w.Again(load, w.Blocks(), 0); err != nil {
			return err
		}
	}
	p := Plan{Patience: r.cfg.Plan.Patience}
	if show := r.cfg.Plan.Progress; show != nil {
		p.Progress = func(x Progress) { x.Phase = phase; show(x) }
	}
	result, err := p.Run(ctx, all...)
	if err == nil {
		err = result.Err()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", phase, err)
	}
	return nil
}

// Close logs out where that works, and closes the connections.
func (r *Run) Close() error {
	if r.reach == nil {
		return nil
	}
	x := r.reach
	r.clients, r.reach = nil, nil
	return x.close(r.ended)
}
