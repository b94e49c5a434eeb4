//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// The library that is attacked: the gang comes to the first drive and to the robot.
const (
	onDrive = scsi.LUN(0)
	onRobot = scsi.LUN(1 << 48)
	onOther = scsi.LUN(2 << 48) // a drive that nobody attacks

	firstSlot  = 1000
	firstDrive = 500
	tapeBlock  = 64 << 10
	tapeBlocks = 256
)

// tapeLayout is a document of one target with a library, which all transports show.
func tapeLayout(t testing.TB, dir, limits string) string {
	t.Helper()
	store := filepath.Join(dir, "vtl")
	must(t, os.Mkdir(store, 0o700))
	return fmt.Sprintf("units:\n- {name: backup, device: {kind: library, store: %q, drives: [2xlto8], slots: 200, mail-slots: 1, addresses: {transport: 1, storage: %d, mail: 100, drive: %d}}}\n"+
		"targets:\n- {name: %q, luns: {0: backup/drive0, 1: backup/changer, 2: backup/drive1}}\n"+
		"portals: [\"127.0.0.1:0\", \"iser+iwarp://127.0.0.1:0\", \"srp+iwarp://127.0.0.1:0\"]\nlimits: %s\n", store, firstSlot, firstDrive, targetName, limits)
}

// A tapeScene is a daemon with a library, or optical drives, that is attacked, and who uses it besides.
type tapeScene struct {
	*scene
	slowest time.Duration // of what the operator of optical drives does
}

func newTapeScene(t testing.TB, limits string) *tapeScene {
	t.Helper()
	dir := t.TempDir()
	s := &tapeScene{scene: &scene{t: t, net: newNetwork(t), d: serveIn(t, dir, nil, tapeLayout(t, dir, limits))}}
	must(t, s.d.api.Act(context.Background(), "backup", "create", map[string]any{"format": "L8", "count": 4, "prefix": "LUN", "capacity": "128M"}, nil))
	t.Cleanup(func() {
		if !s.d.up() {
			t.Errorf("the daemon has ended, status %d", s.d.status)
		} else if status := s.d.stop(); status != 0 {
			t.Errorf("the daemon ended with status %d", status)
		}
	})
	h := s.enters("tcp")
	defer h.close()
	s.good(h, onRobot, move(firstSlot, firstDrive), nil, nil)
	s.good(h, onRobot, move(firstSlot+1, firstDrive+1), nil, nil)
	s.fixed(h)
	block := make([]byte, tapeBlock)
	for i := range tapeBlocks {
		binary.BigEndian.PutUint32(block, uint32(i))
		s.good(h, onDrive, cdb.Transfer{Opcode: scsi.OpWrite6, Fixed: true, Length: 1}.Append(nil), block, nil)
	}
	s.good(h, onDrive, cdb.WriteFilemarks{Count: 1}.Append(nil), nil, nil)
	return s
}

// quiet is what the daemon takes when nobody uses it.
func (s *tapeScene) quiet() (now state) {
	s.t.Helper()
	s.d.eventually("all sessions have ended", func() bool {
		var err error
		now, err = s.d.state()
		return err == nil && now.sessions == 0
	})
	return now
}

// fixed lets the blocks of the drive have a fixed length, until it is reset.
func (s *tapeScene) fixed(h host) {
	s.t.Helper()
	mode := []byte{0, 0, 0x10, 8, 0, 0, 0, 0, 0, tapeBlock >> 16, tapeBlock >> 8 & 0xff, tapeBlock & 0xff}
	s.good(h, onDrive, []byte{byte(scsi.OpModeSelect6), 0x10, 0, 0, byte(len(mode)), 0}, mode, nil)
}

// enters logs somebody in who uses the library.
func (s *tapeScene) enters(over string) host {
	s.t.Helper()
	h, err := s.net.host(s.d, over, "user")
	must(s.t, err)
	return h
}

func move(from, to uint16) []byte { return cdb.MoveMedium{Source: from, Destination: to}.Append(nil) }

// plain is a command of six bytes without a parameter.
func plain(op scsi.Opcode) []byte { return []byte{byte(op), 0, 0, 0, 0, 0} }

// readBlocks is a READ of blocks of a fixed length.
func readBlocks(n int) []byte {
	return cdb.Transfer{Opcode: scsi.OpRead6, Fixed: true, Length: uint32(n)}.Append(nil)
}

// status is READ ELEMENT STATUS with all that there is.
func elementStatus(allocation int) []byte {
	return cdb.ReadElementStatus{Tags: true, Identifiers: true, Count: 0xffff, Allocation: uint32(allocation)}.Append(nil)
}

