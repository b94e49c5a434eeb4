//go:build hostile

package hostile

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/transport/iscsi/pdu"
)

// The drives: the gang comes to one with CDs, and to one with discs that can be written.
const (
	onCD  = scsi.LUN(0)
	onDVD = scsi.LUN(1 << 48)
	onBy  = scsi.LUN(2 << 48) // a drive that nobody attacks

	sector    = 2048
	cdSectors = 2048
)

// image is what is on a disc: each sector says of which disc it is, and where.
func image(disc int) []byte {
	b := make([]byte, cdSectors*sector)
	for i := range cdSectors {
		binary.BigEndian.PutUint32(b[i*sector:], uint32(disc))
		binary.BigEndian.PutUint32(b[i*sector+4:], uint32(i))
	}
	return b
}

// opticalLayout is a document of one target with three drives, which all transports show, and a library.
func opticalLayout(t testing.TB, dir, limits string) string {
	t.Helper()
	library := filepath.Join(dir, "library")
	must(t, os.Mkdir(library, 0o700))
	for i := range 2 {
		for _, drive := range []string{"cd", "dvd", "by"} {
			must(t, os.WriteFile(filepath.Join(library, fmt.Sprintf("%s%d.iso", drive, i)), image(i), 0o600))
		}
	}
	return fmt.Sprintf("units:\n- {name: cd, device: {kind: optical, disc: cd0, library: %[1]q}}\n- {name: dvd, device: {kind: optical, disc: dvd0, library: %[1]q, writable: true}}\n"+
		"- {name: by, device: {kind: optical, disc: by0, library: %[1]q}}\ntargets:\n- {name: %[2]q, luns: {0: cd, 1: dvd, 2: by}}\n"+
		"portals: [\"127.0.0.1:0\", \"iser+iwarp://127.0.0.1:0\", \"srp+iwarp://127.0.0.1:0\"]\nlimits: %[3]s\n", library, targetName, limits)
}

func newOpticalScene(t testing.TB, limits string) *tapeScene {
	t.Helper()
	dir := t.TempDir()
	s := &tapeScene{scene: &scene{t: t, net: newNetwork(t), d: serveIn(t, dir, nil, opticalLayout(t, dir, limits))}}
	t.Cleanup(func() {
		if !s.d.up() {
			t.Errorf("the daemon has ended, status %d", s.d.status)
		} else if status := s.d.stop(); status != 0 {
			t.Errorf("the daemon ended with status %d", status)
		}
	})
	return s
}

// operated is what an operator does while drives are attacked: a disc comes in, and goes out, whatever initiators do, each in a time that does not depend
// on them.
func (s *tapeScene) operated(round int) {
	s.t.Helper()
	for _, drive := range []string{"cd", "dvd"} {
		for _, step := range []struct {
			action string
			args   map[string]any
		}{
			{"load", map[string]any{"medium": fmt.Sprint(drive, round%2), "force": true}},
			{"eject", map[string]any{"force": true}},
			{"load", map[string]any{"medium": fmt.Sprint(drive, 1-round%2), "force": true}},
		} {
			ctx, cancel := context.WithTimeout(context.Background(), hang)
			begin := time.Now()
			err := s.d.api.Act(ctx, drive, step.action, step.args, nil)
			cancel()
			if err != nil {
				s.t.Fatalf("%s of %s, after %v: %v", step.action, drive, time.Since(begin), err)
			}
			s.slowest = max(s.slowest, time.Since(begin))
		}
	}
}

