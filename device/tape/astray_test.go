package tape_test

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// Who was writing when the medium was changed, or the drive made anew, does not end what is on it by the filemark with which
// a host closes its file: it has to look first.
func TestAstray(t *testing.T) {
	changed, positioning := scsi.UnitAttention(scsi.ASCMediumMayHaveChanged), sense(scsi.KeyMediumError, scsi.ASCSequentialPositioningError)
	erase := cdb.Erase{}.Append(nil)
	for name, look := range map[string][]byte{
		"opens it": ready(), "rewinds": rewind(), "locates": locate(0), "asks where it is": cdb.ReadPosition{}.Append(nil), "loads": cdb.LoadUnload{Load: true}.Append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			b := loaded(t, 100<<20, nil)
			other := b.login(2, loopback.Options{})
			full := cartridge(100<<20, nil)
			b.good(writeCDB(10), block(1, 10), 0)
			b.good(marks(1), nil, 0)
			m, err := b.d.Unload(t.Context(), true)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.d.Load(t.Context(), full); err != nil {
				t.Fatal(err)
			}
			b.ends(writeCDB(10), block(2, 10), 0, changed, 10)
			b.ends(writeCDB(10), block(2, 10), 0, positioning, 10)
			b.ends(marks(1), nil, 0, positioning, 0)
			b.ends(erase, nil, 0, positioning, 0)
			b.ends([]byte{3, 0, 0, 0, 18, 0}, nil, 18, scsi.Sense{}, 0)
			b.ends(marks(1), nil, 0, positioning, 0)
			// Another initiator has heard of it as those do who open a drive.
			b.calm(other)
			if r := b.on(other, marks(2), nil, 0); r.Err() != nil {
				t.Error(r.Err())
			}
			if r := b.on(other, rewind(), nil, 0); r.Err() != nil {
				t.Error(r.Err())
			}
			b.do(look, nil, 20)
			b.good(marks(1), nil, 0)
			if err := m.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	// A nexus that the drive has not heard of may be one of before a restart.
	b := loaded(t, 100<<20, nil)
	s := loopback.Login(b.port, b.initiator(3), loopback.Options{Arena: b.arena})
	b.all = append(b.all, s)
	for _, want := range []scsi.Sense{scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset), positioning} {
		if r := b.on(s, marks(1), nil, 0); r.Sense != want {
			t.Errorf("%v, want %v", r.Sense, want)
		}
	}
	b.on(s, ready(), nil, 0)
	if r := b.on(s, marks(1), nil, 0); r.Err() != nil {
		t.Error(r.Err())
	}
	// A reset leaves the medium where it is.
	if r := s.Manage(target.ResetLogicalUnit, 0, 0); r != target.FunctionComplete {
		t.Fatal(r)
	}
	for _, want := range []scsi.Sense{scsi.UnitAttention(scsi.ASCPowerOnResetOrBusDeviceReset), {}} {
		if r := b.on(s, marks(1), nil, 0); r.Sense != want {
			t.Errorf("%v, want %v", r.Sense, want)
		}
	}
}
