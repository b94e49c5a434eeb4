package fabric

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/ct"
	"github.com/lunette-io/lunette/network/fc/els"
)

// FuzzFrames lets hosts do anything: a script of logins, logouts, frames, waiting, zoning and what ports inside do. Nothing that a host must not
// see gets to it, nobody gets what is not theirs, and all is bounded.
func FuzzFrames(f *testing.F) {
	q := ct.Request{Command: ct.GetPortNames, Type: fc.TypeFCP}
	plogi := els.PortLogin(els.PLOGI, host, host, fc.MaxPayload, time.Second)
	f.Add([]byte{0, 1, 0, 2, 0, 3, 1, 0})
	for _, p := range [][]byte{q.Append(nil), plogi.Append(nil), els.Register{Function: els.RegisterFull}.Append(nil), els.AppendAccept(nil), {}} {
		for _, kind := range []byte{0, 1, 2, 3} {
			for to := range byte(8) {
				step := append([]byte{2, 0, to, kind, 0xff, byte(len(p))}, p...)
				f.Add(append(append([]byte{0, 0}, step...), append([]byte{4, 1, 5, 3, 0, 1, 0, 3}, step...)...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		with(t, Config{Max: 4}, func(t *testing.T, f *Fabric, y *yard) {
			s := script
			in, hidden := attach(t, f, target), attach(t, f, target+1)
			zones := zoning{}
			for i := range fc.Name(8) {
				zones[[2]fc.Name{target + 1, host + i}] = true
			}
			f.Zone(zones)
			next := func() byte {
				if len(s) == 0 {
					return 0
				}
				b := s[0]
				s = s[1:]
				return b
			}
			var ids [8]fc.ID
			for steps := 0; len(s) > 0 && steps < 200; steps++ {
				switch next() % 6 {
				case 0:
					i := next()
					l := flogi(host + fc.Name(i&7))
					if i&8 != 0 {
						l.Command = els.FDISC
					}
					g, err := f.Login(l, uint64(i>>4))
					var r els.Reject
					if err != nil && !errors.As(err, &r) {
						t.Fatal(err)
					}
					if err == nil {
						ids[i&7] = g.ID
					}
				case 1:
					f.Logout(ids[next()&7], errors.New("fuzz"))
				case 2:
					fr := anyFrame(next, &s, ids, in.id, hidden.id)
					f.Received(fr)
				case 3:
					f.Batch()
					time.Sleep(time.Duration(next()) * 20 * time.Millisecond)
				case 4:
					prli(in, ids[next()&7])
				case 5:
					in.Post(&fc.Sequence{Header: fc.Header{RCtl: fc.RCtl(next()), D: ids[next()&7], S: in.id, Type: fc.Type(next())}, Head: []byte{next(), 0, 0, 0}})
					in.Flush()
				}
			}
			f.Batch()
			synctest.Wait()
			if len(f.members) > 4 || len(f.homes.outside) > 16 || f.replies.Load() != 0 {
				t.Errorf("%d members, %d addresses, %d answers on their way", len(f.members), len(f.homes.outside), f.replies.Load())
			}
			if n := len(hidden.take()); n != 0 {
				t.Errorf("%d frames have come to a port that nobody sees", n)
			}
			for _, a := range y.take() {
				if a.S != in.id && !a.S.WellKnown() {
					t.Errorf("a frame from %v", a.S)
				}
				if a.S == fc.NameServer && a.Type == fc.TypeCT {
					silent(t, a.Payload)
				}
			}
			if len(f.ports) != 2 {
				t.Error("ports are gone")
			}
			in.Close()
			hidden.Close()
		})
	})
}

// anyFrame makes a frame of a script.
func anyFrame(next func() byte, s *[]byte, ids [8]fc.ID, in, hidden fc.ID) *fc.Frame {
	from := next()
	to := [8]fc.ID{in, hidden, fc.FabricPort, fc.FabricController, fc.NameServer, fc.ManagementServer, ids[0], ids[1]}[next()&7]
	kind, flags := next(), next()
	fr := frame(ids[from&7], to, nil)
	switch kind & 3 {
	case 1:
		fr.RCtl, fr.Type = fc.RCtlUnsolicitedControl, fc.TypeCT
	case 2:
		fr.RCtl, fr.FCtl = fc.RCtlELSReply, fc.FCtlReply
	case 3:
		fr.RCtl, fr.Type = fc.RCtl(next()), fc.Type(next())
	}
	fr.OX = uint16(kind >> 2)
	fr.First, fr.Last = flags&1 != 0, flags&2 != 0
	n := min(int(next()), len(*s))
	fr.Payload, *s = (*s)[:n], (*s)[n:]
	return fr
}

// silent checks that an answer of the name server says nothing of the port that nobody sees.
func silent(t *testing.T, b []byte) {
	for i := 0; i+8 <= len(b); i++ {
		if v := fc.Name(binary.BigEndian.Uint64(b[i:])); v == target+1 || v == target+1+0x1000 {
			t.Fatalf("%x tells of a port that is hidden", b)
		}
	}
}

// FuzzNames lets a host send any unit to the name server, twice.
func FuzzNames(f *testing.F) {
	for c := range 0x400 {
		q := ct.Request{Command: ct.Command(c), ID: 0x010100, Name: host, PortType: ct.PortTypeNX, Type: fc.TypeFCP, Symbol: []byte("x")}
		if b := q.Append(nil); len(b) > ct.HeaderLen {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		with(t, Config{}, func(t *testing.T, f *Fabric, y *yard) {
			in, hidden := attach(t, f, target), attach(t, f, target+1)
			f.Zone(zoning{{target + 1, host}: true})
			id := login(t, f, host)
			for range 2 {
				fr := frame(id, fc.NameServer, b)
				fr.RCtl, fr.Type = fc.RCtlUnsolicitedControl, fc.TypeCT
				f.Received(fr)
				f.Batch()
				var all []byte
				for _, a := range y.take() {
					all = append(all, a.Payload...)
				}
				h, err := ct.ParseHeader(all)
				if err != nil || (h.Command != ct.Accepted && h.Command != ct.Rejected) {
					t.Fatalf("%x is answered by %x", b, all)
				}
				if len(b) < 8 || fc.Name(binary.BigEndian.Uint64(b[len(b)-8:]))>>16 != target>>16 {
					silent(t, all) // unless it has said so itself
				}
			}
			in.Close()
			hidden.Close()
		})
	})
}
