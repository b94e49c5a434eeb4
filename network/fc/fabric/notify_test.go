package fabric

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// types registers FCP.
func types(t *testing.T, f *Fabric, y *yard, id fc.ID) {
	t.Helper()
	var x ct.Types
	x.Set(fc.TypeFCP)
	if _, err := ask(t, f, y, id, ct.Request{Command: ct.SetTypes, ID: id, Types: x}); err != nil {
		t.Error(err)
	}
}

// rscn reads a notification.
func rscn(t *testing.T, a fc.Frame) (ids []fc.ID) {
	t.Helper()
	x, err := els.ParseStateChange(a.Payload)
	if err != nil || a.S != fc.FabricController || a.RCtl != fc.RCtlELSRequest {
		t.Fatalf("%+v, %v", a, err)
	}
	for _, p := range x.Pages {
		ids = append(ids, p.ID)
	}
	return ids
}

// noted answers one.
func noted(f *Fabric, a fc.Frame) {
	r := frame(a.D, a.S, els.AppendAccept(nil))
	r.RCtl, r.OX, r.FCtl = fc.RCtlELSReply, a.OX, fc.FCtlReply
	f.Received(r)
}

func TestChanges(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		id, quiet := login(t, f, host), login(t, f, host+1)
		_ = quiet
		changes(t, f, y, id)
		in := attach(t, f, target)
		a := y.one(t)
		if ids := rscn(t, a); a.D != id || !slices.Equal(ids, []fc.ID{in.id}) {
			t.Errorf("%v to %v", ids, a.D)
		}
		// While it is not answered others wait, and it is sent again.
		two := attach(t, f, target+1)
		if n := len(y.take()); n != 0 {
			t.Errorf("%d notifications at a time", n)
		}
		time.Sleep(2 * time.Second)
		a = y.one(t)
		if ids := rscn(t, a); !slices.Equal(ids, []fc.ID{in.id, two.id}) {
			t.Error(ids)
		}
		noted(f, a)
		time.Sleep(time.Minute)
		if n := len(y.take()); n != 0 {
			t.Errorf("%d notifications of nothing", n)
		}
		// Zoning.
		f.Zone(zoning{{target, host}: true})
		a = y.one(t)
		if ids := rscn(t, a); !slices.Equal(ids, []fc.ID{in.id}) {
			t.Error(ids)
		}
		noted(f, a)
		in.Close() // which it does not see
		time.Sleep(time.Minute)
		if n := len(y.take()); n != 0 {
			t.Errorf("%d notifications of a port that is hidden", n)
		}
		f.Zone(nil)
		two.Close()
		a = y.one(t)
		if ids := rscn(t, a); !slices.Equal(ids, []fc.ID{two.id}) {
			t.Error(ids)
		}
		// Nobody answers: it is given up.
		sent := 1
		for range 10 {
			time.Sleep(2 * time.Second)
			sent += len(y.take())
		}
		if sent != maxTries {
			t.Errorf("sent %d times", sent)
		}
		// So many that they are all.
		var all []*local
		y.mu.Lock()
		y.stuck = true
		y.mu.Unlock()
		for i := range fc.Name(100) {
			all = append(all, attach(t, f, target+i))
		}
		y.mu.Lock()
		y.stuck = false
		y.mu.Unlock()
		y.Flush()
		y.take()
		time.Sleep(2 * time.Second)
		x, err := els.ParseStateChange(y.one(t).Payload)
		if err != nil || len(x.Pages) != 1 || x.Pages[0].Format != els.AffectedDomain {
			t.Errorf("%+v, %v", x, err)
		}
		for _, l := range all {
			l.Close()
		}
	})
}

// A port inside that has asked for it is told of hosts.
func TestChangesInside(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		in.Post(&fc.Sequence{
			Header: fc.Header{RCtl: fc.RCtlELSRequest, D: fc.FabricController, S: in.id, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: 5},
			Head:   els.Register{Function: els.RegisterFull}.Append(nil),
		})
		in.Flush()
		in.take()
		id := login(t, f, host)
		if n := len(in.take()); n != 0 {
			t.Errorf("%d notifications of a host that has not said what it is", n)
		}
		types(t, f, y, id)
		got := in.take()
		if len(got) != 1 || !slices.Equal(rscn(t, got[0]), []fc.ID{id}) {
			t.Fatalf("%+v", got)
		}
		in.Post(&fc.Sequence{Header: fc.Header{RCtl: fc.RCtlELSReply, D: fc.FabricController, S: in.id, Type: fc.TypeELS, FCtl: fc.FCtlReply, OX: got[0].OX}, Head: els.AppendAccept(nil)})
		in.Flush()
		f.Logout(id, errors.New("gone"))
		if n := len(in.take()); n != 0 {
			t.Errorf("%d notifications at once", n)
		}
		time.Sleep(pause)
		if got := in.take(); len(got) != 1 || !slices.Equal(rscn(t, got[0]), []fc.ID{id}) {
			t.Fatalf("%+v", got)
		}
	})
}
