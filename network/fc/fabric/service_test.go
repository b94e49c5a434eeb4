package fabric

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// What a host asks after FLOGI, as Linux's libfc does: it ends with the targets that it may see.
func TestLinux(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in, hidden := attach(t, f, target), attach(t, f, target+1)
		defer in.Close()
		defer hidden.Close()
		f.Zone(zoning{{target + 1, host}: true})
		id := login(t, f, host)
		l := els.PortLogin(els.PLOGI, host, host+0x1000, fc.MaxPayload, 2*time.Second)
		a, err := els.ParseLogin(link(t, f, y, id, fc.NameServer, l.Append(nil)))
		if err != nil || a.Command != els.LSAcc || a.ReceiveSize() != fc.MaxPayload {
			t.Errorf("%+v, %v", a, err)
		}
		var types ct.Types
		types.Set(fc.TypeFCP)
		for _, q := range []ct.Request{
			{Command: ct.SetNodeName, ID: id, Name: host + 0x1000}, {Command: ct.SetNodeSymbol, Name: host + 0x1000, Symbol: []byte("a host")},
			{Command: ct.SetPortSymbol, ID: id, Symbol: []byte("fcoe v0.1 over eth1")}, {Command: ct.SetTypes, ID: id, Types: types},
			{Command: ct.SetFeatures, ID: id, Features: fc.FeatureInitiator, Type: fc.TypeFCP},
		} {
			if b, err := ask(t, f, y, id, q); err != nil || len(b) != 0 {
				t.Errorf("%v: %v", q.Command, err)
			}
		}
		l.Command = els.PLOGI
		if r, err := els.ParseReject(link(t, f, y, id, fc.ManagementServer, l.Append(nil))); err != nil {
			t.Errorf("%v, %v", r, err)
		}
		changes(t, f, y, id)
		b, err := ask(t, f, y, id, ct.Request{Command: ct.GetPortNames, Type: fc.TypeFCP})
		got := make(map[fc.ID]fc.Name)
		if err == nil {
			err = ct.ParseNamed(b, func(i fc.ID, n fc.Name) bool { got[i] = n; return true })
		}
		if want := map[fc.ID]fc.Name{id: host, in.id: target}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v, %v", got, err)
		}
		f.Received(frame(id, in.id, l.Append(nil)))
		f.Received(frame(id, hidden.id, l.Append(nil)))
		if n, m := len(in.take()), len(hidden.take()); n != 1 || m != 0 {
			t.Errorf("%d frames for the target, %d for the hidden one", n, m)
		}
	})
}

