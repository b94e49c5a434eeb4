package bench

import (
	"context"
	"errors"

	"github.com/lunette-io/lunette/network/rdma"
	"github.com/lunette-io/lunette/network/rdma/roce"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// sessions are the sessions of a Run by iSCSI.
type sessions struct {
	all    []*ISCSI
	device *roce.Device // nil: no connection is over RoCE
}

// openISCSI logs in to the unit lun, by as many sessions as are wanted, with ISIDs that begin with id.
func (r *Run) openISCSI(ctx context.Context, lun scsi.LUN, id [3]byte) error {
	cfg := &r.cfg
	account, err := cfg.account()
	if err != nil {
		return err
	}
	s := &sessions{}
	r.reach = s
	var device rdma.Device
	if cfg.URL.Provider == roceName {
		if s.device, err = openRoCE(); err != nil {
			return err
		}
		device = s.device
	}
	for i := range cfg.Connections {
		c, err := DialISCSI(ctx, Login{
			IWARP: cfg.URL.Provider == iwarpName, Device: device, Address: cfg.URL.Address(), Target: cfg.URL.Target, Initiator: cfg.Initiator, Account: account,
			ISID: pdu.ISID{0x80, id[0], id[1], id[2], byte(i >> 8), byte(i)}, LUNs: []scsi.LUN{lun},
			HeaderDigest: cfg.HeaderDigest, DataDigest: cfg.DataDigest,
		})
		if err != nil {
			return err
		}
		s.all = append(s.all, c)
		r.clients = append(r.clients, c)
	}
	r.unit = s.all[0].Units()[0]
	return nil
}

func (s *sessions) addresses() []string {
	var all []string
	for _, c := range s.all {
		all = append(all, c.LocalAddress())
	}
	return all
}

func (s *sessions) wakes() (Wakes, bool) { return Wakes{}, false }

func (s *sessions) close(well bool) error {
	var errs []error
	for _, c := range s.all {
		if well {
			errs = append(errs, c.Logout())
		} else {
			_ = c.Close() // it may be closed already
		}
	}
	if s.device != nil {
		errs = append(errs, s.device.Close())
	}
	return errors.Join(errs...)
}

// An attachment is that of a Run by vhost-user.
type attachment struct{ *VHost }

// openVHost attaches to the unit lun, with as many request queues as there are to be connections.
func (r *Run) openVHost(ctx context.Context, lun scsi.LUN) error {
	cfg := &r.cfg
	v, err := DialVHost(ctx, VHostLogin{
		Rings: cfg.URL.Rings, Units: []VHostUnit{{cfg.URL.Number, lun}}, Queues: cfg.Connections, Depth: cfg.Depth, Memory: int64(cfg.Size) * int64(cfg.Depth) * int64(cfg.Connections),
	})
	if err != nil {
		return err
	}
	r.reach, r.clients, r.unit = attachment{v}, v.Clients(), v.Units()[0]
	return nil
}

func (a attachment) addresses() []string { return []string{a.Address()} }

func (a attachment) wakes() (Wakes, bool) { return a.Wakes(), true }

func (a attachment) close(well bool) error {
	if !well {
		a.conn.Abandon()
	}
	return a.Close()
}
