package transporttest_test

import (
	"bytes"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	initiator "github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/sim"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

// TestEachFrameLost loses each frame of a command, one at a time; has each twice; and holds each back until others have overtaken it. With retransmission nothing
// fails but reads of which data was lost: a target does not keep that of short ones.
func TestEachFrameLost(t *testing.T) {
	for way, params := range fcpWays {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { eachFrame(t, params) })
		})
	}
}

func eachFrame(t *testing.T, params uint32) {
	n := sim.New()
	s := transporttest.NewFCP(t, transporttest.SimFC(n), fcp.Config{}, nil)
	defer s.Close()
	cfg := s.Config(1)
	cfg.Params, cfg.Timeout = params, time.Minute
	p := s.Open(cfg)
	const size = 10 << 10
	model := transporttest.NewModel(1, size/transporttest.BlockSize)
	buf := make([]byte, size)
	for _, w := range []transporttest.Way{transporttest.Lend, transporttest.Later, transporttest.Sense} {
		for _, op := range []scsi.Opcode{scsi.OpWrite10, scsi.OpRead10} {
			for name, fate := range map[string]sim.Fate{"lost": {Drop: true}, "twice": {Copies: 1}, "late": {Hold: 2}} {
				for lose := 0; ; lose++ {
					c, err := s.Again(p)
					if err != nil {
						t.Error(err)
						return
					}
					k := &initiator.Command{CDB: transporttest.CDB10(op, 0, size/transporttest.BlockSize, w)}
					var write uint64
					if op == scsi.OpRead10 {
						k.In = buf
						clear(buf)
					} else {
						k.Out = buf
						write = model.Fill(buf, 0)
					}
					seen, what := 0, fc.RCtl(0)
					n.Break(func(e sim.Event) (f sim.Fate) {
						if seen == lose {
							f, what = fate, e.RCtl
						}
						seen++
						return f
					})
					err = c.Do(k)
					n.Break(nil)
					good := err == nil && k.Status == scsi.Good
					if write != 0 {
						model.Wrote(write, 0, size/transporttest.BlockSize, good)
					}
					switch {
					case err != nil && !errors.Is(err, initiator.ErrLost), err != nil && params&iu.ParamRetry != 0 && k.In == nil, err != nil && name != "lost":
						t.Errorf("%v of %x, %v %s: %v", what, k.CDB, what, name, err)
					case good && k.In != nil:
						if err := model.Read(k.In, 0); err != nil {
							t.Errorf("%x, %v %s: %v", k.CDB, what, name, err)
						}
					}
					if seen <= lose { // there was no such frame
						break
					}
					time.Sleep(20 * time.Second) // what was aborted rests until then
				}
			}
		}
	}
	t.Logf("%+v", p.Counts())
	k := &initiator.Command{CDB: transporttest.CDB10(scsi.OpRead10, 0, size/transporttest.BlockSize, 0), In: bytes.Clone(buf)}
	if c, err := s.Again(p); err != nil || c.Do(k) != nil || model.Read(k.In, 0) != nil {
		t.Error(err, k.Err)
	}
}
