package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/lunette-io/lunette/bench"
	"github.com/lunette-io/lunette/scsi"
)

// vhost-user, beside TCP on loopback: the same daemon, reached by our driver of virtio's SCSI host, whose memory it has. There is no virtual machine.

// An attaching says which clients a peer is to have.
type attaching struct {
	first, clients int // hosts, of which each has a connection
	digests        bool
	depth          int   // commands that each of them has out at most
	memory         int64 // bytes of all their buffers
}

// attach makes clients of p; detach ends them, when nobody works with them any more.
func (p *peer) attach(ctx context.Context, a attaching) (all []bench.Client, detach func(), err error) {
	if p.rings != nil { // one attachment with as many queues
		l := *p.rings
		l.Queues, l.Depth, l.Memory = a.clients, a.depth, a.memory
		v, err := bench.DialVHost(ctx, l)
		if err != nil {
			return nil, nil, err
		}
		return v.Clients(), func() { _ = v.Close() }, nil // what it could say the workers have said
	}
	detach = func() {
		for _, c := range all {
			_ = c.Close()
		}
	}
	for i := range a.clients {
		c, err := p.dial(ctx, a.first+i, a.digests)
		if err != nil {
			detach()
			return nil, nil, err
		}
		all = append(all, c)
	}
	return all, detach, nil
}

// listens reports that a program is at the socket at path.
func listens(path string) bool {
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}

// startSPDKVHost starts SPDK's target of vhost-user, which lies beside its target of iSCSI. Behind one of its sockets a target has one unit.
func startSPDKVHost(o options, at *place, backing string) (*peer, error) {
	if o.spdk == "" {
		return nil, errors.New("it is no package of Debian: -spdk names its program iscsi_tgt, and vhost lies beside that")
	}
	program := filepath.Join(filepath.Dir(o.spdk), "vhost")
	p := &peer{name: spdkVM, backing: backing, spins: true, what: program + ", one processor, no huge pages"}
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	rpc := filepath.Join(dir, "rpc")
	env := []string{"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(o.spdk), "..", "lib") + ":" + libraryPath()}
	err = p.start(dir, func() bool { return listens(rpc) }, env, program, "-m", "0x1", "--no-huge", "-s", strconv.Itoa(units*unitSize>>20+1024), "-u", "-r", rpc, "-S", dir, "--disable-cpumask-locks")
	if err != nil {
		return nil, err
	}
	if err := p.configureSPDKVHost(dir, rpc); err != nil {
		p.stop()
		return nil, err
	}
	return p, p.rest()
}

// configureSPDKVHost makes the units, and the socket with a target for each of them.
func (p *peer) configureSPDKVHost(dir, socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	rpc := &rpcClient{conn: c, in: json.NewDecoder(c)}
	names, err := p.bdevs(rpc, dir)
	if err != nil {
		return err
	}
	type object = map[string]any
	rpc.call("vhost_create_scsi_controller", object{"ctrlr": "vm"})
	p.rings = &bench.VHostLogin{Rings: bench.Rings{Path: filepath.Join(dir, "vm")}}
	for u, name := range names {
		rpc.call("vhost_scsi_controller_add_target", object{"ctrlr": "vm", "scsi_target_num": u, "bdev_name": name})
		p.rings.Units = append(p.rings.Units, bench.VHostUnit{Target: uint8(u)})
	}
	return rpc.err
}

// behind are the units of a lunette, all of which are those of one target.
func behind(path string) *bench.VHostLogin {
	l := &bench.VHostLogin{Rings: bench.Rings{Path: path}}
	for u := range units {
		l.Units = append(l.Units, bench.VHostUnit{LUN: scsi.LUN(uint64(u) << 48)})
	}
	return l
}

// vhostPlan is what is measured of vhost-user: each workload on every sort of unit, beside TCP.
func vhostPlan() []group {
	everybody := []string{lunette, vhost, spdkVM}
	return []group{
		{inMemory, ours, everybody, of(1, 1, false, read4k1, write4k1, read4k, write4k, read64k, write64k, readBig, writeBig)},
		{inFile, ours, []string{lunette, vhost}, of(1, 1, false, read4k1, read4k, write4k, read64k, write64k, readBig, writeBig)},
		{onDisk, ours, everybody, of(1, 1, false, read4k1, read4k, write4k, read64k, write64k, readBig, writeBig)},
	}
}

// vhostClaims are what is wanted of vhost-user: more, for less, than over TCP.
func vhostClaims() []claim {
	var all []claim
	add := func(workload string, f figure, least, most float64) {
		all = append(all, claim{
			row: workload + ", vhost", mine: cell{inMemory, workload, vhost, ours}, to: cell{inMemory, workload, lunette, ours}, figure: f, least: least, most: most,
		})
	}
	for _, w := range of(1, 1, false, read4k, write4k) {
		add(w.name, iops, 2, 0)
		add(w.name, cpu, 0, 0.75)
	}
	for _, w := range of(1, 1, false, read64k, write64k, readBig, writeBig) {
		add(w.name, iops, 4, 0)
		add(w.name, cpu, 0, 0.35)
	}
	for _, w := range of(1, 1, false, read4k1, write4k1) {
		add(w.name, p50, 0, 0.5)
	}
	return all
}

// socketOf is where the daemon of p has its socket for a virtual machine.
func socketOf(dir string) string { return filepath.Join(dir, "vm.sock") }

// what the portal is called.
func vhostPortal(dir string) string { return fmt.Sprintf("virtio+vhost://%s", socketOf(dir)) }
