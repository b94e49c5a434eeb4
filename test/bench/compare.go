package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
)

// findProgram says where lunette is; it is built if it is nowhere.
func findProgram(o *options, at *place) error {
	if o.program != "" {
		return nil
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	for ; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if root == "/" {
			return errors.New("run it in the repository, or say with -lunette where the program is")
		}
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

// compare measures all peers, interleaved: every workload on every peer, one after the
// other, in a different order each round, and that all over again in the next round.
func compare(ctx context.Context, o options, r *result) (err error) {
	at, err := newPlace(o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, at.remove()) }()
	if err := findProgram(&o, at); err != nil {
		return err
	}
	var peers []*peer
	defer func() {
		for _, p := range peers {
			p.stop()
		}
	}()
	add := func(p *peer, err error) error {
		if err == nil {
			peers = append(peers, p)
		}
		return err
	}
	var gens atomic.Uint64
	err = add(startRaw(at))
	for _, backing := range []string{inMemory, inFile} {
		for _, start := range []func() (*peer, error){
			func() (*peer, error) { return startLunette(o, at, backing) },
			func() (*peer, error) { return startTGT(at, backing, false) },
			func() (*peer, error) { return startTGT(at, backing, true) },
		} {
			if err == nil {
				err = add(start())
			}
		}
	}
	if err != nil {
		return err
	}
	for _, p := range peers {
		fmt.Fprintf(os.Stderr, "filling %s, %s\n", p.name, p.backing)
		if err := prefill(ctx, p, &gens); err != nil {
			return fmt.Errorf("%s, %s: %w", p.name, p.backing, err)
		}
	}
	for round := range o.rounds {
		if err := oneRound(ctx, o, r, peers, round, &gens); err != nil {
			return err
		}
	}
	return nil
}

func oneRound(ctx context.Context, o options, r *result, peers []*peer, round int, gens *atomic.Uint64) error {
	take := func(s sample, err error) error {
		s.Round = round
		r.Samples = append(r.Samples, s)
		return err
	}
	for _, backing := range []string{inMemory, inFile} {
		for _, w := range workloads() {
			if !o.only.MatchString(backing + "/" + w.name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d of %d: %s, %s\n", round+1, o.rounds, backing, w.name)
			for i := range peers {
				p := peers[(i+round)%len(peers)]
				if p.backing != backing {
					continue
				}
				if err := take(measure(ctx, p, w, o.time, gens)); err != nil {
					return err
				}
			}
		}
		for _, w := range foreign() {
			if !o.foreign || backing != inMemory || !o.only.MatchString(backing+"/"+w.name) {
				continue
			}
			for i := range peers {
				p := peers[(i+round)%len(peers)]
				if p.backing != backing || p.raw {
					continue
				}
				if err := take(measureForeign(ctx, p, w, o.time)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