// watched is what others do with drives that are attacked: they are answered, whatever the answer is; and the drive that is not attacked gives them its data.
func (s *tapeScene) watched(over string, rounds int) {
	s.t.Helper()
	in, want := make([]byte, 64<<10), image(0)
	for i := range rounds {
		s.operated(i)
		h := s.enters(over) // who waits for the operator without a word would be idle
		for _, lun := range []scsi.LUN{onCD, onDVD} {
			for _, c := range [][]byte{
				cdb.Inquiry{Allocation: 96}.Append(nil), cdb.GetEventStatus{Polled: true, Classes: 0x10, Allocation: 8}.Append(nil), plain(scsi.OpTestUnitReady),
				{byte(scsi.OpGetConfiguration), 0, 0, 0, 0, 0, 0, 4, 0, 0}, {byte(scsi.OpReadTOC), 0, 0, 0, 0, 0, 0, 0, 20, 0}, cdb10(scsi.OpRead10, 7, 16, 0),
			} {
				if status, _, err := h.do(work{lun: lun, cdb: c, attr: pdu.AttrSimple, in: in}); err != nil {
					s.t.Fatalf("%x: %v, %v", c, status, err)
				}
			}
		}
		at := i * 32 % cdSectors
		s.good(h, onBy, cdb10(scsi.OpRead10, uint32(at), 32, 0), nil, in)
		if !bytes.Equal(in, want[at*sector:][:len(in)]) {
			s.t.Fatal("what was read is not on the disc")
		}
		h.close()
	}
}

// discsWhole checks that the discs are what they were, and can be used as before.
func (s *tapeScene) discsWhole() {
	s.t.Helper()
	s.operated(1) // disc 0 is in the drives then
	h, in, want := s.enters("tcp"), make([]byte, 128*sector), image(0)
	defer h.close()
	for _, lun := range []scsi.LUN{onCD, onDVD} {
		for at := 0; at < cdSectors; at += 128 {
			s.good(h, lun, cdb10(scsi.OpRead10, uint32(at), 128, 0), nil, in)
			if !bytes.Equal(in, want[at*sector:][:len(in)]) {
				s.t.Fatal("what was read is not on the disc")
			}
		}
		s.good(h, lun, []byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, 1, 0}, nil, nil)
		s.good(h, lun, []byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, 0, 0}, nil, nil)
		s.good(h, lun, []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 2, 0}, nil, nil) // nobody prevents it any more
		s.good(h, lun, []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, 3, 0}, nil, nil)
	}
}

// opticalOpcodes are those of garbage: what a drive has, or could have. None of them writes to a disc.
var opticalOpcodes = []scsi.Opcode{
	scsi.OpTestUnitReady, scsi.OpRequestSense, scsi.OpInquiry, scsi.OpModeSelect6, scsi.OpModeSense6, scsi.OpStartStopUnit, scsi.OpPreventAllowRemoval, scsi.OpReadFormatCapacities,
	scsi.OpReadCapacity10, scsi.OpRead10, scsi.OpSeek10, scsi.OpVerify10, scsi.OpSynchronizeCache10, scsi.OpReadSubChannel, scsi.OpReadTOC, scsi.OpGetConfiguration, scsi.OpGetEventStatus,
	scsi.OpReadDiscInformation, scsi.OpReadTrackInformation, scsi.OpReserveTrack, scsi.OpSendOPCInformation, scsi.OpModeSelect10, scsi.OpRepairTrack, scsi.OpModeSense10, scsi.OpCloseTrackSession,
	scsi.OpReadBufferCapacity, scsi.OpSendCueSheet, scsi.OpReportLUNs, scsi.OpBlank, scsi.OpSendKey, scsi.OpReportKey, scsi.OpLoadUnloadMedium, scsi.OpSetReadAhead, scsi.OpRead12,
	scsi.OpServiceActionIn12, scsi.OpGetPerformance, scsi.OpReadDiscStructure, scsi.OpSetStreaming, scsi.OpReadCDMSF, scsi.OpSetCDSpeed, scsi.OpMechanismStatus, scsi.OpReadCD,
	scsi.OpSendDiscStructure, scsi.OpLogSense, scsi.OpFormatUnit,
}

