package iu

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/lunette-io/lunette/internal/golden"
	"github.com/lunette-io/lunette/scsi"
)

// What Linux's driver sends and reads.
const (
	seenRead  = "lun:0103402100000000 id:80d9a20400889fff attr:00 prio:00 crn:00 cdb:28+00*4+10+00*2+08+00*23"
	seenReset = "type:00000000 sub:05000000 lun:0100400000000000 id:00*8"
	seenAbort = "type:00000000 sub:00000000 lun:0107400100000000 id:80d9a20400889fff"
	seenEvent = "event:01000000 lun:0103000500000000 reason:01000000"
	seenSpace = "queues:01000000 seg:7e000000 sectors:ffff0000 perlun:80000000 event:10000000 sense:60000000 cdb:20000000 channel:0000 target:ff00 lun:ff3f0000"
)

// Made from the tables of the standard.
const (
	madeCheck  = "senselen:12000000 resid:00020000 qualifier:3412 status:02 response:00 sense:700006000000000a0000000029+00*83"
	madeGood   = "senselen:00000000 resid:00000000 qualifier:0000 status:00 response:00 sense:00*96"
	madeBad    = "senselen:00000000 resid:00000000 qualifier:0000 status:00 response:03 sense:00*96"
	madeTask   = "lun:01ffc10100000000 id:0100000000000000 attr:02 prio:05 crn:09 cdb:a0+00*30+7f"
	madeQuery  = "type:01000000 lun:0100400000000000 events:5e000000"
	madeWanted = "type:02000000 lun:0100400000000000 events:02000000"
	madeAnswer = "events:02000000 response:0a"
	madeMissed = "event:03000080 lun:0100410000000000 reason:2a090000"
)

// appended is what each structure appends.
type appended interface{ Append(dst []byte) []byte }

// both holds a value against the bytes of the wire, both ways.
func both[T any](t *testing.T, parse func([]byte) (T, error), x T, vector string) {
	t.Helper()
	want := golden.Bytes(t, vector)
	got, err := parse(want)
	if err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("parsed %+v, %v\nwant   %+v", got, err, x)
	}
	a, ok := any(x).(appended)
	if !ok {
		a = any(&x).(appended)
	}
	if b := a.Append([]byte{9})[1:]; !bytes.Equal(b, want) {
		t.Errorf("appended\n%x\nwant\n%x", b, want)
	}
	for n := range want { // every byte of it counts
		if _, err := parse(want[:n:n]); err != ErrShort {
			t.Errorf("%d of %d bytes are enough: %v", n, len(want), err)
			break
		}
	}
	if got, err := parse(append(want[:len(want):len(want)], 1, 2, 3)); err != nil || !reflect.DeepEqual(got, x) {
		t.Errorf("with bytes behind it: %+v, %v", got, err)
	}
}

func TestRequest(t *testing.T) {
	both(t, ParseRequest, Request{Address: Address{1, 3, 0x40, 0x21}, ID: 0xff9f880004a2d980, CDB: [32]byte{0x28, 5: 0x10, 8: 8}}, seenRead)
	both(t, ParseRequest, Request{
		Address: Address{1, 255, 0xc1, 1}, ID: 1, Attr: AttrHeadOfQueue, Priority: 5, CRN: 9, CDB: [32]byte{0xa0, 31: 0x7f},
	}, madeTask)
}

func TestResponse(t *testing.T) {
	both(t, ParseResponse, Response{}, madeGood)
	both(t, ParseResponse, Response{Code: CodeBadTarget}, madeBad)
	both(t, ParseResponse, Response{
		Status: 2, Qualifier: 0x1234, Residual: 512, Sense: golden.Bytes(t, "sense:700006000000000a0000000029+00*5"),
	}, madeCheck)
	b := golden.Bytes(t, madeGood)
	b[0] = SenseLen + 1
	if _, err := ParseResponse(b); err != ErrSense {
		t.Error(err)
	}
	long := Response{Sense: bytes.Repeat([]byte{7}, 300)}
	if b := long.Append(nil); len(b) != ResponseLen || b[0] != SenseLen || b[ResponseLen-1] != 7 {
		t.Errorf("%x", b)
	}
	for c := range Code(14) {
		if c.String() == "" {
			t.Errorf("%d", c)
		}
	}
}

func TestManagement(t *testing.T) {
	both(t, ParseManagement, Management{Function: UnitReset, Address: Address{1, 0, 0x40}}, seenReset)
	both(t, ParseManagement, Management{Function: AbortTask, Address: Address{1, 7, 0x40, 1}, ID: 0xff9f880004a2d980}, seenAbort)
	for f, want := range map[Function]string{
		AbortTask: "ABORT TASK", ClearACA: "CLEAR ACA", NexusReset: "I_T NEXUS RESET", QueryTaskSet: "QUERY TASK SET",
		8: "task management function 8", 1<<32 - 1: "task management function 4294967295",
	} {
		if f.String() != want {
			t.Errorf("%v, want %s", f, want)
		}
	}
}

