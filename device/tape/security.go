package tape

import (
	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/encryption"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// securityIn is SECURITY PROTOCOL IN (SPC-5 6.40): which protocols there are, and tape data encryption.
func (d *Drive) securityIn(t *target.Task) {
	c, err := cdb.ParseSecurityProtocol(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Inc512:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 7))
	case c.Protocol == cdb.ProtocolInformation && c.Specific == 0:
		d.Reply(t, page.AppendSecurityProtocols(nil, cdb.ProtocolInformation, cdb.ProtocolDataEncryption), c.Length)
	case c.Protocol == cdb.ProtocolInformation && c.Specific == 1:
		d.Reply(t, page.AppendCertificate(nil), c.Length)
	case c.Protocol == cdb.ProtocolInformation:
		d.Fail(t, scsi.InvalidFieldInCDB(2, -1))
	case c.Protocol != cdb.ProtocolDataEncryption:
		d.Fail(t, scsi.InvalidFieldInCDB(1, -1))
	case c.Specific == page.EncryptionNextBlock:
		if why, ok := d.ready(t.ITL()); !ok {
			d.Fail(t, why)
			return
		}
		d.inTurn(t, d.securityInTurn)
	default:
		d.answerSecurity(t, c, func() (encryption.Next, error) { return encryption.Next{Loaded: d.look().density != 0}, nil })
	}
}

// securityInTurn is securityIn for what depends on where the head is.
func (d *Drive) securityInTurn(t *target.Task) {
	c, _ := cdb.ParseSecurityProtocol(t.CDB)
	if why, ok := d.ready(t.ITL()); !ok { // it has left since
		d.Fail(t, why)
		return
	}
	if !d.settled(t) {
		return
	}
	k := &d.cartridge
	o, err := k.head.Next(t.Context())
	if err != nil {
		d.FailWith(t, d.readError(err))
		return
	}
	d.answerSecurity(t, c, func() (encryption.Next, error) {
		return encryption.Next{Loaded: true, Known: true, Object: o, Number: k.head.Position().Object}, nil
	})
}

func (d *Drive) answerSecurity(t *target.Task, c cdb.SecurityProtocol, next func() (encryption.Next, error)) {
	data, err := d.pages.keys.In(t.ITL(), c.Specific, next)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	d.Reply(t, data, c.Length)
}

// securityOut is SECURITY PROTOCOL OUT (SPC-5 6.41).
func (d *Drive) securityOut(t *target.Task) {
	c, err := cdb.ParseSecurityProtocol(t.CDB)
	switch {
	case err != nil:
		d.FailWith(t, err)
	case c.Inc512:
		d.Fail(t, scsi.InvalidFieldInCDB(4, 7))
	case c.Protocol != cdb.ProtocolDataEncryption:
		d.Fail(t, scsi.InvalidFieldInCDB(1, -1))
	case c.Specific != page.EncryptionSetPage:
		d.Fail(t, scsi.InvalidFieldInCDB(2, -1))
	case c.Length == 0:
		d.Good(t)
	case c.Length > maxParameterList:
		d.Fail(t, scsi.InvalidFieldInCDB(6, -1))
	case int64(c.Length) > t.HaveOut:
		d.Fail(t, scsi.ParameterListLengthError())
	default:
		t.ReceiveDataOut(0, int64(c.Length), d.securityReceived)
	}
}

// securityReceived takes l, which has a key in it: neither l nor what is made of it keeps that.
func (d *Drive) securityReceived(t *target.Task, l *buffer.Lease, err error) {
	if err != nil {
		d.FailWith(t, err)
		return
	}
	c, _ := cdb.ParseSecurityProtocol(t.CDB)
	list := make([]byte, c.Length)
	l.Read(0, list)
	l.Clear(0, l.Len())
	l.Release()
	err = d.pages.keys.Out(t.ITL(), c.Specific, list)
	clear(list)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	d.Used(t, len(list))
}

var _ keys = (*encryption.Keys)(nil)
