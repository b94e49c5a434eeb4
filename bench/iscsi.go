package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/iwarp"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/network/tcp"
	"github.com/lunette-io/lunette/network/udp/socket"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/auth"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// Login says what an [ISCSI] client logs in to.
type Login struct {
	Address   string // HOST:PORT
	Target    string
	Initiator string
	ISID      pdu.ISID
	Account   *auth.Account // nil: no CHAP
	// HeaderDigest and DataDigest insist on CRC32C; without them there is none.
	HeaderDigest, DataDigest bool
	LUNs                     []scsi.LUN // the units, in their order
	IWARP                    bool       // iSER over iWARP instead of TCP
	// Device, if it is not nil, is that of RDMA which iSER goes over. Others may use it as well.
	Device rdma.Device
}

// An ISCSI is a [Client] that is a session of one connection.
type ISCSI struct {
	conn  *initiator.Conn
	raw   syscall.RawConn // nil on RDMA
	units []Unit
	luns  []scsi.LUN
	done  []*Job
}

// A command is what a job has at an ISCSI.
type command struct {
	initiator.Command
	cdb [16]byte
}

// setUp is how long logging in and looking at the units may take.
const setUp = 15 * time.Second

// DialISCSI logs in, ends the unit attentions of all units and asks for their sizes.
func DialISCSI(ctx context.Context, l Login) (*ISCSI, error) {
	w := initiator.DefaultLogin()
	w.MaxOutstandingR2T = 8
	if l.HeaderDigest {
		w.HeaderDigest = "CRC32C"
	}
	if l.DataDigest {
		w.DataDigest = "CRC32C"
	}
	ctx, cancel := context.WithTimeout(ctx, setUp)
	defer cancel()
	cfg := initiator.Config{
		InitiatorName: l.Initiator, TargetName: l.Target, ISID: l.ISID, Account: l.Account, Login: w,
	}
	var conn *initiator.Conn
	var err error
	switch {
	case l.Device != nil:
		conn, err = initiator.DialRDMA(ctx, l.Device, l.Address, cfg, initiator.RDMA{})
	case l.IWARP:
		conn, err = dialIWARP(ctx, l.Address, cfg)
	default:
		conn, err = initiator.Dial(ctx, l.Address, cfg)
	}
	if err != nil {
		return nil, err
	}
	c := &ISCSI{conn: conn, luns: l.LUNs}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	if tcp := conn.TCP(); tcp != nil {
		if c.raw, err = tcp.SyscallConn(); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	if p := conn.Params(); p.HeaderDigest != l.HeaderDigest || p.DataDigest != l.DataDigest {
		return nil, errors.Join(errors.New("the target does not agree to these digests"), conn.Close())
	}
	for _, lun := range l.LUNs {
		u, err := c.look(lun)
		if err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("LUN %v: %w", lun, err)
		}
		c.units = append(c.units, u)
	}
	return c, nil
}

// dialIWARP makes a connection that its worker serves itself, as it does one of TCP.
func dialIWARP(ctx context.Context, addr string, cfg initiator.Config) (*initiator.Conn, error) {
	e := &tcp.Inline{}
	d, err := iwarp.New(iwarp.Config{Engine: e}) // closing it has nothing to do
	if err != nil {
		return nil, err
	}
	return initiator.DialRDMA(ctx, d, addr, cfg, initiator.RDMA{Caller: e})
}

// openRoCE makes the device of all connections of a program: they share a UDP port.
func openRoCE() (*roce.Device, error) { return roce.New(roce.Config{Host: socket.New()}) }

// Units are the units of the login, in their order.
func (c *ISCSI) Units() []Unit { return c.units }

// LocalAddress is this side of the connection, as the target sees it: HOST:PORT.
func (c *ISCSI) LocalAddress() string { return c.conn.LocalAddr() }

// look waits until a unit is ready, and asks for its size.
func (c *ISCSI) look(lun scsi.LUN) (Unit, error) {
	return look(func(cdb, in []byte) (int, error) { return c.do(lun, cdb, in) })
}

// do executes one command; a status that is not GOOD is an error.
func (c *ISCSI) do(lun scsi.LUN, cdb, in []byte) (int, error) {
	r, err := c.conn.Do(lun, cdb, nil, in)
	if err != nil {
		return 0, err
	}
	return r.Received, status(r)
}

func status(r *initiator.Result) error {
	switch {
	case r.Status == scsi.CheckCondition && len(r.SenseData) > 0:
		return r.Sense()
	case r.Status != scsi.Good:
		return errors.New(r.Status.String())
	}
	return nil
}

// Submit implements [Client].
func (c *ISCSI) Submit(j *Job) error {
	k, ok := j.Link.(*command)
	if !ok {
		k = &command{}
		k.User, k.Attr = j, pdu.AttrSimple
		j.Link = k
	}
	k.LUN, k.In, k.Out = c.luns[j.Unit], j.Buf, nil
	if j.Write {
		k.In, k.Out = nil, j.Buf
	}
	k.CDB = j.cdb(k.cdb[:0], c.units[j.Unit].Block)
	return c.conn.Submit(&k.Command)
}

// Wait implements [Client].
func (c *ISCSI) Wait(limit time.Duration) ([]*Job, error) {
	var done []*initiator.Command
	var err error
	if limit == 0 {
		done, err = c.conn.Wait()
	} else if c.raw == nil {
		done, err = c.until(limit)
	} else if err = c.conn.Flush(); err == nil {
		if err = c.readable(limit); err == nil {
			done, err = c.conn.Poll()
		}
	}
	c.done = c.done[:0]
	for _, k := range done {
		j := k.User.(*Job)
		switch j.Err = k.Err; {
		case k.Err != nil:
		case k.Status != scsi.Good:
			j.Err = status(&k.Result)
		case k.Residual != 0 || k.Received != len(k.In):
			j.Err = errors.New("GOOD with a part of the data only")
		}
		c.done = append(c.done, j)
	}
	return c.done, err
}

// until waits for commands that end, for a time at most.
func (c *ISCSI) until(limit time.Duration) ([]*initiator.Command, error) {
	c.conn.SetDeadline(time.Now().Add(min(limit, 100*time.Millisecond)))
	defer c.conn.SetDeadline(time.Time{})
	done, err := c.conn.Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return done, err
}

// readable waits until something has arrived, for a time at most. A deadline of the
// connection would end what is being sent as well.
func (c *ISCSI) readable(limit time.Duration) error {
	t := unix.NsecToTimespec(int64(min(limit, 100*time.Millisecond)))
	var err error
	failed := c.raw.Control(func(fd uintptr) {
		_, err = unix.Ppoll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, &t, nil)
	})
	if errors.Is(err, unix.EINTR) {
		err = nil
	}
	return errors.Join(failed, err)
}

// Close closes the connection, without a logout.
func (c *ISCSI) Close() error { return c.conn.Close() }

// Logout ends the session in good order, and closes the connection.
func (c *ISCSI) Logout() error {
	c.conn.SetDeadline(time.Now().Add(5 * time.Second))
	_, err := c.conn.Logout(pdu.LogoutCloseSession, 0)
	_ = c.conn.Close() // it may be closed already
	return err
}
