package cdb_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
)

func TestAttributeList(t *testing.T) {
	wire := cdb.AppendAttributes(nil,
		cdb.Attribute{ID: 0x800, Format: cdb.AttributeASCII, Value: []byte("LUNETTE ")},
		cdb.Attribute{ID: 0x806, ReadOnly: true, Format: cdb.AttributeASCII})
	if want := unhex(t, "00000012 0800 01 0008 4c554e4554544520 0806 81 0000"); !bytes.Equal(wire, want) {
		t.Errorf("built %x", wire)
	}
	l, err := cdb.ParseAttributeList(wire)
	if err != nil {
		t.Fatal(err)
	}
	var all []cdb.Attribute
	for a := range l.All() {
		all = append(all, a)
	}
	if len(all) != 2 || string(all[0].Value) != "LUNETTE " || all[0].Offset != 4 || !all[1].ReadOnly || all[1].Offset != 17 || len(all[1].Value) != 0 {
		t.Errorf("%+v", all)
	}
	for _, c := range []struct {
		list string
		want error
	}{
		{"000000", scsi.ParameterListLengthError()},
		{"00000005", scsi.InvalidFieldInParameterList(0, -1)},
		{"00000004 0800 0100", scsi.ParameterListLengthError()},
		{"00000006 0800 01 0002 20", scsi.ParameterListLengthError()},
		{"0000000a 0801 01 0000 0801 01 0000", scsi.InvalidFieldInParameterList(9, -1)},
		{"0000000a 0801 01 0000 0800 01 0000", scsi.InvalidFieldInParameterList(9, -1)},
		{"00000000", nil},
	} {
		if _, err := cdb.ParseAttributeList(unhex(t, c.list)); err != c.want {
			t.Errorf("%s: %v, want %v", c.list, err, c.want)
		}
	}
}

func TestTimestampList(t *testing.T) {
	wire := cdb.AppendTimestampList(nil, 0x010203040506)
	if want := unhex(t, "00000000 010203040506 0000"); !bytes.Equal(wire, want) {
		t.Errorf("built %x", wire)
	}
	if ms, err := cdb.ParseTimestampList(wire); ms != 0x010203040506 || err != nil {
		t.Errorf("%x, %v", ms, err)
	}
	if _, err := cdb.ParseTimestampList(wire[:11]); err != scsi.ParameterListLengthError() {
		t.Error(err)
	}
}

func FuzzAttributeList(f *testing.F) {
	f.Add(cdb.AppendAttributes(nil, cdb.Attribute{ID: 1, Value: []byte{1}}, cdb.Attribute{ID: 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = cdb.ParseTimestampList(b)
		l, err := cdb.ParseAttributeList(b)
		if err != nil {
			if s := (scsi.Sense{}); !errors.As(err, &s) {
				t.Fatal(err)
			}
			return
		}
		last := -1
		for a := range l.All() {
			if int(a.ID) <= last || a.Offset+5+len(a.Value) > len(b) {
				t.Fatalf("%+v in %x", a, b)
			}
			last = int(a.ID)
		}
	})
}
