package iu

import (
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
)

// again reads what a value becomes, and wants the value.
func again[T any](t *testing.T, parse func([]byte) (T, error), b []byte) {
	x, err := parse(b)
	if err != nil {
		return
	}
	a, ok := any(x).(appended)
	if !ok {
		a = any(&x).(appended)
	}
	y, err := parse(a.Append(nil))
	if err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("%x is %+v, and that is %+v, %v", b, x, y, err)
	}
}

// seed adds vectors.
func seed(f *testing.F, vectors ...string) {
	for _, s := range vectors {
		f.Add(golden.Bytes(f, s))
	}
}

func FuzzRequest(f *testing.F) {
	seed(f, seenRead, madeTask)
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseRequest, b) })
}

func FuzzResponse(f *testing.F) {
	seed(f, madeCheck, madeGood, madeBad)
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, ParseResponse, b)
		if x, err := ParseResponse(b); err == nil && (len(x.Sense) > SenseLen || x.Code.String() == "") {
			t.Fatalf("%+v", x)
		}
	})
}

func FuzzManagement(f *testing.F) {
	seed(f, seenReset, seenAbort)
	f.Fuzz(func(t *testing.T, b []byte) {
		again(t, ParseManagement, b)
		if x, err := ParseManagement(b); err == nil && x.Function.String() == "" {
			t.Fatalf("%+v", x)
		}
	})
}

func FuzzNotification(f *testing.F) {
	seed(f, madeQuery, madeWanted)
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseNotification, b) })
}

func FuzzNotified(f *testing.F) {
	seed(f, madeAnswer)
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseNotified, b) })
}

func FuzzEvent(f *testing.F) {
	seed(f, seenEvent, madeMissed)
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseEvent, b) })
}

func FuzzConfig(f *testing.F) {
	seed(f, seenSpace)
	f.Fuzz(func(t *testing.T, b []byte) { again(t, ParseConfig, b) })
}

// FuzzAddress: an address that a unit has is one of the two that its target and LUN have.
func FuzzAddress(f *testing.F) {
	f.Add([]byte{1, 3, 0x40, 0x21, 0, 0, 0, 0})
	f.Add([]byte{1, 255, 0xc1, 1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) < AddressLen {
			return
		}
		a := Address(b)
		target, lun, ok := a.Unit()
		if ok && a != UnitAddress(target, lun) && a != EventAddress(target, lun) {
			t.Fatalf("%x is %v, which is %v", b, a, UnitAddress(target, lun))
		}
	})
}