// good does a command until it is GOOD: it is tried again if the daemon says so, or has something to tell.
func (s *tapeScene) good(h host, lun scsi.LUN, c, out, in []byte) {
	s.t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		status, sense, err := h.do(work{lun: lun, cdb: c, attr: pdu.AttrSimple, out: out, in: in})
		x, _ := scsi.ParseSense(sense)
		switch {
		case err != nil:
			s.t.Fatalf("%x: %v", c, err)
		case status == scsi.Good:
			return
		case status == scsi.CheckCondition && x.Key == scsi.KeyUnitAttention, status == scsi.TaskSetFull, status == scsi.Busy:
		default:
			s.t.Fatalf("%x: %v, %v", c, status, x)
		}
		if time.Since(begin) > hang {
			s.t.Fatalf("%x: still %v", c, status)
		}
	}
}

// used is all that others do with a library while it is attacked. Of the drive that is attacked they ask its position: who attacks
// it moves the medium as well.
func (s *tapeScene) used(over string, rounds int) {
	s.t.Helper()
	h := s.enters(over)
	defer h.close()
	in, block := make([]byte, 64<<10), make([]byte, 40<<10)
	for i := range rounds {
		s.good(h, onDrive, cdb.ReadPosition{}.Append(nil), nil, in[:20])
		s.good(h, onDrive, cdb.Inquiry{Allocation: 96}.Append(nil), nil, in[:96])
		s.good(h, onRobot, elementStatus(len(in)), nil, in)
		s.good(h, onRobot, move(firstSlot+2, firstSlot+100), nil, nil)
		s.good(h, onRobot, move(firstSlot+100, firstSlot+2), nil, nil)
		s.good(h, onOther, plain(scsi.OpRewind), nil, nil)
		for k := range 4 {
			for j := range block {
				block[j] = byte(i*7 + k + j*j>>8)
			}
			s.good(h, onOther, cdb.Transfer{Opcode: scsi.OpWrite6, Length: uint32(len(block))}.Append(nil), block, nil)
		}
		s.good(h, onOther, cdb.WriteFilemarks{Count: 1}.Append(nil), nil, nil)
		s.good(h, onOther, cdb.Locate{Opcode: scsi.OpLocate10, Identifier: 3}.Append(nil), nil, nil)
		s.good(h, onOther, cdb.Transfer{Opcode: scsi.OpRead6, Length: uint32(len(block))}.Append(nil), nil, in[:len(block)])
		if !bytes.Equal(in[:len(block)], block) {
			s.t.Fatal("what was read is not what was written")
		}
	}
}

// whole checks that the tape in the drive that is attacked can be used as before.
func (s *tapeScene) whole() {
	s.t.Helper()
	h, in := s.enters("tcp"), make([]byte, tapeBlock)
	defer h.close()
	s.fixed(h)
	s.good(h, onDrive, plain(scsi.OpRewind), nil, nil)
	for i := range tapeBlocks {
		s.good(h, onDrive, readBlocks(1), nil, in)
		if n := binary.BigEndian.Uint32(in); int(n) != i {
			s.t.Fatalf("block %d is block %d", i, n)
		}
	}
	s.good(h, onDrive, plain(scsi.OpRewind), nil, nil)
}

