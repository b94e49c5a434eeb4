package daemon

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/lunette-io/lunette/agent/client"
	initiator "github.com/lunette-io/lunette/initiator/iscsi"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// What data comes unasked is what the document says, over TCP and over RDMA alike. The initiator
// wants as much as there may be.
func TestUnasked(t *testing.T) {
	type agreed struct {
		initial, immediate bool
		first              uint32
	}
	for _, x := range []struct {
		iscsi     string
		tcp, iser agreed
		placed    int64 // of 64 KiB that are written over RDMA, what is read: the initiator sends segments of 8 KiB
	}{
		{"{}", agreed{false, true, 256 << 10}, agreed{true, true, 16 << 10}, 56 << 10},
		{"{initial-r2t: no}", agreed{false, true, 256 << 10}, agreed{false, true, 256 << 10}, 0},
		{"{initial-r2t: no, first-burst: 20K}", agreed{false, true, 20 << 10}, agreed{false, true, 20 << 10}, 44 << 10},
		{"{initial-r2t: no, immediate-data: no, first-burst: 20K}", agreed{false, false, 20 << 10}, agreed{false, false, 20 << 10}, 44 << 10},
		{"{initial-r2t: yes, first-burst: 4K}", agreed{true, true, 4 << 10}, agreed{true, true, 4 << 10}, 60 << 10},
		{"{initial-r2t: yes, immediate-data: no}", agreed{true, false, 0}, agreed{true, false, 0}, 64 << 10},
	} {
		t.Run(x.iscsi, func(t *testing.T) {
			t.Chdir(t.TempDir())
			d := start(t, fmt.Sprintf(`version: 1
units: [{name: m, store: {kind: memory, size: 1M}}]
targets: [{name: "%s", luns: {0: m}}]
portals: ["127.0.0.1:0", "iser+iwarp://127.0.0.1:0"]
limits: {stop-timeout: 1s}
iscsi: %s
`, disks, x.iscsi))
			defer func() {
				if err := d.Stop(context.Background()); err != nil {
					t.Error(err)
				}
			}()
			check := func(c *initiator.Conn, want agreed) {
				t.Helper()
				p := c.Params()
				got := agreed{p.InitialR2T, p.ImmediateData, p.FirstBurstLength}
				if want.first == 0 {
					got.first = 0 // the key is irrelevant
				}
				if got != want {
					t.Errorf("%+v instead of %+v", got, want)
				}
				data, back := bytes.Repeat([]byte("unasked!"), 8<<10), make([]byte, 64<<10)
				for _, k := range []*initiator.Command{
					{CDB: []byte{byte(scsi.OpTestUnitReady), 5: 0}}, // takes the unit attention
					{CDB: []byte{byte(scsi.OpWrite10), 8: 128, 9: 0}, Out: data},
					{CDB: []byte{byte(scsi.OpRead10), 8: 128, 9: 0}, In: back},
				} {
					if r, err := c.Do(0, k.CDB, k.Out, k.In); err != nil || (len(k.CDB) > 6 && r.Status != scsi.Good) {
						t.Fatal(err, r)
					}
				}
				if !bytes.Equal(data, back) {
					t.Error("another block is read than was written")
				}
			}
			cfg := initiator.Config{InitiatorName: me, TargetName: disks, ISID: pdu.ISID{0x80, 1}}
			c, err := dial(t, d, cfg)
			if err != nil {
				t.Fatal(err)
			}
			check(c, x.tcp)
			_ = c.Close()

			cfg.ISID = pdu.ISID{0x80, 2}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			c, err = initiator.DialRDMA(ctx, peer(t), d.portals.load()[1].Addr(), cfg, initiator.RDMA{})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			check(c, x.iser)
			all, err := client.New(d.opts.Socket).Sessions(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			placed := int64(0)
			for _, s := range all {
				for _, n := range s.Connections {
					placed += n.Placed
				}
			}
			if placed != x.placed {
				t.Errorf("%d bytes were read from the initiator's memory, want %d", placed, x.placed)
			}
		})
	}
}
