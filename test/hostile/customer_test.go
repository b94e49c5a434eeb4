//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	initiatorsrp "github.com/lunette-io/lunette/initiator/srp"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

const (
	ordered   = pdu.AttrOrdered
	blockSize = 512
	onFile    = scsi.LUN(0)
	onMemory  = scsi.LUN(1 << 48)
)

// cdb10 is a READ (10) or WRITE (10), or what looks like one.
func cdb10(op scsi.Opcode, at uint32, blocks int, flags byte) []byte {
	b := make([]byte, 10)
	b[0], b[1] = byte(op), flags
	binary.BigEndian.PutUint32(b[2:], at)
	binary.BigEndian.PutUint16(b[7:], uint16(blocks))
	return b
}

// cdb16 is a command with a long address.
func cdb16(op scsi.Opcode, flags byte, at uint64, blocks uint32) []byte {
	b := make([]byte, 16)
	b[0], b[1] = byte(op), flags
	binary.BigEndian.PutUint64(b[2:], at)
	binary.BigEndian.PutUint32(b[10:], blocks)
	return b
}

// A host does commands one after the other, as initiators do that keep the rules.
type host interface {
	do(k work) (scsi.Status, []byte, error)
	close()
}

// A work is a command of a host.
type work struct {
	lun     scsi.LUN
	cdb     []byte
	attr    pdu.TaskAttribute
	out, in []byte
}

// An iscsiHost is one over TCP or iSER.
type iscsiHost struct{ *initiator.Conn }

func (h iscsiHost) do(w work) (scsi.Status, []byte, error) {
	h.SetDeadline(time.Now().Add(hang))
	k := &initiator.Command{LUN: w.lun, CDB: w.cdb, Out: w.out, In: w.in, Attr: w.attr}
	err := h.Submit(k)
	if err == nil {
		err = h.Finish(k)
	}
	if err == nil {
		err = k.Err
	}
	return k.Status, k.SenseData, err
}

func (h iscsiHost) close() {
	h.SetDeadline(time.Now().Add(hang))
	_, _ = h.Logout(pdu.LogoutCloseSession, 0)
	_ = h.Close()
}

// An srpHost is one over SRP.
type srpHost struct{ *initiatorsrp.Conn }

func (h srpHost) do(w work) (scsi.Status, []byte, error) {
	k := &initiatorsrp.Command{LUN: w.lun, CDB: w.cdb, Out: w.out, In: w.in}
	if w.attr == ordered {
		k.Attr = iu.AttrOrdered
	}
	watch := time.AfterFunc(hang, h.Abandon)
	defer watch.Stop()
	err := h.Do(k)
	return k.Status, k.SenseData, err
}

func (h srpHost) close() { _ = h.Logout() }

// A network is what hosts on RDMA are connected to.
type network struct {
	device *iwarp.Device
	engine tcp.Engine
}

func newNetwork(t testing.TB) *network {
	n := &network{engine: tcp.NewGoroutines(tcp.AutoSpin())}
	var err error
	if n.device, err = iwarp.New(iwarp.Config{Engine: n.engine}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(n.device.Close(), n.engine.Close()); err != nil {
			t.Error(err)
		}
	})
	return n
}

// modest is what a host offers that wants little: what it writes is asked for.
func modest() login.Config {
	c := initiator.DefaultLogin()
	c.InitialR2T, c.ImmediateData, c.MaxOutstandingR2T = true, false, 1
	return c
}

// host logs in to the target of a daemon.
func (n *network) host(d *daemon, over, name string) (host, error) {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	cfg := initiator.Config{InitiatorName: prefix + name, TargetName: targetName, ISID: pdu.ISID{0x80, 1}, Login: modest()}
	switch over {
	case "tcp":
		c, err := initiator.Dial(ctx, d.addr(over), cfg)
		if err != nil {
			return nil, err
		}
		return iscsiHost{c}, nil
	case "iser":
		c, err := initiator.DialRDMA(ctx, n.device, d.addr(over), cfg, initiator.RDMA{})
		if err != nil {
			return nil, err
		}
		return iscsiHost{c}, nil
	}
	c, err := initiatorsrp.Dial(ctx, n.device, d.addr(over), initiatorsrp.Config{Initiator: portID(), Target: d.srpPort()})
	if err != nil {
		return nil, err
	}
	return srpHost{c}, nil
}

