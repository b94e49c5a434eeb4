package cdb_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

func TestUnmapList(t *testing.T) {
	ranges := []cdb.UnmapRange{{LBA: 1, Blocks: 2}, {LBA: 1 << 40, Blocks: 1<<32 - 1}}
	wire := cdb.AppendUnmapList(nil, ranges...)
	if want := unhex(t, "0026 0020 00000000 0000000000000001 00000002 00000000 0000010000000000 ffffffff 00000000"); !bytes.Equal(wire, want) {
		t.Errorf("built %x", wire)
	}
	l, err := cdb.ParseUnmapList(wire)
	if err != nil || l.Len() != 2 || l.Offset(1) != 24 {
		t.Fatal(l, err)
	}
	var got []cdb.UnmapRange
	for i, r := range l.All() {
		if r != l.At(i) {
			t.Errorf("range %d: %v and %v", i, r, l.At(i))
		}
		got = append(got, r)
	}
	if !slices.Equal(got, ranges) {
		t.Errorf("got %v", got)
	}
	for _, c := range []struct {
		list string
		n    int
		err  error
	}{
		{"", 0, nil},
		{"0006 0000 00000000", 0, nil},
		{"0006 0000 000000", 0, scsi.ParameterListLengthError()},
		{"0016 0010 00000000 0000000000000001 000000", 0, scsi.ParameterListLengthError()},
		{"0002 0010 00000000 0000000000000001 00000001 00000000", 0, scsi.InvalidFieldInParameterList(0, -1)},
		{"0017 0011 00000000 0000000000000001 00000001 00000000 ff", 1, nil}, // the cut descriptor is ignored
	} {
		l, err := cdb.ParseUnmapList(unhex(t, c.list))
		if err != c.err || l.Len() != c.n {
			t.Errorf("%s: %d ranges, %v", c.list, l.Len(), err)
		}
	}
}

func FuzzUnmapList(f *testing.F) {
	f.Add(cdb.AppendUnmapList(nil, cdb.UnmapRange{LBA: 1, Blocks: 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := cdb.ParseUnmapList(b)
		if err != nil {
			return
		}
		n := 0
		for range l.All() {
			n++
		}
		if n != l.Len() || n > len(b)/16 {
			t.Fatalf("%d ranges in %d bytes", n, len(b))
		}
	})
}

func TestPersistentList(t *testing.T) {
	port := scsi.ISCSIPort("iqn.2026-11.io.lunette:a", [6]byte{0, 2, 0x3d, 0, 0, 1})
	for _, p := range []cdb.PersistentList{
		{Key: 1, ActionKey: 2, Persist: true},
		{ActionKey: 2, AllPorts: true, SpecifyPorts: true},
		{ActionKey: 2, SpecifyPorts: true, Ports: []scsi.TransportID{port, scsi.FCPPort([8]byte{1})}},
	} {
		got, err := cdb.ParsePersistentList(p.Append(nil))
		if err != nil || !reflect.DeepEqual(got, p) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, p)
		}
	}
	basic := unhex(t, "0000000000000001 0000000000000002 00000000 0d 000000 00000000")
	if got, err := cdb.ParsePersistentList(basic); err != nil || !got.SpecifyPorts || !got.AllPorts || !got.Persist || got.Key != 1 || got.ActionKey != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	many := cdb.PersistentList{SpecifyPorts: true, Ports: make([]scsi.TransportID, cdb.MaxPorts+1)}
	for i := range many.Ports {
		many.Ports[i] = port
	}
	broken := cdb.PersistentList{SpecifyPorts: true, Ports: []scsi.TransportID{port, port}}.Append(nil)
	broken[28+port.Len()] = 0x8f
	for _, c := range []struct {
		name string
		list []byte
		want scsi.Sense
	}{
		{"short", make([]byte, 23), scsi.ParameterListLengthError()},
		{"long without SPEC_I_PT", make([]byte, 25), scsi.ParameterListLengthError()},
		{"no TransportID length", basic[:24], scsi.ParameterListLengthError()},
		{"bytes past the TransportIDs", append(basic[:28:28], 1), scsi.ParameterListLengthError()},
		{"bad TransportID", broken, scsi.InvalidFieldInParameterList(28+port.Len(), -1)},
		{"too many", many.Append(nil), scsi.IllegalRequest(scsi.ASCInsufficientRegistrationResources)},
	} {
		if _, err := cdb.ParsePersistentList(c.list); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestMoveList(t *testing.T) {
	m := cdb.MoveList{Key: 1, ActionKey: 2, Unregister: true, Persist: true, RelativePort: 3, Port: scsi.ISCSIDevice("iqn.x")}
	wire := m.Append(nil)
	if want := unhex(t, "0000000000000001 0000000000000002 00 03 0003 00000018"); !bytes.Equal(wire[:24], want) {
		t.Errorf("built %x", wire)
	}
	if got, err := cdb.ParseMoveList(wire); err != nil || got != m {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := cdb.ParseMoveList(wire[:23]); err != scsi.ParameterListLengthError() {
		t.Error(err)
	}
	if _, err := cdb.ParseMoveList(append(wire, 0)); err != scsi.InvalidFieldInParameterList(20, -1) {
		t.Error(err)
	}
}

func FuzzPersistentOutLists(f *testing.F) {
	id := scsi.ISCSIDevice("iqn.x")
	f.Add(cdb.PersistentList{SpecifyPorts: true, Ports: []scsi.TransportID{id}}.Append(nil))
	f.Add(cdb.MoveList{Port: id}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s scsi.Sense
		p, err := cdb.ParsePersistentList(b)
		if err != nil && !errors.As(err, &s) {
			t.Fatal(err)
		}
		if err == nil {
			if back, err := cdb.ParsePersistentList(p.Append(nil)); err != nil || !reflect.DeepEqual(back, p) {
				t.Fatalf("%+v becomes %+v, %v", p, back, err)
			}
		}
		m, err := cdb.ParseMoveList(b)
		if err != nil && !errors.As(err, &s) {
			t.Fatal(err)
		}
		if err == nil {
			if back, err := cdb.ParseMoveList(m.Append(nil)); err != nil || back != m {
				t.Fatalf("%+v becomes %+v, %v", m, back, err)
			}
		}
	})
}