// tapeAttacks take all that there is of a drive or of the robot. None of them writes to the tape.
func tapeAttacks() []attack {
	on := func(lun scsi.LUN, c []byte, in int) command {
		return command{lun: lun, cdb: c, attr: pdu.AttrSimple, in: in}
	}
	variable := cdb.Transfer{Opcode: scsi.OpWrite6, Length: 1 << 20}.Append(nil)
	return []attack{
		{name: "WRITE that is not fed", over: transports, stands: owed, begin: func(g *gang) {
			g.fill(4, 16, one, func(int) command {
				c := on(onDrive, variable, 0)
				c.out = 1 << 20
				return c
			}, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "READ of many blocks that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(2, 16, one, func(k int) command {
				if k%2 == 0 {
					return on(onDrive, plain(scsi.OpRewind), 0)
				}
				return on(onDrive, readBlocks(tapeBlocks), tapeBlocks*tapeBlock)
			}, false)
			g.nap(100 * time.Millisecond)
		}},
		{name: "READ of many blocks that is taken", over: transports, stands: got, begin: func(g *gang) {
			g.flood(2, 16, func(k int) command {
				if k%2 == 0 {
					return on(onDrive, plain(scsi.OpRewind), 0)
				}
				return on(onDrive, readBlocks(32), 32*tapeBlock)
			})
		}},
		{name: "READ ELEMENT STATUS", over: transports, stands: got, begin: func(g *gang) {
			g.flood(4, 60, func(int) command { return on(onRobot, elementStatus(0xffffff), 1<<20) })
		}},
		{name: "READ ELEMENT STATUS that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(16, 60, one, func(int) command { return on(onRobot, elementStatus(0xffffff), 1<<20) }, false)
		}},
		{name: "commands that move the medium", over: transports, begin: func(g *gang) {
			all := [][]byte{plain(scsi.OpRewind), cdb.Locate{Opcode: scsi.OpLocate10, Identifier: 200}.Append(nil), cdb.ReadPosition{}.Append(nil),
				{byte(scsi.OpSpace6), 0, 0, 0, 1, 0}, {byte(scsi.OpSpace6), 3, 0, 0, 0, 0}, {byte(scsi.OpRewind), 1, 0, 0, 0, 0}}
			g.flood(4, 60, func(k int) command { return on(onDrive, all[k%len(all)], 20) })
		}},
		{name: "moves of the robot that are refused", over: transports, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command { return on(onRobot, move(firstSlot+50, uint16(firstSlot+k%300)), 0) })
		}},
		{name: "logs, attributes and pages", over: transports, begin: func(g *gang) {
			all := [][]byte{{byte(scsi.OpLogSense), 0, 0x6e, 0, 0, 0, 0, 0xff, 0xff, 0}, cdb.ReadAttribute{Allocation: 0xffffff}.Append(nil),
				{byte(scsi.OpModeSense10), 0, 0x3f, 0xff, 0, 0, 0, 0xff, 0xff, 0}, {byte(scsi.OpReportDensitySupport), 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0}}
			g.flood(4, 60, func(k int) command { return on(onDrive, all[k%len(all)], 1<<16) })
		}},
		{name: "parameter lists that never come", over: transports, stands: owed, begin: func(g *gang) {
			lists := [][]byte{
				{byte(scsi.OpModeSelect10), 0x10, 0, 0, 0, 0, 0, 0xff, 0xf0, 0}, {byte(scsi.OpPersistentReserveOut), 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0},
				cdb.WriteAttribute{Length: 0xfff0}.Append(nil),
				cdb.SecurityProtocol{Opcode: scsi.OpSecurityProtocolOut, Protocol: cdb.ProtocolDataEncryption, Specific: 0x10, Length: 0xfff0}.Append(nil),
			}
			g.fill(8, 32, one, func(k int) command {
				c := on(onDrive, lists[k%len(lists)], 0)
				c.out = 0xfff0
				return c
			}, true)
			g.until(hang, func() bool { return answered(g) || owed(g) })
		}},
		{name: "aborts", over: []string{"tcp", "iser"}, begin: func(g *gang) { tapeAborts(g, variable, pdu.TMFAbortTaskSet, pdu.TMFAbortTask, pdu.TMFQueryTask) }},
	}
}

// got reports that data has come to the gang; over iSER it comes unseen.
func got(g *gang) bool {
	sum, _ := g.total()
	return sum.data > 0 || g.over == "iser" && sum.good > 0
}

// tapeAborts aborts reads that nobody takes, writes that are not fed, and motions.
func tapeAborts(g *gang, write []byte, functions ...pdu.TMFFunction) {
	for i := range 4 {
		p := g.evil(g.who("evil"))
		if p == nil || p.ready(onDrive) != nil {
			continue
		}
		if i%2 == 0 {
			p.read()
		}
		g.goes(func() {
			for k := 0; !g.stopped(); k++ {
				c := command{lun: onDrive, cdb: plain(scsi.OpRewind), attr: pdu.AttrSimple}
				switch k % 3 {
				case 0:
					c.cdb, c.out = write, 1<<20
				case 1:
					c.cdb, c.in = readBlocks(tapeBlocks), tapeBlocks*tapeBlock
				}
				if p.put(c) != nil || p.manage(functions[(k+i)%len(functions)], onDrive, p.itt) != nil || k%16 == 15 && !g.nap(time.Millisecond) {
					return
				}
			}
		})
	}
	g.nap(100 * time.Millisecond)
}

// TestTapeAttacks: whatever is done to a drive and to the robot, others use the library, that drive as well; what the daemon takes is
// bounded, and all of it is given back; and the tape is what it was.
func TestTapeAttacks(t *testing.T) {
	for _, a := range tapeAttacks() {
		t.Run(a.name, func(t *testing.T) {
			s := newTapeScene(t, limits)
			for _, over := range a.over {
				before := s.quiet()
				g := &gang{scene: s.scene, t: t, over: over, stop: make(chan struct{})}
				func() {
					defer g.end()
					a.begin(g)
					s.used(over, 6)
					if a.stands != nil && !a.stands(g) {
						t.Errorf("over %s: the attack has not begun", over)
					}
					if took := s.d.resident(); took > before.rss+slackMemory {
						t.Errorf("over %s: %d MiB resident, %d before", over, took>>20, before.rss>>20)
					}
				}()
				s.left(a.name+" over "+over, before)
				s.whole()
			}
		})
	}
}