// A customer wants little, all the time: one command after the other, on both units, with pauses. What it
// has written it reads again.
type customer struct {
	t      testing.TB
	name   string
	first  uint32 // of its blocks, on both units
	host   host
	stop   chan struct{}
	done   sync.WaitGroup
	served atomic.Int64 // commands that ended with GOOD
	full   atomic.Int64 // those that were to be tried again: BUSY and TASK SET FULL
	failed atomic.Bool
}

// span is how many blocks a customer has. Those of all begin at home.
const (
	span = 512
	home = 16 << 10
)

// enter makes customer number n of a daemon.
func (n *network) enter(t testing.TB, d *daemon, over string, number int) *customer {
	t.Helper()
	c := &customer{t: t, name: fmt.Sprintf("customer-%s-%d", over, number), first: uint32(home + number*span), stop: make(chan struct{})}
	var err error
	if c.host, err = n.host(d, over, c.name); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	c.done.Go(c.run)
	return c
}

func (c *customer) run() {
	defer c.host.close()
	for i := 0; ; i++ {
		for _, lun := range []scsi.LUN{onFile, onMemory} {
			if err := c.round(lun, i); err != nil {
				if !errors.Is(err, errStopped) {
					c.failed.Store(true)
					c.t.Errorf("%s, LUN %v, after %d commands: %v", c.name, lun, c.served.Load(), err)
				}
				return
			}
		}
	}
}

var errStopped = errors.New("stopped")

// round writes and reads.
func (c *customer) round(lun scsi.LUN, i int) error {
	size := []int{8, 32, 8, 128}[i%4] * blockSize // the largest is more than goes with a command
	out, in := make([]byte, size), make([]byte, size)
	for j := range out {
		out[j] = byte(i + j + j>>8)
	}
	blocks, fua := size/blockSize, byte(i%8/7*8)
	if err := c.do(work{lun: lun, cdb: cdb10(scsi.OpWrite10, c.first, blocks, fua), out: out}); err != nil {
		return fmt.Errorf("WRITE of %d bytes: %w", size, err)
	}
	if err := c.do(work{lun: lun, cdb: cdb10(scsi.OpRead10, c.first, blocks, 0), in: in}); err != nil {
		return fmt.Errorf("READ of %d bytes: %w", size, err)
	}
	if !bytes.Equal(in, out) {
		return errors.New("what was read is not what was written")
	}
	switch i % 8 {
	case 1: // a heartbeat on a block of its own
		pair := append(append([]byte{}, out[:blockSize]...), out[:blockSize]...)
		k := cdb16(scsi.OpCompareAndWrite, 0, uint64(c.first), 0)
		k[13] = 1
		if err := c.do(work{lun: lun, cdb: k, out: pair}); err != nil {
			return fmt.Errorf("COMPARE AND WRITE: %w", err)
		}
	case 3:
		if err := c.do(work{lun: lun, cdb: cdb10(scsi.OpRead10, c.first, 1, 0), in: in[:blockSize], attr: ordered}); err != nil {
			return fmt.Errorf("an ORDERED READ: %w", err)
		}
	case 5:
		if err := c.do(work{lun: lun, cdb: []byte{byte(scsi.OpInquiry), 0, 0, 0, 96, 0}, in: make([]byte, 96)}); err != nil {
			return fmt.Errorf("INQUIRY: %w", err)
		}
	}
	return nil
}

// do does a command until it is GOOD. It is tried again if the daemon says so, or has something to tell.
func (c *customer) do(w work) error {
	if w.attr == 0 {
		w.attr = pdu.AttrSimple
	}
	for {
		select {
		case <-c.stop:
			return errStopped
		case <-time.After(500 * time.Microsecond):
		}
		status, sense, err := c.host.do(w)
		switch {
		case err != nil:
			return err
		case status == scsi.Good:
			c.served.Add(1)
			return nil
		case status == scsi.TaskSetFull || status == scsi.Busy:
			c.full.Add(1)
		case status == scsi.CheckCondition:
			if s, err := scsi.ParseSense(sense); err != nil || s.Key != scsi.KeyUnitAttention {
				return fmt.Errorf("%v, sense % x", status, sense)
			}
		default:
			return fmt.Errorf("%v", status)
		}
	}
}

// leave ends it.
func (c *customer) leave() {
	close(c.stop)
	c.done.Wait()
}
