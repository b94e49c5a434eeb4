package fabric

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
)

// A port has the same address each time, in its own part of the domain; LS_ACC says what the fabric is.
func TestLogin(t *testing.T) {
	with(t, Config{Domain: 7, MaxPayload: 1452, ErrorDetect: 3 * time.Second, ResourceAllocation: 11 * time.Second}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		g, err := f.Login(flogi(host), 1)
		if err != nil {
			t.Fatal(err)
		}
		if in.id != 0x070001 || g.ID != 0x070100 || len(g.Ended) != 0 {
			t.Errorf("%v inside, %+v outside", in.id, g)
		}
		b := g.Accept.Append(nil)
		a, err := els.ParseLogin(b)
		if err != nil || a.Command != els.LSAcc || a.Features&els.FeatureFabricPort == 0 || a.Features&els.FeatureNPIVGranted == 0 || a.ReceiveSize() != 1452 ||
			a.ErrorDetectTime() != 3*time.Second || a.ResourceAllocationTime() != 11*time.Second || a.Node != 0x2001_0000_00fa_b001 || a.Port == 0 || a.Port == a.Node {
			t.Errorf("%+v, %v", a, err)
		}
		// Another port by another way, another port of the same host, and the first again.
		other := login(t, f, host+1)
		fdisc := flogi(host + 2)
		fdisc.Command = els.FDISC
		v, err := f.Login(fdisc, 1)
		if err != nil || v.ID == g.ID || v.ID == other {
			t.Errorf("%+v, %v", v, err)
		}
		again, err := f.Login(flogi(host), 1)
		if err != nil || again.ID != g.ID || !slices.Equal(again.Ended, []fc.ID{v.ID}) {
			t.Errorf("%+v, %v", again, err)
		}
		f.Logout(g.ID, errors.New("no reason"))
		f.Logout(g.ID, errors.New("twice"))
		if id := login(t, f, host); id != g.ID {
			t.Errorf("%v, and it was %v", id, g.ID)
		}
		in.Close()
		in = attach(t, f, target+1)
		back := attach(t, f, target)
		if in.id != 0x070002 || back.id != 0x070001 {
			t.Errorf("%v, %v", in.id, back.id)
		}
		if _, err := f.Attach(fc.PortConfig{Port: target}, back); err == nil {
			t.Error("two ports have one name")
		}
		// Who is outside with the name of a port inside goes.
		if f.Received(frame(g.ID, back.id, nil)) {
			t.Error("not logged in")
		}
		own := attach(t, f, host)
		if !f.Received(frame(g.ID, back.id, nil)) {
			t.Error("logged in with the name of a port inside")
		}
		own.Close()
		if f.Close() == nil {
			t.Error("closed with ports")
		}
		in.Close()
		back.Close()
	})
}

