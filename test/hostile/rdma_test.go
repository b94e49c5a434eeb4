//go:build hostile

package hostile

import (
	"time"
)

// rdmaAttacks do what only peers with remote memory access can do.
func rdmaAttacks() []attack {
	rdma := []string{"iser", "srp"}
	return []attack{
		{name: "Reads that are answered with a byte a second", over: rdma, begin: func(g *gang) {
			for range 12 {
				reads := make(chan request, 64)
				var a *adapter
				if g.over == "srp" {
					c := g.link()
					if c == nil {
						continue
					}
					c.requests, a = reads, c.adapter
					if c.ready(onFile) != nil || c.ready(onMemory) != nil {
						continue
					}
					c.read()
					for k := range min(18, c.limit-1) {
						_ = c.put(write(k))
					}
				} else {
					w := g.who("evil")
					w.reads = reads
					p := g.evil(w)
					if p == nil {
						continue
					}
					a = p.carrier.(*messages).adapter
					if p.ready(onFile) != nil || p.ready(onMemory) != nil {
						continue
					}
					p.read()
					for k := range 18 {
						_ = p.put(write(k))
					}
				}
				g.goes(func() {
					var r request
					select {
					case r = <-reads:
					case <-g.stop:
						return
					}
					for off := 0; off+1 < int(r.size) && g.nap(time.Second); off++ {
						if a.respond(r, off, []byte{1}, false) != nil {
							return
						}
					}
				})
			}
		}},
		{name: "requests beyond the limit", over: []string{"srp"}, begin: func(g *gang) {
			for range 8 {
				c := g.link()
				if c == nil {
					continue
				}
				c.read()
				g.goes(func() {
					for k := 0; !g.stopped(); k++ {
						if c.put(write(k)) != nil {
							return
						}
					}
				})
			}
			g.nap(100 * time.Millisecond)
		}},
	}
}