// garbage is a command of a drive with anything in it.
func garbage(r *rand.Rand) command {
	c := command{lun: []scsi.LUN{onCD, onDVD}[r.IntN(2)], cdb: make([]byte, 16), attr: pdu.AttrSimple}
	for i := range c.cdb {
		if r.IntN(3) > 0 {
			c.cdb[i] = byte(r.Uint32() >> (r.IntN(4) * 2))
		}
	}
	c.cdb[0] = byte(opticalOpcodes[r.IntN(len(opticalOpcodes))])
	switch r.IntN(3) {
	case 0:
		c.in = r.IntN(1 << r.IntN(20))
	case 1: // comes along
		c.out = 1 + r.IntN(2000)
		c.data = make([]byte, c.out)
		for i := range c.data {
			c.data[i] = byte(r.Uint32())
		}
	}
	return c
}

// opticalAttacks take all that there is of a drive, or keep it.
func opticalAttacks() []attack {
	on := func(k int, c []byte, in int) command {
		return command{lun: []scsi.LUN{onCD, onDVD}[k%2], cdb: c, attr: pdu.AttrSimple, in: in}
	}
	events := cdb.GetEventStatus{Polled: true, Classes: 0xff, Allocation: 0xffff}.Append(nil)
	configuration := []byte{byte(scsi.OpGetConfiguration), 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0}
	readCD := func(blocks int) []byte {
		return []byte{byte(scsi.OpReadCD), 0, 0, 0, 0, 0, byte(blocks >> 16), byte(blocks >> 8), byte(blocks), 0xf8, 0, 0} // all of the raw sectors
	}
	startStop := func(bits byte) []byte { return []byte{byte(scsi.OpStartStopUnit), 0, 0, 0, bits, 0} }
	prevent := func(bits byte) []byte { return []byte{byte(scsi.OpPreventAllowRemoval), 0, 0, 0, bits, 0} }
	return []attack{
		{name: "events and features", over: transports, stands: answered, begin: func(g *gang) {
			g.flood(4, 60, func(k int) command { return on(k/2, [][]byte{events, configuration}[k%2], 0xffff) })
		}},
		{name: "events that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(16, 60, one, func(k int) command { return on(k/2, [][]byte{events, configuration}[k%2], 0xffff) }, false)
		}},
		{name: "READ CD that is taken", over: transports, stands: answered, begin: func(g *gang) {
			g.flood(2, 16, func(int) command { return on(0, readCD(400), 1<<20) })
		}},
		{name: "READ CD that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(4, 16, one, func(int) command { return on(0, readCD(1600), 4<<20) }, false)
			g.nap(100 * time.Millisecond)
		}},
		{name: "READ that nobody takes", over: transports, begin: func(g *gang) {
			g.fill(4, 16, one, func(k int) command { return on(k, cdb10(scsi.OpRead10, 0, cdSectors, 0), cdSectors*sector) }, false)
			g.nap(100 * time.Millisecond)
		}},
		{name: "tables of contents and structures", over: transports, stands: answered, begin: func(g *gang) {
			all := [][]byte{{byte(scsi.OpReadTOC), 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0}, {byte(scsi.OpReadDiscInformation), 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0},
				{byte(scsi.OpReadDiscStructure), 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0}, {byte(scsi.OpModeSense10), 0, 0x3f, 0xff, 0, 0, 0, 0xff, 0xff, 0}}
			g.flood(4, 60, func(k int) command { return on(k/4, all[k%len(all)], 0xffff) })
		}},
		{name: "parameter lists and blocks that never come", over: transports, stands: owed, begin: func(g *gang) {
			lists := [][]byte{{byte(scsi.OpModeSelect10), 0x10, 0, 0, 0, 0, 0, 0xff, 0xf0, 0}, {byte(scsi.OpFormatUnit), 0x11, 0, 0, 0, 0},
				{byte(scsi.OpSendOPCInformation), 0, 0, 0, 0, 0, 0, 0xff, 0xf0, 0}, cdb10(scsi.OpWrite10, 0, 32, 0), cdb10(scsi.OpWrite10, 0, 512, 0)}
			g.fill(8, 32, one, func(k int) command {
				c := on(1, lists[k%len(lists)], 0)
				c.out = []int{0xfff0, 12, 0xfff0, 32 * sector, 512 * sector}[k%len(lists)]
				return c
			}, true)
			g.until(hang, func() bool { return owed(g) })
		}},
		{name: "PREVENT for ever", over: transports, stands: answered, begin: func(g *gang) {
			g.fill(4, 4, one, func(k int) command { return on(k, prevent([]byte{1, 3}[k/2%2]), 0) }, true)
			for range 4 {
				g.goes(func() {
					for k := 0; !g.stopped(); k++ { // who comes again prevents again
						p, _ := g.comes("evil")
						if p == nil {
							return
						}
						p.read()
						for i := range 8 {
							if p.put(on(i, prevent([]byte{1, 3}[i/2%2]), 0)) != nil {
								break
							}
						}
						if k < 200 { // as often as there is memory for it in this test
							g.until(hang, func() bool { return p.counts().responses >= 8 || p.counts().ended })
							if q, ok := p.(*peer); ok {
								_ = q.Close()
							} else if q, ok := p.(*channel); ok {
								_ = q.Close()
							}
							continue
						}
						<-g.stop
					}
				})
			}
			g.until(hang, func() bool { return answered(g) })
		}},
		{name: "ejects", over: transports, stands: answered, begin: func(g *gang) {
			g.flood(4, 30, func(k int) command { return on(k/8, startStop([]byte{2, 3, 0, 1}[k%4]), 0) })
		}},
		{name: "garbage", over: transports, stands: answered, begin: func(g *gang) {
			r := rand.New(rand.NewPCG(13, 1))
			all := make([]command, 20000)
			for i := range all {
				all[i] = garbage(r)
			}
			g.flood(4, 30, func(k int) command { return all[k%len(all)] })
		}},
		{name: "aborts", over: []string{"tcp", "iser"}, begin: func(g *gang) {
			for i := range 4 {
				p := g.evil(g.who("evil"))
				if p == nil {
					continue
				}
				if i%2 == 0 {
					p.read()
				}
				// No resets: they abort the commands of others too, who are not told by a response.
				functions := []pdu.TMFFunction{pdu.TMFAbortTaskSet, pdu.TMFAbortTask, pdu.TMFQueryTask}
				g.goes(func() {
					for k := 0; !g.stopped(); k++ {
						c := []command{on(0, readCD(800), 2<<20), on(k, cdb10(scsi.OpRead10, 0, 512, 0), 1<<20), on(k, startStop(2), 0), on(k, startStop(3), 0)}[k%4]
						if p.put(c) != nil || p.manage(functions[(k/4+i)%len(functions)], c.lun, p.itt) != nil || k%16 == 15 && !g.nap(time.Millisecond) {
							return
						}
					}
				})
			}
			g.nap(100 * time.Millisecond)
		}},
	}
}