// Every question, by a host that sees one of two ports, and another host not at all.
func TestNames(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in, hidden := attach(t, f, target), attach(t, f, target+1)
		defer in.Close()
		defer hidden.Close()
		f.Zone(zoning{{target + 1, host}: true})
		id, other := login(t, f, host), login(t, f, host+1)
		ids := func(q ct.Request) (all []fc.ID, err error) {
			b, err := ask(t, f, y, id, q)
			if err == nil {
				err = ct.ParseIDs(b, func(i fc.ID) bool { all = append(all, i); return true })
			}
			return all, err
		}
		for _, c := range []struct {
			q    ct.Request
			want []fc.ID
			e    ct.Explanation
		}{
			{ct.Request{Command: ct.GetIDs, Type: fc.TypeFCP}, []fc.ID{in.id}, 0},
			{ct.Request{Command: ct.GetIDs, Type: fc.TypeFCP, Domain: 1}, []fc.ID{in.id}, 0},
			{ct.Request{Command: ct.GetIDs, Type: fc.TypeFCP, Domain: 2}, nil, ct.ExplanationTypes},
			{ct.Request{Command: ct.GetIDs, Type: fc.TypeFCP, Domain: 1, Area: 9}, nil, ct.ExplanationTypes},
			{ct.Request{Command: ct.GetIDs, Type: 0x28}, nil, ct.ExplanationTypes},
			{ct.Request{Command: ct.GetIDByPort, Name: target}, []fc.ID{in.id}, 0},
			{ct.Request{Command: ct.GetIDByPort, Name: host}, []fc.ID{id}, 0},
			{ct.Request{Command: ct.GetIDByPort, Name: target + 1}, nil, ct.ExplanationPortName},
			{ct.Request{Command: ct.GetIDByPort, Name: host + 1}, nil, ct.ExplanationPortName},
			{ct.Request{Command: ct.GetIDByNode, Name: target + 0x1000}, []fc.ID{in.id}, 0},
			{ct.Request{Command: ct.GetIDByNode, Name: target + 0x1001}, nil, ct.ExplanationNodeName},
			{ct.Request{Command: ct.GetIDsByPort, PortType: ct.PortTypeNX}, []fc.ID{in.id, id}, 0},
			{ct.Request{Command: ct.GetIDsByPort, PortType: ct.PortTypeN, Domain: 1, Area: 1}, []fc.ID{id}, 0},
			{ct.Request{Command: ct.GetIDsByPort, PortType: 0x81}, nil, ct.ExplanationPortType},
		} {
			got, err := ids(c.q)
			if c.want != nil && (err != nil || !slices.Equal(got, c.want)) {
				t.Errorf("%+v: %v, %v", c.q, got, err)
			}
			if c.want == nil {
				if err := refused(err, c.e); err != nil {
					t.Errorf("%+v: %v", c.q, err)
				}
			}
		}
		// By address.
		for _, c := range []ct.Command{ct.GetPortName, ct.GetNodeName, ct.GetTypes, ct.GetFeatures, ct.GetPortSymbol} {
			for _, to := range []fc.ID{hidden.id, other, 0, 0xffffff} {
				_, err := ask(t, f, y, id, ct.Request{Command: c, ID: to})
				if err := refused(err, ct.ExplanationID); err != nil {
					t.Errorf("%v of %v: %v", c, to, err)
				}
			}
			b, err := ask(t, f, y, id, ct.Request{Command: c, ID: in.id})
			if err != nil {
				t.Errorf("%v: %v", c, err)
			}
			switch c {
			case ct.GetPortName:
				if n, err := ct.ParseName(b); err != nil || n != target {
					t.Errorf("%v: %v", n, err)
				}
			case ct.GetNodeName:
				if n, err := ct.ParseName(b); err != nil || n != target+0x1000 {
					t.Errorf("%v: %v", n, err)
				}
			case ct.GetTypes:
				if x, err := ct.ParseTypes(b); err != nil || !x.Has(fc.TypeFCP) || x.Has(fc.TypeCT) {
					t.Errorf("%v: %v", x, err)
				}
			case ct.GetFeatures:
				if x, err := ct.ParseFeatures(b); err != nil || x.Get(fc.TypeFCP) != fc.FeatureTarget {
					t.Errorf("%v: %v", x, err)
				}
			}
		}
		// GA_NXT goes round.
		var seen []fc.ID
		for at := fc.ID(0); len(seen) < 4; {
			b, err := ask(t, f, y, id, ct.Request{Command: ct.GetNext, ID: at})
			x, err2 := ct.ParseObject(b)
			if err != nil || err2 != nil {
				t.Fatal(err, err2)
			}
			seen, at = append(seen, x.ID), x.ID
		}
		if !slices.Equal(seen, []fc.ID{in.id, id, in.id, id}) {
			t.Error(seen)
		}
	})
}

