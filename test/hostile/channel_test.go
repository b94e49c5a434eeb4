//go:build hostile

package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// srpPort is the identifier of the target's port, from the line with which Linux adds it.
func (d *daemon) srpPort() iu.PortID {
	d.t.Helper()
	t := d.target(targetName)
	lines, _ := t.Facts.Value("addTarget").([]any)
	for _, l := range lines {
		s, _ := l.(string)
		number := func(key string) uint64 {
			_, v, _ := strings.Cut(s, key+"=")
			v, _, _ = strings.Cut(v, ",")
			n, err := strconv.ParseUint(v, 16, 64)
			if err != nil {
				d.t.Fatalf("%s of %q: %v", key, s, err)
			}
			return n
		}
		return iu.MakePortID(number("id_ext"), number("ioc_guid"))
	}
	d.t.Fatalf("no line to add the target: %v", t.Facts)
	return iu.PortID{}
}

// A channel is an SRP initiator that keeps no rule.
type channel struct {
	*adapter
	limit int // requests that it may send
	tag   uint64

	reading           sync.WaitGroup
	ended             atomic.Bool
	reads, good, full atomic.Int64 // Reads that the daemon has asked for; responses
	responses, data   atomic.Int64
	requests          chan request // or nil
}

// srpLogin is the request that goes with the connection.
func srpLogin(initiator, target iu.PortID) []byte {
	x := iu.LoginRequest{Tag: 1, MaxIU: 4096, Needs: iu.FormatsDirect | iu.FormatsIndirect, Initiator: initiator, Target: target}
	return x.AppendCM(nil)
}

// dialChannel opens a channel.
func dialChannel(from, addr string, initiator, target iu.PortID) (*channel, error) {
	a, err := dialAdapter(from, addr, srpLogin(initiator, target))
	if err != nil {
		return nil, err
	}
	r, err := iu.ParseLoginResponse(a.answer)
	if err != nil {
		_ = a.Close()
		return nil, fmt.Errorf("the answer to the login: %w", err)
	}
	return &channel{adapter: a, limit: int(r.Delta)}, nil
}

// read begins to receive and count what comes; Reads are not answered.
func (c *channel) read() {
	c.reading.Go(func() {
		for {
			x, err := c.hear()
			if err != nil {
				c.ended.Store(true)
				return
			}
			c.data.Add(int64(x.written))
			if x.read != nil {
				c.reads.Add(1)
				if c.requests != nil {
					select {
					case c.requests <- *x.read:
					default:
					}
				}
				continue
			}
			r, err := iu.ParseResponse(x.message)
			if err != nil {
				continue
			}
			c.responses.Add(1)
			switch scsi.Status(r.Status) {
			case scsi.Good:
				c.good.Add(1)
			case scsi.TaskSetFull, scsi.Busy:
				c.full.Add(1)
			}
		}
	})
}

// put sends a command.
func (c *channel) put(x command) error {
	c.tag++
	k := iu.Command{Tag: c.tag, LUN: uint64(x.lun), Attr: iu.AttrSimple}
	if x.attr == ordered {
		k.Attr = iu.AttrOrdered
	}
	copy(k.CDB[:], x.cdb)
	list := func(n int, key uint32) iu.Buffer {
		if n == 0 {
			return iu.Buffer{}
		}
		return iu.Buffer{Format: iu.Direct, List: iu.Descriptor{Key: key, Len: uint32(n)}.Append(nil), Len: uint32(n)}
	}
	k.Out, k.In = list(x.out, 5), list(x.in, 6)
	return c.send(k.Append(nil, 0))
}

// ready does TEST UNIT READY until nothing needs attention, of a channel that does not read by itself.
func (c *channel) ready(lun scsi.LUN) error {
	_ = c.SetReadDeadline(time.Now().Add(hang))
	for range 10 {
		if err := c.put(command{lun: lun, cdb: make([]byte, 6)}); err != nil {
			return err
		}
		for {
			x, err := c.hear()
			if err != nil {
				return err
			}
			r, err := iu.ParseResponse(x.message)
			if err != nil || r.Tag != c.tag {
				continue
			}
			if scsi.Status(r.Status) == scsi.Good {
				return c.SetReadDeadline(time.Time{})
			}
			break
		}
	}
	return errors.New("the unit does not become ready")
}

// manage asks for a task management function and does not wait.
func (c *channel) manage(f iu.Function, lun scsi.LUN, of uint64) error {
	c.tag++
	return c.send(iu.TaskManagement{Tag: 1<<63 | c.tag, LUN: uint64(lun), Function: f, Managed: of}.Append(nil))
}

// end breaks the connection off.
func (c *channel) end() {
	_ = c.Close()
	c.reading.Wait()
}

// portID is an initiator's port that no other of this process has.
func portID() iu.PortID {
	var p iu.PortID
	p[0] = 0xfe
	binary.BigEndian.PutUint32(p[12:], tags.Add(1))
	return p
}