func TestControl(t *testing.T) {
	for vector, want := range map[string]uint32{seenReset: ControlManagement, madeQuery: ControlQuery, madeWanted: ControlSubscribe} {
		if got, err := ParseControl(golden.Bytes(t, vector)); err != nil || got != want {
			t.Errorf("%d, %v", got, err)
		}
	}
	if _, err := ParseControl(make([]byte, 3)); err != ErrShort {
		t.Error(err)
	}
}

func TestNotification(t *testing.T) {
	both(t, ParseNotification, Notification{Address: Address{1, 0, 0x40}, Events: 0x5e}, madeQuery)
	both(t, ParseNotification, Notification{Subscribe: true, Address: Address{1, 0, 0x40}, Events: 2}, madeWanted)
	both(t, ParseNotified, Notified{2, CodeSucceeded}, madeAnswer)
}

func TestEvent(t *testing.T) {
	both(t, ParseEvent, Event{Kind: EventTransportReset, Address: EventAddress(3, 5<<48), Reason: ResetRescan}, seenEvent)
	both(t, ParseEvent, Event{Kind: EventParamChange, Missed: true, Address: EventAddress(0, 0x4100<<48), Reason: ParamChange(scsi.ASCCapacityDataChanged)}, madeMissed)
	for k := range EventKind(5) {
		if k.String() == "" {
			t.Errorf("%d", k)
		}
	}
}

func TestConfig(t *testing.T) {
	both(t, ParseConfig, Config{
		Queues: 1, Segments: 126, Sectors: 65535, PerUnit: 128, EventSize: EventLen, SenseSize: SenseLen, CDBSize: CDBLen,
		MaxTarget: 255, MaxLUN: MaxLUN,
	}, seenSpace)
}

// TestAddress: drivers write the numbers of units with flat space addressing, and read those below 256 without.
func TestAddress(t *testing.T) {
	lun := func(n uint32) scsi.LUN {
		l, err := scsi.FlatLUN(n)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, c := range []struct {
		target         uint8
		lun            scsi.LUN
		request, event Address
		name           string
	}{
		{0, lun(0), Address{1, 0, 0x40, 0}, Address{1}, "0/0"},
		{7, lun(255), Address{1, 7, 0x40, 255}, Address{1, 7, 0, 255}, "7/255"},
		{255, lun(256), Address{1, 255, 0x41, 0}, Address{1, 255, 0x41, 0}, "255/256"},
		{1, lun(MaxLUN), Address{1, 1, 0x7f, 255}, Address{1, 1, 0x7f, 255}, "1/16383"},
		{2, scsi.WellKnownReportLUNs, Address{1, 2, 0xc1, 1}, Address{1, 2, 0xc1, 1}, "2/0xc101000000000000"},
	} {
		if a := UnitAddress(c.target, c.lun); a != c.request || a.String() != c.name {
			t.Errorf("%v is %x, want %x", a, a[:], c.request[:])
		}
		if a := EventAddress(c.target, c.lun); a != c.event {
			t.Errorf("%v is %x in an event, want %x", a, a[:], c.event[:])
		}
		for _, a := range []Address{c.request, c.event} {
			if target, l, ok := a.Unit(); !ok || target != c.target || l != c.lun {
				t.Errorf("%x is %d/%v %v", a[:], target, l, ok)
			}
		}
	}
	for _, a := range []Address{{}, {0, 0, 0x40}, {2, 0, 0x40}, {0xc1, 1}, {1, 0, 0x40, 0, 1}, {1, 0, 0xd2}, {1, 0, 0, 0, 0, 0, 0, 1}} {
		if _, _, ok := a.Unit(); ok || len(a.String()) != 16 {
			t.Errorf("%x addresses a unit", a[:])
		}
	}
}

// TestNoAllocation: reading and writing allocates nothing, right or wrong.
func TestNoAllocation(t *testing.T) {
	request, response, tmf := golden.Bytes(t, seenRead), golden.Bytes(t, madeCheck), golden.Bytes(t, seenReset)
	query, event, space := golden.Bytes(t, madeQuery), golden.Bytes(t, seenEvent), golden.Bytes(t, seenSpace)
	out := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		for _, cut := range []int{0, 1} {
			a, err1 := ParseRequest(request[:len(request)-cut])
			b, err2 := ParseResponse(response[:len(response)-cut])
			c, err3 := ParseManagement(tmf[:len(tmf)-cut])
			d, err4 := ParseNotification(query[:len(query)-cut])
			e, err5 := ParseEvent(event[:len(event)-cut])
			f, err6 := ParseConfig(space[:len(space)-cut])
			for _, err := range [...]error{err1, err2, err3, err4, err5, err6} {
				if (err != nil) != (cut != 0) {
					panic("not as expected")
				}
			}
			out = a.Append(b.Append(c.Append(d.Append(e.Append(f.Append(out[:0]))))))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