// A port registers itself alone, and what it has registered is there.
func TestRegister(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		id := login(t, f, host)
		for _, c := range []struct {
			q ct.Request
			e ct.Explanation
		}{
			{ct.Request{Command: ct.SetTypes, ID: in.id}, ct.ExplanationUnacceptable},
			{ct.Request{Command: ct.SetFeatures, ID: in.id, Type: fc.TypeFCP}, ct.ExplanationUnacceptable},
			{ct.Request{Command: ct.SetNodeName, ID: in.id, Name: 7}, ct.ExplanationUnacceptable},
			{ct.Request{Command: ct.SetPortSymbol, ID: in.id}, ct.ExplanationUnacceptable},
			{ct.Request{Command: ct.SetNodeSymbol, Name: target + 0x1000}, ct.ExplanationNodeName},
			{ct.Request{Command: ct.SetPortName, ID: id, Name: target}, ct.ExplanationPortName},
			{ct.Request{Command: ct.SetNodeName, ID: id}, ct.ExplanationNodeName},
			{ct.Request{Command: ct.Deregister, ID: in.id}, ct.ExplanationUnacceptable},
			{ct.Request{Command: ct.GetNodeSymbol, Name: host + 0x1000}, ct.ExplanationNodeSymbol},
		} {
			_, err := ask(t, f, y, id, c.q)
			if err := refused(err, c.e); err != nil {
				t.Errorf("%+v: %v", c.q, err)
			}
		}
		for _, q := range []ct.Request{
			{Command: ct.SetPortName, ID: id, Name: host}, {Command: ct.SetNodeName, ID: id, Name: 77}, {Command: ct.SetNodeSymbol, Name: 77, Symbol: []byte("node")},
			{Command: ct.SetPortSymbol, ID: id, Symbol: []byte("port")},
		} {
			if _, err := ask(t, f, y, id, q); err != nil {
				t.Error(err)
			}
		}
		b, err := ask(t, f, y, id, ct.Request{Command: ct.GetNext, ID: in.id})
		if x, err2 := ct.ParseObject(b); err != nil || err2 != nil || x.ID != id || x.Node != 77 || string(x.PortSymbol) != "port" || string(x.NodeSymbol) != "node" || x.Port != host {
			t.Errorf("%+v, %v, %v", x, err, err2)
		}
		if _, err := ask(t, f, y, id, ct.Request{Command: ct.Deregister, ID: id}); err != nil {
			t.Error(err)
		}
		if b, _ := ask(t, f, y, id, ct.Request{Command: ct.GetPortSymbol, ID: id}); len(b) == 0 || b[0] != 0 {
			t.Errorf("%x", b)
		}
	})
}

// Units that are wrong are refused, and who has little room gets what fits.
func TestUnits(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		var all []*local
		for i := range fc.Name(10) {
			all = append(all, attach(t, f, target+i))
		}
		id := login(t, f, host)
		q := ct.Request{Command: ct.GetPortNames, Type: fc.TypeFCP}
		b := q.Append(nil)
		for at, v := range map[int]byte{0: 9, 4: 0xfa, 5: 3, 8: 0x77} {
			c := bytes.Clone(b)
			c[at] = v
			f.Received(&fc.Frame{Header: fc.Header{RCtl: fc.RCtlUnsolicitedControl, D: fc.NameServer, S: id, Type: fc.TypeCT}, First: true, Last: true, Payload: c})
			f.Batch()
			h, err := ct.ParseHeader(y.one(t).Payload)
			if err != nil || h.Command != ct.Rejected {
				t.Errorf("byte %d: %+v, %v", at, h, err)
			}
		}
		b[11] = 4*3 + 1 // words: three entries fit
		got := 0
		rest, err := unit(t, f, y, id, b)
		if err == nil {
			err = ct.ParseNamed(rest, func(fc.ID, fc.Name) bool { got++; return true })
		}
		if err != nil || got != 3 {
			t.Errorf("%d entries, %v", got, err)
		}
		b[11] = 3
		if _, err := unit(t, f, y, id, b); err == nil {
			t.Error("there is no room for one")
		}
		for _, l := range all {
			l.Close()
		}
	})
}

