package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// repository is the root of this repository, in which we run.
func repository() (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			return root, nil
		}
		if root == "/" {
			return "", errors.New("run it in the repository")
		}
	}
}

// findProgram says where lunette is; it is built if it is nowhere.
func findProgram(o *options, at *place) error {
	var err error
	for _, path := range []*string{&o.program, &o.before, &o.spdk} { // peers have directories of their own
		if *path != "" {
			if *path, err = filepath.Abs(*path); err != nil {
				return err
			}
		}
	}
	if o.program != "" {
		return nil
	}
	root, err := repository()
	if err != nil {
		return fmt.Errorf("%w, or say with -lunette where the program is", err)
	}
	o.program = filepath.Join(root, "bin", "lunette")
	if _, err := os.Stat(o.program); err == nil {
		return nil
	}
	o.program = filepath.Join(at.disk, "lunette")
	cmd := exec.Command("go", "build", "-trimpath", "-o", o.program, "./cmd/lunette")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.Run()
}

// A comparison is a run with all its peers.
type comparison struct {
	options
	at     *place
	peers  []*peer
	groups []group
	fio    *fio
	gens   atomic.Uint64
	r      *result
}

// compare measures all peers, interleaved: every workload on every peer, one after the
// other, in a different order each round, and that all over again in the next round.
func compare(ctx context.Context, o options, r *result) (err error) {
	c := &comparison{options: o, r: r}
	if c.at, err = newPlace(o); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.at.remove()) }()
	if err := findProgram(&c.options, c.at); err != nil {
		return err
	}
	foreign := withFio
	if o.vhost {
		c.foreign = false // no guest, and so nobody else's client
	} else if c.fio, err = findFio(o.fio); err != nil {
		r.absent(withFio, err)
		foreign = withPerf
		if _, err := exec.LookPath(withPerf); err != nil && o.foreign {
			r.absent(withPerf, errors.New("Debian's package libiscsi-bin has it"))
			c.foreign = false
		}
	}
	all := plan(foreign, o.all)
	if o.vhost {
		all = vhostPlan()
	}
	c.groups = only(c.options, all)
	defer func() {
		for _, p := range c.peers {
			p.stop()
		}
	}()
	if err := c.start(ctx); err != nil {
		return err
	}
	for round := range o.rounds {
		for _, g := range alternate(c.groups) {
			if err := c.measure(ctx, g, round); err != nil {
				return err
			}
		}
	}
	return nil
}

// alternate gives each workload a group of its own, and puts those of one name side by side,
// so that lunette's files, say, are measured right after its memory.
func alternate(all []group) []group {
	var single []group
	place := make(map[string]int) // by client and name without digests
	key := func(g group) string {
		name, _, _ := strings.Cut(g.workloads[0].name, ", digests")
		return g.client + "/" + name
	}
	for _, g := range all {
		for _, w := range g.workloads {
			one := group{g.backing, g.client, g.peers, []workload{w}}
			single = append(single, one)
			if _, ok := place[key(one)]; !ok {
				place[key(one)] = len(place)
			}
		}
	}
	slices.SortStableFunc(single, func(a, b group) int { return place[key(a)] - place[key(b)] })
	return single
}

// start starts the peers that the groups name, and fills them. All but lunette may be
// absent, or not fit to be measured, which is said.
func (c *comparison) start(ctx context.Context) error {
	for _, backing := range []string{inMemory, inFile, onDisk} {
		for _, name := range peerNames() {
			if !c.wanted(backing, name) {
				continue
			}
			p, err := c.launch(backing, name)
			if err == nil {
				if err = c.fill(ctx, p); err != nil {
					p.stop()
				}
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				if name == lunette && backing != onDisk {
					return fmt.Errorf("%s, %s: %w", name, backing, err)
				}
				c.r.absent(name+", "+backing, err)
				continue
			}
			c.peers = append(c.peers, p)
			c.r.Peers = append(c.r.Peers, fmt.Sprintf("%s, %s: %s", name, backing, p.what))
		}
	}
	for _, p := range c.peers {
		if p.name == lunette && c.r.Idle == nil {
			n, err := idle(ctx, p)
			if err != nil {
				return err
			}
			c.r.Idle = &n
		}
	}
	return nil
}

func (c *comparison) wanted(backing, name string) bool {
	return slices.ContainsFunc(c.groups, func(g group) bool { return g.backing == backing && slices.Contains(g.peers, name) })
}

func (c *comparison) launch(backing, name string) (*peer, error) {
	switch name {
	case tgt, tgtTuned:
		return startTGT(c.at, backing, name == tgtTuned)
	case istgt:
		return startISTGT(c.at, backing)
	case spdk:
		return startSPDK(c.options, c.at, backing)
	case spdkVM:
		return startSPDKVHost(c.options, c.at, backing)
	case raw:
		return startRaw(c.at)
	case ring:
		return c.fio.local(c.at, backing)
	}
	return startLunette(c.options, c.at, name, backing)
}

// fill writes all of p once, and has fio, if it is to measure p, verify what it writes.
func (c *comparison) fill(ctx context.Context, p *peer) error {
	if p.cmd == nil {
		return nil
	}
	fmt.Fprintf(os.Stderr, "filling %s, %s\n", p.name, p.backing)
	if err := p.work(); err != nil {
		return err
	}
	err := prefill(ctx, p, &c.gens)
	if err == nil && c.foreign && c.fio != nil && p.backing == inMemory && !p.raw {
		err = c.fio.verify(ctx, p)
	}
	return errors.Join(err, p.rest())
}

// idle is the part of a processor that a server uses when nobody asks anything of it, once
// it has settled after its start.
func idle(ctx context.Context, p *peer) (float64, error) {
	pause := func(d time.Duration) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := pause(2 * time.Second); err != nil {
		return 0, err
	}
	before, err := p.processorTime()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := pause(3 * time.Second); err != nil {
		return 0, err
	}
	after, err := p.processorTime()
	return (after - before) / time.Since(began).Seconds(), err
}

// measure measures a group in one round. A fault of lunette ends the run, one of another
// target is said, and ends that workload for it.
func (c *comparison) measure(ctx context.Context, g group, round int) error {
	for _, w := range g.workloads {
		fmt.Fprintf(os.Stderr, "round %d of %d: %s, %s, client %s\n", round+1, c.rounds, g.backing, w.name, g.client)
		for i := range c.peers {
			p := c.peers[(i+round)%len(c.peers)]
			if p.backing != g.backing || !slices.Contains(g.peers, p.name) {
				continue
			}
			who := fmt.Sprintf("%s, %s, %s, client %s", p.name, p.backing, w.name, g.client)
			if _, ok := c.r.Absent[who]; ok {
				continue // once is enough
			}
			s, err := c.sample(ctx, p, g.client, w)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil && p.name == lunette:
				return fmt.Errorf("%s: %w", who, err)
			case err != nil: // others may have faults
				c.r.absent(who, err)
				continue
			}
			s.Backing, s.Workload, s.Peer, s.Client, s.Round = p.backing, w.name, p.name, g.client, round
			c.r.Samples = append(c.r.Samples, s)
		}
	}
	return nil
}

func (c *comparison) sample(ctx context.Context, p *peer, client string, w workload) (s sample, err error) {
	if err = p.work(); err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, p.rest()) }()
	switch {
	case p.file != "":
		return c.fio.measureFile(ctx, p, w, c.time)
	case client == withFio:
		return c.fio.measure(ctx, p, w, c.time)
	case client == withPerf:
		return measurePerf(ctx, p, w, c.time)
	}
	return measure(ctx, p, w, c.time, &c.gens)
}
