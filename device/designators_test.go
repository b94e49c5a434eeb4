package device_test

import (
	"bytes"
	"testing"

	"github.com/lunette-io/lunette/device"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A port that has a worldwide name is known by it, as a number and as a SCSI name string; others have no such number.
func TestPortNames(t *testing.T) {
	tgt, err := target.NewTarget("iqn.2026-11.io.lunette:t")
	if err != nil {
		t.Fatal(err)
	}
	id := scsi.Identity{Vendor: "lunette", Product: "x", Serial: "1", NAA: scsi.NAA6("1")}
	for _, x := range []struct {
		name     string
		protocol scsi.Protocol
		naa      []byte
	}{
		{"naa.2001020000000001", scsi.ProtocolFCP, []byte{0x20, 1, 2, 0, 0, 0, 0, 1}},
		{"naa.200102000000000x", scsi.ProtocolFCP, nil},
		{"iqn.2026-11.io.lunette:t,t,0x0001", scsi.ProtocolISCSI, nil},
		{"0x00000000000000010000000000000002", scsi.ProtocolSRP, nil},
	} {
		port, err := tgt.AddPort(target.PortConfig{Protocol: x.protocol, Name: x.name})
		if err != nil {
			t.Fatal(err)
		}
		var naa []byte
		text := false
		for _, d := range device.Designators(id, port) {
			if d.Association != page.OfPort {
				continue
			}
			if !d.PortOf || d.Protocol != x.protocol {
				t.Errorf("%s: %+v is of protocol %v", x.name, d, d.Protocol)
			}
			switch d.Type {
			case page.DesignatorNAA:
				naa = d.Data
			case page.DesignatorSCSIName:
				text = string(bytes.TrimRight(d.Data, "\x00")) == x.name
			}
		}
		if !bytes.Equal(naa, x.naa) || text != (x.protocol != scsi.ProtocolSRP) {
			t.Errorf("%s: the number is %x, and the name there: %v", x.name, naa, text)
		}
	}
}