func TestLoginRefused(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		for name, c := range map[string]struct {
			change func(l *els.Login)
			want   els.Explanation
		}{
			"no class 3":   {func(l *els.Login) { l.Class3.Flags = 0 }, els.ExplanationOptions},
			"too small":    {func(l *els.Login) { l.BBSize = 128 }, els.ExplanationSize},
			"no name":      {func(l *els.Login) { l.Port = 0 }, els.ExplanationPortName},
			"a switch":     {func(l *els.Login) { l.Features |= els.FeatureFabricPort }, els.ExplanationCommon},
			"ours":         {func(l *els.Login) { l.Port = target }, els.ExplanationPortName},
			"no FLOGI yet": {func(l *els.Login) { l.Command = els.FDISC }, els.ExplanationLogin},
			"PLOGI":        {func(l *els.Login) { l.Command = els.PLOGI }, els.ExplanationNone},
		} {
			l := flogi(host)
			c.change(l)
			_, err := f.Login(l, 1)
			var r els.Reject
			if !errors.As(err, &r) || r.Explanation != c.want {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// prli has a port inside accept the login of a process of a host.
func prli(l *local, to fc.ID) {
	x := els.Process{Command: els.LSAcc, Pages: []els.Page{{Type: fc.TypeFCP, Flags: els.ImagePair.WithResponse(els.ResponseExecuted)}}}
	l.Post(&fc.Sequence{Header: fc.Header{RCtl: fc.RCtlELSReply, D: to, S: l.id, Type: fc.TypeELS, FCtl: fc.FCtlReply}, Head: x.Append(nil)})
	l.Flush()
}

// A flood of logins pushes out only who is idle, and of these first who has sent nothing; a name in use cannot be taken.
func TestFlood(t *testing.T) {
	var log bytes.Buffer
	with(t, Config{Max: 20, Log: slog.New(slog.NewTextHandler(&log, nil))}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		busy, asks := login(t, f, host), login(t, f, host+1)
		prli(in, busy)
		f.Received(frame(asks, fc.NameServer, nil))
		ids := make(map[fc.ID]int)
		for i := range fc.Name(5000) {
			g, err := f.Login(flogi(0x2000_00ff_0000_0000+i), uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			ids[g.ID]++
			if len(g.Ended) > 1 || slices.Contains(g.Ended, busy) || slices.Contains(g.Ended, asks) {
				t.Fatalf("%v were pushed out", g.Ended)
			}
		}
		if len(f.members) != 20 || len(f.homes.outside) > 20*keptTimes || len(f.homes.taken) != len(f.homes.outside)+len(f.homes.inside) {
			t.Errorf("%d members, %d addresses, %d taken", len(f.members), len(f.homes.outside), len(f.homes.taken))
		}
		if len(ids) < 4000 {
			t.Errorf("addresses come again after %d others", len(ids))
		}
		var r els.Reject
		if _, err := f.Login(flogi(host), 99); !errors.As(err, &r) || r.Explanation != els.ExplanationPortName {
			t.Errorf("the name of a port that is logged in: %v", err)
		}
		if g, err := f.Login(flogi(host+1), 98); err != nil || g.ID != asks {
			t.Errorf("the name of a port that is idle: %v", err)
		}
		// All are busy: nobody gets in.
		for id := range f.members {
			prli(in, id)
		}
		for range 1000 {
			if _, err := f.Login(flogi(host+7), 7); !errors.As(err, &r) || r.Explanation != els.ExplanationResources {
				t.Error(err)
			}
		}
		if n := bytes.Count(log.Bytes(), []byte("\n")); n > 10 {
			t.Errorf("the log is told %d times", n)
		}
		// One that logs out is idle.
		lo := frame(busy, in.id, els.Logout{ID: busy, Port: host}.Append(nil))
		f.Received(lo)
		if g, err := f.Login(flogi(host+7), 7); err != nil || !slices.Equal(g.Ended, []fc.ID{busy}) {
			t.Errorf("%+v, %v", g, err)
		}
		if len(f.members) != 20 {
			t.Errorf("%d members", len(f.members))
		}
	})
}

// A host that logs in again at the fabric is logged in with a port inside until that says otherwise: its name is not to be had another way, and when
// it goes the port is told.
func TestLoginAgain(t *testing.T) {
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
		prli(in, id)
		if again := login(t, f, host); again != id {
			t.Fatalf("%v, and it was %v", again, id)
		}
		got := in.take()
		if len(got) != 1 || !slices.Equal(rscn(t, got[0]), []fc.ID{id}) {
			t.Fatalf("the port is told %+v", got)
		}
		in.Post(&fc.Sequence{Header: fc.Header{RCtl: fc.RCtlELSReply, D: fc.FabricController, S: in.id, Type: fc.TypeELS, FCtl: fc.FCtlReply, OX: got[0].OX}, Head: els.AppendAccept(nil)})
		in.Flush()
		var r els.Reject
		if _, err := f.Login(flogi(host), 99); !errors.As(err, &r) || r.Explanation != els.ExplanationPortName {
			t.Errorf("another way: %v", err)
		}
		// From a port that must not be seen any more nobody is logged in.
		other := login(t, f, host+1)
		prli(in, other)
		f.Zone(zoning{{target, host + 1}: true})
		if g, err := f.Login(flogi(host+1), 98); err != nil || g.ID != other {
			t.Errorf("another way to a port that sees nobody: %v", err)
		}
		in.take()
		time.Sleep(time.Minute)
		in.take()
		f.Logout(id, errors.New("gone"))
		time.Sleep(pause)
		if got := in.take(); len(got) != 1 || !slices.Equal(rscn(t, got[0]), []fc.ID{id}) {
			t.Errorf("the port is told %+v", got)
		}
	})
}

// Names inside come and go: there are always addresses, but for more than 255 at a time.
func TestManyInside(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		kept := attach(t, f, target)
		for i := range fc.Name(600) {
			l := attach(t, f, 0x2200_0000_0000_0000+i)
			if l.id == kept.id || l.id&0xff00 != 0 {
				t.Fatal(l.id)
			}
			l.Close()
		}
		var all []*local
		for i := range fc.Name(254) {
			all = append(all, attach(t, f, 0x2300_0000_0000_0000+i))
		}
		if _, err := f.Attach(fc.PortConfig{Port: 1}, new(local)); err == nil {
			t.Error("256 ports are attached")
		}
		for _, l := range append(all, kept) {
			l.Close()
		}
	})
}
