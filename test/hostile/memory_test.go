//go:build hostile

package hostile

import (
	"fmt"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// write is a WRITE of a MiB whose data is promised.
func write(k int) command {
	return command{lun: lunOf(k), cdb: cdb10(scsi.OpWrite10, far, 2048, 0), attr: pdu.AttrSimple, out: 1 << 20}
}

// memoryAttacks take memory for data.
func memoryAttacks() []attack {
	return []attack{
		{name: "promises", over: transports, stands: owed, begin: func(g *gang) {
			g.fill(24, 18, one, write, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "promises of many names", over: transports, stands: owed, begin: func(g *gang) {
			g.fill(24, 18, func(i int) string { return fmt.Sprintf("evil-%d", i) }, write, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "promises, and four bytes a second", over: []string{"tcp"}, stands: owed, begin: dribble},
		{name: "commands behind a gap", over: []string{"tcp", "iser"}, begin: behindGap},
		{name: "echoes that nobody takes", over: []string{"tcp", "iser"}, begin: func(g *gang) { echoes(g, targetName, 16, true) }},
		{name: "echoes that are taken", over: []string{"tcp", "iser"}, begin: func(g *gang) { echoes(g, targetName, 4, false) }},
		{name: "echoes of discovery", over: []string{"tcp", "iser"}, begin: func(g *gang) { echoes(g, "", 60, true) }},
		{name: "data-in that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(40, 32, one, func(k int) command {
				return command{lun: lunOf(k), cdb: cdb10(scsi.OpRead10, far, 2048, 0), attr: pdu.AttrSimple, in: 1 << 20}
			}, false)
		}},
		{name: "unsolicited data that never comes", over: []string{"tcp", "iser"}, begin: func(g *gang) {
			data := make([]byte, 4096)
			g.fill(24, 60, one, func(k int) command {
				return command{lun: lunOf(k), cdb: cdb10(scsi.OpWrite10, far, 512, 0), attr: pdu.AttrSimple, out: 256 << 10, data: data, more: true}
			}, true)
		}},
		{name: "parameter lists that never come", over: transports, stands: owed, begin: func(g *gang) {
			lists := [][]byte{
				{byte(scsi.OpModeSelect10), 0x10, 0, 0, 0, 0, 0, 0xff, 0xf0, 0},
				{byte(scsi.OpPersistentReserveOut), 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0},
				{byte(scsi.OpUnmap), 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0},
			}
			g.fill(16, 48, one, func(k int) command {
				return command{lun: lunOf(k / 3), cdb: lists[k%3], attr: pdu.AttrSimple, out: 0xfff0}
			}, true)
			g.until(hang, func() bool { return answered(g) || owed(g) })
		}},
		{name: "texts that never end", over: []string{"tcp", "iser"}, begin: endlessTexts},
		{name: "data-out of a byte each", over: []string{"tcp"}, begin: crumbs},
	}
}

// dribble answers each R2T with four bytes a second.
func dribble(g *gang) {
	for range 24 {
		p := g.evil(g.who("evil"))
		if p == nil {
			continue
		}
		type debt struct {
			r   pdu.R2T
			lun scsi.LUN
			off uint32
		}
		for k := range 18 {
			if p.put(write(k)) != nil {
				break
			}
		}
		g.goes(func() {
			debts := map[uint32]*debt{}
			for !g.stopped() {
				_ = p.SetReadDeadline(time.Now().Add(time.Second))
				r, err := p.Receive()
				switch {
				case err == nil && r.Opcode() == pdu.OpR2T:
					if x, err := pdu.ParseR2T(&r.BHS); err == nil {
						debts[r.ITT()] = &debt{r: x, lun: scsi.LUN(x.LUN)}
					}
				case err == nil:
					p.take(r)
				}
				if len(debts) > 0 {
					p.r2ts.Store(1)
				}
				for tag, d := range debts {
					var h pdu.BHS
					pdu.DataOut{LUN: uint64(d.lun), ITT: tag, TTT: d.r.TTT, DataSN: d.off / 4, BufferOffset: d.r.BufferOffset + d.off}.Put(&h)
					if d.off += 4; p.Send(&h, nil, make([]byte, 4)) != nil {
						p.ended.Store(true)
						return
					}
				}
				if !g.nap(time.Second) {
					return
				}
			}
		})
	}
	g.until(hang, func() bool { return owed(g) })
}

// behindGap sends commands with data behind one that never comes.
func behindGap(g *gang) {
	data := make([]byte, 128<<10)
	if g.over == "iser" {
		data = data[:8<<10]
	}
	for range 16 {
		p := g.evil(g.who("evil"))
		if p == nil {
			continue
		}
		_ = p.SetReadDeadline(time.Time{})
		p.read()
		for k := range uint32(60) {
			err := p.put(command{lun: onFile, cdb: cdb10(scsi.OpWrite10, far, len(data)/blockSize, 0), attr: pdu.AttrSimple, out: len(data), data: data, gap: k + 1})
			if err != nil {
				break
			}
		}
	}
}

// echoes sends pings with as much data as may be, from peers that do not take what comes back if they are mute.
func echoes(g *gang, target string, peers int, mute bool) {
	data := make([]byte, 256<<10)
	switch {
	case g.over == "iser":
		data = data[:4<<10]
	case target == "":
		data = data[:8<<10]
	}
	var all []*peer
	for range peers { // all before the first begins: then nobody of the gang waits for the gang
		w := g.who("evil")
		w.target, w.receive = target, 4096
		if p := g.evil(w); p != nil {
			all = append(all, p)
		}
	}
	for _, p := range all {
		if !mute {
			p.read()
		}
		g.goes(func() {
			for k := 1; !g.stopped(); k++ {
				if p.ping(data) != nil {
					p.ended.Store(true)
					return
				}
				if len(data) <= 8<<10 && k%8 == 0 {
					g.nap(time.Millisecond) // the processor is for those who are attacked
				}
			}
		})
	}
	g.nap(100 * time.Millisecond)
}

// endlessTexts sends text that always goes on in the next request.
func endlessTexts(g *gang) {
	text := append([]byte("X-evil="), make([]byte, 4000)...)
	for i := range text[7:] {
		text[7+i] = 'x'
	}
	for i := range 16 {
		w := g.who("evil")
		if i%2 == 0 {
			w.target = ""
		}
		p := g.evil(w)
		if p == nil {
			continue
		}
		p.read()
		g.goes(func() {
			for !g.stopped() {
				p.itt++
				var h pdu.BHS
				pdu.TextRequest{Immediate: true, Continue: i%3 != 0, Final: i%3 == 0, ITT: p.itt &^ 7, TTT: pdu.NoTag}.Put(&h)
				h.SetCmdSN(p.sn.Load())
				if p.Send(&h, nil, text[:len(text)-len(text)%4]) != nil || (p.itt%16 == 0 && !g.nap(time.Millisecond)) {
					p.ended.Store(true)
					return
				}
			}
		})
	}
}

// crumbs sends data-out a byte at a time, as fast as it goes.
func crumbs(g *gang) {
	for range 8 {
		p := g.evil(g.who("evil"))
		if p == nil || p.put(write(0)) != nil {
			continue
		}
		g.goes(func() {
			_ = p.SetReadDeadline(time.Now().Add(hang))
			r, err := p.Receive()
			for err == nil && r.Opcode() != pdu.OpR2T {
				r, err = p.Receive()
			}
			if err != nil {
				return
			}
			x, err := pdu.ParseR2T(&r.BHS)
			for off := uint32(0); err == nil && off < x.DesiredLength && !g.stopped(); off++ {
				var h pdu.BHS
				pdu.DataOut{LUN: x.LUN, ITT: x.ITT, TTT: x.TTT, DataSN: off, BufferOffset: x.BufferOffset + off, Final: off+1 == x.DesiredLength}.Put(&h)
				err = p.Send(&h, nil, []byte{1})
			}
		})
	}
}
