package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// startSPDK starts SPDK's iSCSI target on one processor, without huge pages and devices: it
// needs nothing of the machine but that.
func startSPDK(o options, at *place, backing string) (*peer, error) {
	if o.spdk == "" {
		return nil, errors.New("it is no package of Debian: -spdk names its program iscsi_tgt")
	}
	p := &peer{name: spdk, backing: backing, spins: true, what: o.spdk + ", one processor, no huge pages"}
	p.leaves = func(pid int) string { return fmt.Sprintf("/dev/shm/iscsi_trace.pid%d", pid) }
	dir, err := p.at(at)
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(dir, "rpc")
	// A build has its libraries beside its programs.
	env := []string{"LD_LIBRARY_PATH=" + filepath.Join(filepath.Dir(o.spdk), "..", "lib") + ":" + libraryPath()}
	ready := func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	}
	err = p.start(dir, ready, env, o.spdk, "-m", "0x1", "--no-huge", "-s", strconv.Itoa(units*unitSize>>20+1024), "-u", "-r", socket, "--disable-cpumask-locks")
	if err != nil {
		return nil, err
	}
	if err := p.configureSPDK(dir, socket); err != nil {
		p.stop()
		return nil, err
	}
	return p, p.rest()
}

// configureSPDK makes the units and their target.
func (p *peer) configureSPDK(dir, socket string) error {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	defer c.Close()
	rpc := &rpcClient{conn: c, in: json.NewDecoder(c)}
	type object = map[string]any
	names, err := p.bdevs(rpc, dir)
	if err != nil {
		return err
	}
	var luns []object
	for u, name := range names {
		luns = append(luns, object{"bdev_name": name, "lun_id": u})
	}
	rpc.call("iscsi_create_portal_group", object{"tag": 1, "portals": []object{{"host": "127.0.0.1", "port": p.port()}}})
	rpc.call("iscsi_create_initiator_group", object{"tag": 1, "initiators": []string{"ANY"}, "netmasks": []string{"127.0.0.1"}})
	rpc.call("iscsi_create_target_node", object{
		"name": targetName, "alias_name": "bench", "luns": luns, "pg_ig_maps": []object{{"pg_tag": 1, "ig_tag": 1}},
		"queue_depth": 64, "disable_chap": true,
	})
	return rpc.err
}

// bdevs makes what the units are made of, and says what each is called.
func (p *peer) bdevs(rpc *rpcClient, dir string) ([]string, error) {
	type object = map[string]any
	kind, all := "bdev_malloc_create", make([]string, units)
	if p.backing == onDisk {
		var err error
		if all, err = files(dir); err != nil {
			return nil, err
		}
		// Not every build has io_uring for files.
		kind = "bdev_uring_create"
		rpc.call(kind, object{"name": "probe", "filename": all[0], "block_size": blockSize})
		if rpc.err == nil {
			rpc.call("bdev_uring_delete", object{"name": "probe"})
		} else {
			rpc.err, kind = nil, "bdev_aio_create"
		}
	}
	p.what += ", " + kind
	var names []string
	for u, path := range all {
		name := fmt.Sprintf("unit%d", u)
		unit := object{"name": name, "block_size": blockSize}
		if p.backing == onDisk {
			unit["filename"] = path
		} else {
			unit["num_blocks"] = unitSize / blockSize
		}
		rpc.call(kind, unit)
		names = append(names, name)
	}
	return names, rpc.err
}

// libraryPath is where this process looks for libraries beside the usual places.
func libraryPath() string { return os.Getenv("LD_LIBRARY_PATH") }

// An rpcClient calls by JSON-RPC 2.0, one call after the other. The first error stays.
type rpcClient struct {
	conn io.Writer
	in   *json.Decoder
	n    int
	err  error
}

func (c *rpcClient) call(method string, params any) {
	if c.err != nil {
		return
	}
	c.n++
	if c.err = c.exchange(method, params); c.err != nil {
		c.err = fmt.Errorf("%s: %w", method, c.err)
	}
}

func (c *rpcClient) exchange(method string, params any) error {
	if d, ok := c.conn.(net.Conn); ok {
		if err := d.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			return err
		}
	}
	request := map[string]any{"jsonrpc": "2.0", "id": c.n, "method": method, "params": params}
	if err := json.NewEncoder(c.conn).Encode(request); err != nil {
		return err
	}
	var answer struct {
		ID    int
		Error *struct {
			Code    int
			Message string
		}
	}
	switch err := c.in.Decode(&answer); {
	case err != nil:
		return err
	case answer.Error != nil:
		return fmt.Errorf("%s (%d)", answer.Error.Message, answer.Error.Code)
	case answer.ID != c.n:
		return fmt.Errorf("an answer to call %d, not %d", answer.ID, c.n)
	}
	return nil
}