// TestOpticalAttacks: whatever is done to a drive, an operator who forces it changes and takes out its disc; others are answered, and served where nobody attacks;
// what the daemon takes is bounded, and all of it is given back; and the discs are what they were. Each attack goes over one transport, and over all when
// the siege is a long one.
func TestOpticalAttacks(t *testing.T) {
	for i, a := range opticalAttacks() {
		t.Run(a.name, func(t *testing.T) {
			s := newOpticalScene(t, limits)
			ways := a.over
			if *siegeFor < time.Minute {
				ways = ways[i%len(ways):][:1]
			}
			for _, over := range ways {
				before := s.quiet()
				g := &gang{scene: s.scene, t: t, over: over, anyhow: true, stop: make(chan struct{})}
				func() {
					defer g.end()
					a.begin(g)
					s.watched(over, 4)
					if a.stands != nil && !a.stands(g) {
						t.Errorf("over %s: the attack has not begun", over)
					}
					if took := s.d.resident(); took > before.rss+slackMemory {
						t.Errorf("over %s: %d MiB resident, %d before", over, took>>20, before.rss>>20)
					}
				}()
				s.left(a.name+" over "+over, before)
				s.discsWhole()
			}
			t.Logf("the slowest action of the operator took %v", s.slowest)
		})
	}
}
