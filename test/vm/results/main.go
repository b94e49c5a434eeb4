// Command results prints what a device answers to commands of all kinds, right and wrong ones: status, sense, residual and
// data, a line each. It runs in a guest, and gives the commands to Linux's initiator as they are (SG_IO).
//
//	results DEVICE BLOCK-SIZE
//	results DEVICE cd|tape|changer
//
// DEVICE is that of a block device, or of any kind of device in /dev/bsg. Of a disk it uses the first 4096 blocks and puts them into the same state first, so that one unit gives the same text each time,
// whatever lies between it and the initiator. What names the transport is left out.
package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"strconv"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "results:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: results DEVICE BLOCK-SIZE|cd|tape|changer")
	}
	all, ok := map[string][]test{"cd": list(cd), "tape": list(tape), "changer": list(changer)}[args[1]]
	if !ok {
		block, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		all = tests(block)
	}
	command := command
	if strings.HasPrefix(args[0], "/dev/bsg/") {
		command = bsgCommand
	}
	device, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	out := bufio.NewWriter(os.Stdout)
	for range 5 { // attentions are of the attaching, not of the unit
		if r, err := command(device, []byte{0, 0, 0, 0, 0, 0}, nil, nil); err != nil || r.status == 0 {
			break
		}
	}
	for _, t := range all {
		in := make([]byte, t.in)
		r, err := command(device, t.cdb, t.out, in)
		if err != nil {
			return fmt.Errorf("%s: % x: %w", t.name, t.cdb, err)
		}
		if t.quiet {
			continue
		}
		if t.over {
			r.residual = 0
		}
		if r.status == 2 && !t.moves {
			r.residual = len(in) + len(t.out) // adapters say anything here
		}
		got := in[:max(0, min(len(in), len(in)-r.residual))]
		if t.mask != nil && r.status == 0 {
			got, r.residual = t.mask(got), 0 // since it may be of what is left out
		}
		fmt.Fprintf(out, "%s: % x: status %02x", t.name, t.cdb, r.status)
		if r.host != 0 || r.driver != 0 {
			fmt.Fprintf(out, " host %02x driver %02x", r.host, r.driver)
		}
		if len(r.sense) > 0 {
			fmt.Fprintf(out, " sense %x", bytes.TrimRight(r.sense, "\x00"))
		}
		if r.status == 0 || t.moves {
			fmt.Fprintf(out, " residual %d", r.residual)
		}
		switch {
		case len(got) > 256:
			fmt.Fprintf(out, " data %d bytes %x", len(got), sha256.Sum256(got))
		case len(got) > 0:
			fmt.Fprintf(out, " data %x", got)
		}
		fmt.Fprintln(out)
	}
	return out.Flush()
}