// The link services of all three; nothing is logged in for them.
func TestLinkServices(t *testing.T) {
	with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
		id := login(t, f, host)
		for _, d := range []fc.ID{fc.FabricPort, fc.FabricController, fc.NameServer} {
			for name, b := range map[string][]byte{
				"RTV": els.AppendRTV(nil), "ECHO": els.Echo{Data: []byte("abcd")}.Append(nil), "ADISC": els.Discover{Port: host, ID: id}.Append(nil),
				"RNID": els.Identify{}.Append(nil), "RRQ": els.Reinstate{S: id}.Append(nil),
			} {
				if a := link(t, f, y, id, d, b); els.CommandOf(a) != els.LSAcc {
					t.Errorf("%s to %v: %x", name, d, a)
				}
			}
			for name, b := range map[string][]byte{
				"FLOGI": flogi(host).Append(nil), "REC": els.ReadExchange{S: id}.Append(nil), "PRLI": els.Process{Command: els.PRLI, Pages: make([]els.Page, 1)}.Append(nil),
				"RSCN": els.StateChange{Pages: make([]els.Affected, 1)}.Append(nil), "short": {byte(els.PLOGI), 0, 0, 0}, "nothing": {}, "unknown": {0x99, 0, 0, 0},
			} {
				if a := link(t, f, y, id, d, b); els.CommandOf(a) != els.LSRjt {
					t.Errorf("%s to %v: %x", name, d, a)
				}
			}
		}
		if a := link(t, f, y, id, fc.FabricPort, els.ReadLinkStatus{Port: id}.Append(nil)); els.CommandOf(a) != els.LSAcc {
			t.Errorf("%x", a)
		}
		r := frame(id, fc.NameServer, nil)
		r.Type, r.RCtl = fc.TypeBLS, fc.RCtlABTS
		f.Received(r)
		f.Batch()
		if a := y.one(t); a.RCtl != fc.RCtlBARjt {
			t.Errorf("%+v", a)
		}
		// Logging out of a service is nothing; logging out of the fabric is.
		lo := els.Logout{ID: id, Port: host}.Append(nil)
		if f.Received(frame(id, fc.NameServer, lo)) {
			t.Error("logged out of the fabric")
		}
		if !f.Received(frame(id, fc.FabricPort, lo)) {
			t.Error("not logged out of the fabric")
		}
		f.Batch()
		if n := len(y.take()); n != 2 {
			t.Errorf("%d answers", n)
		}
		f.Received(frame(id, fc.NameServer, lo))
		f.Batch()
		if n := len(y.take()); n != 0 {
			t.Errorf("%d answers to a port that is logged out", n)
		}
	})
}

// Services inside: a port gets its answers as frames, in pieces if they are long.
func TestInsideAsks(t *testing.T) {
	with(t, Config{MaxPayload: 512}, func(t *testing.T, f *Fabric, y *yard) {
		in := attach(t, f, target)
		defer in.Close()
		for i := range fc.Name(100) {
			id := login(t, f, host+i)
			types(t, f, y, id)
		}
		q := ct.Request{Command: ct.GetPortNames, Type: fc.TypeFCP}
		in.Post(&fc.Sequence{
			Header: fc.Header{RCtl: fc.RCtlUnsolicitedControl, D: fc.NameServer, S: in.id, Type: fc.TypeCT, FCtl: fc.FCtlRequest, OX: 5}, Head: q.Append(nil),
		})
		in.Flush()
		var b []byte
		for i, a := range in.take() {
			if a.OX != 5 || a.First != (i == 0) || int(a.SeqCnt) != i {
				t.Errorf("%+v", a)
			}
			b = append(b, a.Payload...)
		}
		n := 0
		if err := ct.ParseNamed(b[ct.HeaderLen:], func(fc.ID, fc.Name) bool { n++; return true }); err != nil || n != 101 {
			t.Errorf("%d ports, %v", n, err)
		}
	})
}
