//go:build hostile

package hostile

import (
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
	"github.com/lunette-io/lunette/transport/srp/iu"
)

// manageAttacks ask for task management, and for what is rejected.
func manageAttacks() []attack {
	return []attack{
		{name: "task management", over: transports, begin: func(g *gang) { storm(g, true) }},
		{name: "task management whose answers nobody takes", over: transports, begin: func(g *gang) { storm(g, false) }},
		{name: "SNACKs and rubbish", over: []string{"tcp", "iser"}, begin: func(g *gang) { rubbish(g, true) }},
		{name: "SNACKs and rubbish whose answers nobody takes", over: []string{"tcp", "iser"}, begin: func(g *gang) { rubbish(g, false) }},
	}
}

// storm aborts what the gang itself does: a write that is not fed, and reads.
func storm(g *gang, reads bool) {
	for i := range 4 {
		p, room := g.comes("evil")
		if p == nil {
			continue
		}
		if reads {
			p.read()
		}
		g.goes(func() {
			sent := int64(0)
			for k := 0; !g.stopped(); k++ {
				c := write(k)
				if k%3 == 0 {
					c = command{lun: lunOf(k), cdb: cdb10(scsi.OpRead10, far, 8, 0), attr: pdu.AttrSimple, in: 4096}
				}
				var err error
				if g.over != "srp" || int(sent) < room-4 {
					err = p.put(c)
					sent++
				}
				lun := lunOf(k)
				switch p := p.(type) {
				case *peer:
					f := []pdu.TMFFunction{pdu.TMFAbortTaskSet, pdu.TMFClearTaskSet, pdu.TMFAbortTask, pdu.TMFQueryTask, pdu.TMFQueryTaskSet}[(k+i)%5]
					if err == nil {
						err = p.manage(f, lun, p.itt)
					}
				case *channel:
					f := []iu.Function{iu.AbortTaskSet, iu.ClearTaskSet, iu.AbortTask}[(k+i)%3]
					if err == nil {
						err = p.manage(f, lun, p.tag)
					}
					if reads && !g.nap(time.Millisecond) { // its requests are counted
						return
					}
				}
				if err != nil {
					return
				}
				if reads && k%16 == 15 && !g.nap(time.Millisecond) {
					return
				}
			}
		})
	}
	g.nap(100 * time.Millisecond)
}

// rubbish sends PDUs that are rejected, with data.
func rubbish(g *gang, reads bool) {
	data := make([]byte, 4096)
	for i := range 8 {
		w := g.who("evil")
		p := g.evil(w)
		if p == nil {
			continue
		}
		if reads {
			p.read()
		}
		g.goes(func() {
			for k := uint32(0); !g.stopped(); k++ {
				var h pdu.BHS
				pdu.SNACK{Type: pdu.SNACKType(k % 4), ITT: k, TTT: pdu.NoTag, BegRun: k, RunLength: 0}.Put(&h)
				if i%2 == 0 {
					h[0] = 0x40 | 0x1c // a vendor's
				}
				h.SetCmdSN(p.sn.Load())
				if p.Send(&h, nil, data[:i*512]) != nil {
					p.ended.Store(true)
					if p = g.evil(w); p == nil { // rejected too often
						return
					}
					if reads {
						p.read()
					}
				}
				if k%16 == 0 && !g.nap(time.Millisecond) {
					return
				}
			}
		})
	}
	g.nap(100 * time.Millisecond)
}
