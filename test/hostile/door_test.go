//go:build hostile

package hostile

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/lunette-io/lunette/transport/iscsi/login"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// elsewhere is an address of this host that no customer has.
const elsewhere = "127.0.0.66"

// Limits of daemons with few places.
const (
	fewConnections = "{memory: 64M, connections: 60, login-timeout: 5s, idle-timeout: 3s}"
	fewLogins      = "{memory: 64M, logins: 40, login-timeout: 5s, idle-timeout: 3s}"
)

// doorAttacks take places: connections, logins, sessions.
func doorAttacks() []attack {
	iscsi := []string{"tcp", "iser"}
	return []attack{
		{name: "connections of one name", over: transports, limits: fewConnections, begin: func(g *gang) {
			for range 80 {
				if g.over == "srp" { // each with a port of its own: so it is the address that counts
					if c := g.linkFrom(elsewhere); c != nil {
						c.read()
					}
				} else if p, _ := g.comes("evil"); p != nil {
					p.read()
				}
			}
		}},
		{name: "discovery sessions that stay", over: iscsi, limits: fewConnections, begin: func(g *gang) {
			for i := range 80 {
				w := g.who(fmt.Sprintf("evil-%d", i))
				w.target = ""
				if p := g.evil(w); p != nil {
					p.read()
				}
			}
		}},
		{name: "connections that say nothing", over: transports, limits: fewLogins, begin: func(g *gang) { half(g, nil) }},
		{name: "half a login", over: iscsi, limits: fewLogins, begin: func(g *gang) {
			if g.over == "tcp" {
				half(g, []byte{0x43, 0x87})
			} else {
				half(g, mpa([]byte{0, 0, 0, 0})[:17])
			}
		}},
		{name: "handshakes that go no further", over: []string{"iser", "srp"}, limits: fewLogins, begin: func(g *gang) {
			half(g, mpa([]byte{0x80, 0, 0, 0})[:23])
		}},
		{name: "logins of a byte a second", over: []string{"tcp"}, limits: fewLogins, begin: slowLogins},
		{name: "login text without end", over: []string{"tcp"}, begin: endlessLogins},
		{name: "sessions that come and go", over: transports, begin: func(g *gang) { churn(g, func() pdu.ISID { return pdu.ISID{} }, true) }},
		{name: "reinstatement", over: transports, begin: func(g *gang) {
			churn(g, func() pdu.ISID { return pdu.ISID{0x80, 'e', 'v', 'i', 'l'} }, false)
		}},
		{name: "logout, and the connection stays", over: iscsi, begin: func(g *gang) {
			for range 50 {
				p := g.evil(g.who("evil"))
				if p == nil {
					continue
				}
				p.itt++
				var h pdu.BHS
				pdu.LogoutRequest{Immediate: true, ITT: p.itt}.Put(&h)
				h.SetCmdSN(p.sn.Load())
				_ = p.Send(&h, nil, nil)
			}
		}},
		{name: "logins of many ports", over: []string{"srp"}, begin: func(g *gang) {
			target := g.scene.d.srpPort()
			addr := g.scene.d.addr("srp")
			for range 4 {
				g.goes(func() {
					for i := 0; !g.stopped(); i++ {
						to := target
						if i%2 == 0 {
							to = iu.MakePortID(uint64(i), 1)
						}
						if c, err := dialChannel(elsewhere, addr, portID(), to); err == nil {
							_ = c.Close()
						}
					}
				})
			}
			g.nap(100 * time.Millisecond)
		}},
	}
}

// half makes connections from elsewhere that send the beginning of a login, and no more, all the time.
func half(g *gang, begin []byte) {
	addr := g.scene.d.addr(g.over)
	for range 2 {
		g.goes(func() {
			all := make([]net.Conn, 0, 200)
			defer func() {
				for _, c := range all {
					_ = c.Close()
				}
			}()
			for !g.stopped() {
				c, err := connect(elsewhere, addr)
				if err != nil {
					if !g.nap(time.Millisecond) {
						return
					}
					continue
				}
				_, _ = c.Write(begin)
				if len(all) == cap(all) {
					_ = all[0].Close()
					all = append(all[:0], all[1:]...)
				}
				all = append(all, c)
			}
		})
	}
	g.nap(200 * time.Millisecond)
}

// slowLogins send a login a byte a second.
func slowLogins(g *gang) {
	var h pdu.BHS
	pdu.LoginRequest{CSG: pdu.StageOperational, ISID: pdu.ISID{0x80}}.Put(&h)
	h.SetDataSegmentLength(8000)
	for range 200 {
		c, err := connect(elsewhere, g.scene.d.addr(g.over))
		if err != nil {
			continue
		}
		g.ends = append(g.ends, func() { _ = c.Close() })
		g.goes(func() {
			for k := 0; ; k++ {
				if _, err := c.Write(h[k%len(h):][:1]); err != nil || !g.nap(time.Second) {
					return
				}
			}
		})
	}
}

// endlessLogins send login text that always goes on.
func endlessLogins(g *gang) {
	for i := range 50 {
		w := g.who("evil")
		w.from = elsewhere
		g.goes(func() {
			var text []byte
			for k := 0; len(text) < 8000; k++ {
				text = login.AppendPair(text, "X-key"+strconv.Itoa(k*(i%2)), "value")
			}
			for !g.stopped() {
				c, err := w.open()
				if err != nil {
					g.nap(time.Millisecond)
					continue
				}
				stop := make(chan struct{})
				go func() { // ended by the close, at the latest
					select {
					case <-g.stop:
					case <-stop:
					}
					_ = c.Close()
				}()
				if r, ok := c.(io.Reader); ok {
					go func() { _, _ = io.Copy(io.Discard, r) }()
				}
				for err == nil && g.nap(time.Millisecond) {
					var h pdu.BHS
					pdu.LoginRequest{Continue: i%3 != 0, CSG: pdu.Stage(i % 2), ISID: pdu.ISID{0x80}}.Put(&h)
					err = c.Send(&h, nil, text)
				}
				close(stop)
			}
		})
	}
	g.nap(100 * time.Millisecond)
}

// churn logs in, asks for data that it does not give, and goes, with a logout or without.
func churn(g *gang, isid func() pdu.ISID, out bool) {
	for range 4 {
		port := portID()
		g.goes(func() {
			for k := 0; !g.stopped(); k++ {
				if g.over == "srp" {
					if out {
						port = portID()
					}
					if c, err := dialChannel("", g.scene.d.addr("srp"), port, g.scene.d.srpPort()); err == nil {
						_ = c.put(write(k))
						_ = c.Close()
					}
					continue
				}
				w := g.who("evil")
				w.isid = isid()
				p, err := w.login()
				if err != nil {
					continue
				}
				_ = p.put(write(k))
				if out && k%2 == 0 {
					_ = p.logout()
				}
				_ = p.Close()
			}
		})
	}
	g.nap(100 * time.Millisecond)
}
