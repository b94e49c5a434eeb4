//go:build crash

package crash

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

const (
	targetName = "iqn.2026-11.io.lunette:crash"

	diskBlocks  = 8192
	zone        = 1024 // blocks; the last quarter of each is never written
	writable    = zone * 3 / 4
	depth       = 8 // commands at a time on a connection
	connections = 4
)

// dial logs in as host n and clears the unit attentions that are pending.
func dial(addr string, n byte) (*initiator.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := initiator.Dial(ctx, addr, initiator.Config{
		InitiatorName: "iqn.2026-11.io.lunette.test:crash", TargetName: targetName,
		ISID: pdu.ISID{0x80, 0, 0, 0, 0, n}, Login: initiator.DefaultLogin(),
	})
	if err != nil {
		return nil, err
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for range 10 {
		r, err := c.Do(0, make([]byte, 6), nil, nil)
		if err != nil || r.Status == scsi.Good {
			return c, err
		}
	}
	return nil, errors.Join(errors.New("the unit does not become ready"), c.Close())
}

// A host is one connection that writes.
type host struct {
	*ledger
	conn      *initiator.Conn
	rand      *rand.Rand
	blockSize int
	modes     bool // it changes WCE now and then
}

// A slot is one of the commands that a host has outstanding.
type slot struct {
	initiator.Command
	cdb     [16]byte
	memory  []byte
	write   *write // nil: a flush
	since   int64
	durable bool
}

// run writes until the connection ends. An error is a wrong answer.
func (h *host) run() error {
	for i := range depth {
		s := &slot{memory: make([]byte, writable*h.blockSize)}
		s.User = s
		if i == 0 && h.modes {
			if err := h.mode(); err != nil {
				return ended(err)
			}
		}
		h.next(s)
		if err := h.conn.Submit(&s.Command); err != nil {
			return nil
		}
	}
	for {
		done, err := h.conn.Wait()
		for _, k := range done {
			s := k.User.(*slot)
			if err := h.finished(s); err != nil {
				return err
			}
			h.next(s)
			if err := h.conn.Submit(k); err != nil {
				return nil
			}
		}
		if err != nil {
			return ended(err)
		}
		if h.modes && h.rand.IntN(200) == 0 {
			if err := h.mode(); err != nil {
				return ended(err)
			}
		}
	}
}

// ended is nil for the end of a connection, which is expected.
func ended(err error) error {
	if errors.Is(err, initiator.ErrProtocol) || errors.Is(err, initiator.ErrDigest) || errors.Is(err, errMode) {
		return err
	}
	return nil
}

// next makes s the next command.
func (h *host) next(s *slot) {
	clear(s.cdb[:])
	s.CDB, s.Out = s.cdb[:], nil
	kind := h.rand.IntN(20)
	if kind == 0 {
		s.cdb[0] = byte(scsi.OpSynchronizeCache16)
		s.write, s.since = nil, h.now()
		return
	}
	n := 1 + h.rand.IntN(16)
	if h.rand.IntN(10) == 0 {
		n = 1 + h.rand.IntN(writable)
	}
	lba := h.rand.IntN(diskBlocks/zone)*zone + h.rand.IntN(writable-n+1)
	s.write, s.durable = h.begin(lba, n), false
	switch {
	case kind < 5:
		s.cdb[0], s.cdb[1], s.durable = byte(scsi.OpWrite16), 0x08, true // FUA
	case kind == 5:
		s.cdb[0], s.durable = byte(scsi.OpWriteAndVerify16), true // what is verified is on the medium
	default:
		s.cdb[0] = byte(scsi.OpWrite16)
	}
	binary.BigEndian.PutUint64(s.cdb[2:], uint64(lba))
	binary.BigEndian.PutUint32(s.cdb[10:], uint32(n))
	s.Out = s.memory[:n*h.blockSize]
	for i := range n {
		fill(s.Out[i*h.blockSize:][:h.blockSize], uint64(lba+i), s.write.gen)
	}
}

// finished notes how s ended.
func (h *host) finished(s *slot) error {
	key := s.Sense().Key
	switch {
	case s.Err != nil:
		return fmt.Errorf("%v: %w", scsi.Opcode(s.cdb[0]), s.Err)
	case s.Status == scsi.Good && s.write == nil:
		h.flushed(s.since)
	case s.Status == scsi.Good:
		h.acknowledged(s.write, s.durable)
	case s.Status == scsi.CheckCondition && key == scsi.KeyUnitAttention && s.write != nil:
		h.refused(s.write)
	case s.Status == scsi.CheckCondition && key == scsi.KeyUnitAttention:
	case s.Status == scsi.CheckCondition && key == scsi.KeyMiscompare && s.write != nil && h.contested(s.write):
		h.failed(s.write) // another write came between writing and verifying
	case s.Status == scsi.CheckCondition && key == scsi.KeyMediumError && s.write != nil:
		h.failed(s.write)
	case s.Status == scsi.CheckCondition && key == scsi.KeyMediumError:
	case s.Status == scsi.TaskSetFull && s.write != nil:
		h.refused(s.write)
	default:
		return fmt.Errorf("%v ended with %v, %v", scsi.Opcode(s.cdb[0]), s.Status, s.Sense())
	}
	return nil
}

var errMode = errors.New("changing WCE")

// mode changes WCE.
func (h *host) mode() error {
	var list [24]byte // header and caching page
	off := h.rand.IntN(2) == 0
	if !off {
		h.cacheOn()
	}
	for range 10 {
		r, err := h.conn.Do(0, []byte{byte(scsi.OpModeSense6), 0x08, 0x08, 0, byte(len(list)), 0}, nil, list[:])
		if err != nil {
			return err
		}
		if r.Status != scsi.Good {
			continue // a unit attention
		}
		list[0], list[2] = 0, 0
		list[4] &^= 0x80
		list[6] |= 0x04
		if off {
			list[6] &^= 0x04
		}
		since := h.now()
		r, err = h.conn.Do(0, []byte{byte(scsi.OpModeSelect6), 0x10, 0, 0, byte(len(list)), 0}, list[:], nil)
		switch {
		case err != nil:
			return err
		case r.Status == scsi.Good && off:
			h.cacheOff(since)
			return nil
		case r.Status == scsi.Good:
			return nil
		case r.Sense().Key == scsi.KeyMediumError:
			return nil // it could not flush
		case r.Sense().Key != scsi.KeyUnitAttention:
			return fmt.Errorf("%w: %v, %v", errMode, r.Status, r.Sense())
		}
	}
	return fmt.Errorf("%w: nothing but unit attentions", errMode)
}

// look reads the whole disk and returns what is wrong with it.
func look(c *initiator.Conn, l *ledger, blockSize int) ([]error, error) {
	const chunk = 512
	data := make([]byte, chunk*blockSize)
	var wrong []error
	for lba := 0; lba < diskBlocks; lba += chunk {
		cdb := make([]byte, 16)
		cdb[0] = byte(scsi.OpRead16)
		binary.BigEndian.PutUint64(cdb[2:], uint64(lba))
		binary.BigEndian.PutUint32(cdb[10:], chunk)
		r, err := c.Do(0, cdb, nil, data)
		if err != nil {
			return wrong, err
		}
		if r.Status != scsi.Good || r.Received != len(data) {
			return wrong, fmt.Errorf("reading block %d: %v, %v, %d bytes", lba, r.Status, r.Sense(), r.Received)
		}
		wrong = append(wrong, l.restart(lba, data, blockSize)...)
	}
	return wrong, nil
}
