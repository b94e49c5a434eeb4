package iser_test

import (
	"bytes"
	"testing"

	"go.uber.org/goleak"

	"github.com/lunette-io/lunette/network/rdma/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFirst(t *testing.T) {
	s := transporttest.StartISER(t, transporttest.ISER{Devices: transporttest.SimDevices(sim.New())}, iscsi.Config{}, nil)
	c := s.Dial(s.Config(1))
	data := bytes.Repeat([]byte("abcdefgh"), 64<<10/8)
	if r, err := c.Do(0, transporttest.CDB10(scsi.OpWrite10, 0, 128, transporttest.Later), data, nil); err != nil || r.Status != 0 {
		t.Fatal(r, err)
	}
	in := make([]byte, 64<<10)
	if r, err := c.Do(0, transporttest.CDB10(scsi.OpRead10, 0, 128, transporttest.Lend), nil, in); err != nil || r.Status != 0 || !bytes.Equal(in, data) {
		t.Fatal(r, err)
	}
	if r, err := c.Logout(pdu.LogoutCloseSession, 0); err != nil || r != pdu.LogoutSuccess {
		t.Fatal(r, err)
	}
}
