package fcoe

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/fip"
)

// Among neighbours two ports find each other, whoever comes first.
func TestNeighboursMeet(t *testing.T) {
	for _, wait := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond, 950 * time.Millisecond, time.Minute} {
		onBed(t, func(t *testing.T, b *bed) {
			one := b.open(10, "")
			u, k := one.attach(0)
			pass(wait)
			two := b.open(11, "")
			v, l := two.attach(0)
			pass(2500 * time.Millisecond)
			if up, n := u.is(); !up || n != 1 || u.founds != 1 {
				t.Errorf("after %v the first knows %d: %s", wait, n, u.all())
			}
			if up, n := v.is(); !up || n != 1 || v.founds != 1 {
				t.Errorf("after %v the second knows %d: %s", wait, n, v.all())
			}
			if u.at.ID != 10 || u.at.MaxPayload != 2112 || u.at.Fabric || u.at.Receives < 64<<10 || u.at.ErrorDetect != 2*time.Second {
				t.Errorf("%+v", u.at)
			}
			if x := u.here[11]; x.Port != linuxPort(mac(11), 0).Port || x.Node != linuxPort(mac(11), 0).Node || x.MaxPayload != 2112 {
				t.Errorf("%+v", x)
			}
			s := &fc.Sequence{Header: fc.Header{RCtl: fc.RCtlCommand, D: 11, S: 10, Type: fc.TypeFCP, FCtl: fc.FCtlRequest}, Head: []byte("command of 4"), MaxPayload: 2112}
			if !k.Post(s) {
				t.Fatal("not posted")
			}
			k.Flush()
			synctest.Wait()
			if len(v.frames) != 1 || string(v.frames[0].Payload) != "command of 4" || v.frames[0].S != 10 {
				t.Errorf("%+v", v.frames)
			}
			if s := l.Stats(); s.FramesIn != 1 || s.BytesIn != 12 {
				t.Errorf("%+v", s)
			}
			// It goes on so for hours.
			pass(time.Hour)
			if _, n := u.is(); n != 1 || u.founds != 1 {
				t.Errorf("an hour later: %s", u.all())
			}
			l.Close()
			synctest.Wait()
			if _, n := u.is(); n != 0 {
				t.Errorf("the other has gone: %s", u.all())
			}
		})
	}
}

// What Linux has sent as an initiator gets what Linux has sent as a target, byte for byte, and the other way round.
func TestCaptureVN2VN(t *testing.T) {
	all := capture(t, "vn2vn.txt")
	for _, role := range []struct {
		us, them byte
		theirs   []int // in order
		ours     []int
	}{
		{11, 10, []int{2, 4, 6, 9, 10, 13}, []int{1, 3, 5, 7, 8, 12, 56}},
		{10, 11, []int{1, 3, 5, 7, 8, 12, 56}, []int{2, 4, 6, 9, 10}},
	} {
		onBed(t, func(t *testing.T, b *bed) {
			peer := b.raw(role.them, fip.AllVN2VN)
			// Our first frame is at random within 100 ms: theirs follow it by as much as they did.
			x := b.open(role.us, "")
			u, _ := x.attach(0)
			first := all[role.ours[0]].at
			for peer.count() == 0 {
				pass(time.Millisecond)
			}
			start := time.Now().Add(-first)
			for _, n := range role.theirs {
				time.Sleep(time.Until(start.Add(all[n].at)))
				peer.send(all[n].b)
				synctest.Wait()
			}
			pass(time.Second)
			if _, n := u.is(); n != 1 {
				t.Errorf("%s", u.all())
			}
			peer.mu.Lock()
			defer peer.mu.Unlock()
			for _, n := range role.ours {
				found := false
				for _, b := range peer.frames {
					found = found || bytes.Equal(b, all[n].b)
				}
				if !found {
					t.Errorf("as %d: frame %d was not sent: % x", role.us, n, all[n].b)
					for i, b := range peer.frames {
						t.Logf("%v % x", peer.times[i].Sub(start), b[:min(len(b), 200)])
					}
				}
			}
		})
	}
}

// A LOGO ends the login, and a FLOGI after it begins another.
func TestCaptureLogout(t *testing.T) {
	all := capture(t, "vn2vn.txt")
	onBed(t, func(t *testing.T, b *bed) {
		peer := b.raw(10, fip.AllVN2VN)
		u, _ := b.open(11, "").attach(0)
		pass(1500 * time.Millisecond)
		for _, n := range []int{6, 9, 10, 13} {
			peer.send(all[n].b)
			synctest.Wait()
		}
		peer.take()
		if _, n := u.is(); n != 1 {
			t.Fatalf("%s", u.all())
		}
		peer.send(all[1799].b)
		synctest.Wait()
		peer.mu.Lock()
		if len(peer.frames) != 1 || !bytes.Equal(peer.frames[0], all[1800].b) {
			t.Errorf("% x", peer.frames)
		}
		peer.mu.Unlock()
		if _, n := u.is(); n != 0 {
			t.Errorf("%s", u.all())
		}
		peer.send(all[10].b)
		synctest.Wait()
		if _, n := u.is(); n != 1 || u.founds != 2 {
			t.Errorf("%s", u.all())
		}
		pass(copied)
		peer.send(all[10].b) // again, and no copy: what was logged in is not any more
		synctest.Wait()
		if u.founds != 3 {
			t.Errorf("%s", u.all())
		}
	})
}
