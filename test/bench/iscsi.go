package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/initiator"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

const (
	targetName = "iqn.2026-11.io.lunette:bench"
	blockSize  = 512
)

// An iscsiClient is the in-repository initiator: it batches, and allocates nothing.
type iscsiClient struct {
	conn  *initiator.Conn
	first int // LUN of unit 0
	done  []*job
}

// A command is what a job has at an iscsiClient.
type command struct {
	initiator.Command
	cdb [10]byte
}

// dialISCSI logs in as host n, and ends the unit attentions of all units.
func dialISCSI(ctx context.Context, addr string, first, n int) (client, error) {
	w := initiator.DefaultWishes()
	w.MaxOutstandingR2T = 8
	conn, err := initiator.Dial(ctx, addr, initiator.Config{
		InitiatorName: fmt.Sprintf("iqn.2026-11.io.lunette.test:bench%d", n), TargetName: targetName,
		ISID: pdu.ISID{0x80, 0, 0, 0, byte(n >> 8), byte(n)}, Wishes: w,
	})
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	c := &iscsiClient{conn: conn, first: first}
	for u := range units {
		if err := c.ready(u); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return c, nil
}

func (c *iscsiClient) lun(unit int) scsi.LUN { return scsi.LUN(uint64(c.first+unit) << 48) }

func (c *iscsiClient) ready(unit int) error {
	for range 10 {
		r, err := c.conn.Do(c.lun(unit), make([]byte, 6), nil, nil)
		if err != nil || r.Status == scsi.Good {
			return err
		}
	}
	return fmt.Errorf("unit %d does not become ready", unit)
}

func (c *iscsiClient) submit(j *job) error {
	k, ok := j.link.(*command)
	if !ok {
		k = &command{}
		k.User, k.Attr = j, pdu.AttrSimple
		j.link = k
	}
	k.LUN, k.CDB = c.lun(j.unit), k.cdb[:]
	k.cdb[0], k.In, k.Out = byte(scsi.OpRead10), j.buf, nil
	if j.write {
		k.cdb[0], k.In, k.Out = byte(scsi.OpWrite10), nil, j.buf
	}
	binary.BigEndian.PutUint32(k.cdb[2:], uint32(j.off/blockSize))
	binary.BigEndian.PutUint16(k.cdb[7:], uint16(len(j.buf)/blockSize))
	return c.conn.Submit(&k.Command)
}

func (c *iscsiClient) wait() ([]*job, error) {
	done, err := c.conn.Wait()
	if err != nil {
		return nil, err
	}
	c.done = c.done[:0]
	for _, k := range done {
		if k.Err != nil || k.Status != scsi.Good || k.Residual != 0 || k.Received != len(k.In) {
			return nil, fmt.Errorf("%v: %v, %v, residual %d, %d bytes: %w", scsi.Opcode(k.CDB[0]), k.Status, k.Sense(), k.Residual, k.Received, k.Err)
		}
		c.done = append(c.done, k.User.(*job))
	}
	return c.done, nil
}

func (c *iscsiClient) close() error { return c.conn.Close() }
