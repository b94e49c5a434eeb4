//go:build abuse

package abuse

import (
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/initiator/fcp"
	"github.com/lunette-io/lunette/network/ethernet"
	"github.com/lunette-io/lunette/network/fc"
	"github.com/lunette-io/lunette/network/fc/els"
	"github.com/lunette-io/lunette/network/fc/fcoe"
	"github.com/lunette-io/lunette/network/fc/fip"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/fcp/iu"
	"github.com/lunette-io/lunette/transport/transporttest"
)

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// TestFCAnyFrames sends frames that nobody would: anything behind the two types; FIP with descriptors of any length; FC frames of any header to the target and
// to the services of a fabric.
func TestFCAnyFrames(t *testing.T) {
	overFC(t, func(s *fcScene) {
		dst, id, real := s.places()
		r := rand.New(rand.NewPCG(1, 1))
		groups := []ethernet.MAC{fip.AllFCoE, fip.AllENode, fip.AllFCF, fip.AllVN2VN, real, dst}
		for stop := time.Now().Add(3 * time.Second); time.Now().Before(stop); {
			var batch [][]byte
			for range 32 {
				src := mac(r.Uint32N(64))
				to := groups[r.IntN(len(groups))]
				switch r.IntN(3) {
				case 0:
					b := head(to, src, []ethernet.Type{fip.EtherType, fip.FCoEType}[r.IntN(2)])
					b = b[:len(b)+r.IntN(2100)]
					noise(r, b[ethernet.HeaderLen:])
					batch = append(batch, b)
				case 1:
					batch = append(batch, anyFIP(r, to, src))
				default:
					batch = append(batch, anyFC(r, dst, id))
				}
			}
			s.send(batch...)
		}
		s.comesIn()
	})
}

// anyFIP is a FIP frame with a header that is right, or nearly, and descriptors that are not.
func anyFIP(r *rand.Rand, dst, src ethernet.MAC) []byte {
	b := append(head(dst, src, fip.EtherType), 0x10, 0, 0, byte(r.IntN(6)), 0, byte(r.IntN(6)), 0, 0, byte(r.Uint32()), byte(r.Uint32()))
	start := len(b)
	for range r.IntN(6) {
		words := r.IntN(8)
		d := make([]byte, 4*max(words, 1))
		noise(r, d)
		d[0], d[1] = byte(1+r.IntN(16)), byte(words)
		b = append(b, d...)
	}
	words := (len(b) - start) / 4
	if r.IntN(4) == 0 {
		words += r.IntN(100)
	}
	b[ethernet.HeaderLen+6], b[ethernet.HeaderLen+7] = byte(words>>8), byte(words)
	return b
}

// anyFC is an FC frame with any header, of a port that is there or not.
func anyFC(r *rand.Rand, dst ethernet.MAC, id fc.ID) []byte {
	rctls := []fc.RCtl{0, 1, 2, 3, 4, 5, 6, 7, 0x22, 0x23, 0x32, 0x33, 0x80, 0x81, 0x84, 0x85, 0xc0, 0xc2, fc.RCtl(r.Uint32())}
	ids := []fc.ID{id, fc.FabricPort, fc.NameServer, fc.FabricController, fc.ID(r.Uint32N(1 << 24))}
	s := fc.ID(r.Uint32N(1 << 16))
	h := fc.Header{
		RCtl: rctls[r.IntN(len(rctls))], D: ids[r.IntN(len(ids))], S: s, Type: []fc.Type{0, 1, 8, 0x20, fc.Type(r.Uint32())}[r.IntN(5)],
		FCtl: fc.FCtl(r.Uint32N(1 << 24)), SeqID: byte(r.Uint32()), SeqCnt: uint16(r.Uint32N(3)), OX: uint16(r.Uint32N(4)), RX: uint16(r.Uint32()), Parameter: r.Uint32(),
	}
	if r.IntN(2) == 0 {
		h.FCtl, h.RX = fc.FCtlRequest, fc.NoID
	}
	payload := make([]byte, 4*r.IntN(60))
	noise(r, payload)
	if len(payload) > 0 && r.IntN(2) == 0 {
		payload[0] = []byte{0x03, 0x04, 0x05, 0x0e, 0x0f, 0x10, 0x12, 0x13, 0x14, 0x20, 0x21, 0x50, 0x51, 0x52, 0x61, 0x62, 0x78}[r.IntN(17)]
	}
	return encapsulate(dst, fip.PortMAC(fip.VN2VNMap, s), h, payload)
}

// TestFCFloods has ports without number come: each with a name and an address of its own, which claim, solicit, log in at the link and at the target, and are never
// heard of again.
func TestFCFloods(t *testing.T) {
	overFC(t, func(s *fcScene) {
		dst, id, real := s.places()
		customers := make(map[fc.ID]bool)
		for _, x := range s.Node.Sessions() {
			customers[x.Address] = true
		}
		for n := uint32(1); n <= 16000; n += 16 {
			var batch [][]byte
			for i := range uint32(16) {
				who := n + i
				port, at := fc.Name(0x2000_066600000000)+fc.Name(who), fc.ID(0x1000+who%0xe000)
				node := port - 0x1000_000000000000
				login, link := els.PortLogin(els.PLOGI, port, node, 2048, 2*time.Second), els.FabricLogin(els.FLOGI, port, node, 2112)
				if s.mode == fcoe.VN2VN {
					vn := fip.VNPort{MAC: fip.PortMAC(fip.VN2VNMap, at), ID: at, Port: port}
					claim := &fip.Frame{
						Kind: fip.ClaimNotification, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeVNPort, fip.TypeFC4, fip.TypeMaxSize),
						MAC: mac(who), Name: node, VNPorts: []fip.VNPort{vn}, MaxSize: 2158,
					}
					claim.FC4.Set(fc.TypeFCP, fc.FeatureInitiator)
					flogi := &fip.Frame{
						Kind: fip.LinkRequest, Has: fip.SetOf(fip.TypeFLOGI, fip.TypeMAC), MAC: vn.MAC,
						Link: fip.Link{Header: fc.Header{RCtl: fc.RCtlELSRequest, D: id, S: at, Type: fc.TypeELS, FCtl: fc.FCtlRequest, RX: fc.NoID}, Payload: link.Append(nil)},
					}
					plogi := fc.Header{RCtl: fc.RCtlELSRequest, D: id, S: at, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: uint16(who), RX: fc.NoID}
					batch = append(batch, fipFrame(fip.AllVN2VN, mac(who), claim), fipFrame(real, mac(who), flogi), encapsulate(dst, vn.MAC, plogi, login.Append(nil)))
					continue
				}
				solicit := &fip.Frame{
					Kind: fip.Solicitation, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeMAC, fip.TypeName, fip.TypeMaxSize), MAC: mac(who), Name: node, MaxSize: 2158,
				}
				flogi := &fip.Frame{
					Kind: fip.LinkRequest, Flags: fip.FPMA, Has: fip.SetOf(fip.TypeFLOGI, fip.TypeMAC),
					Link: fip.Link{Header: fc.Header{RCtl: fc.RCtlELSRequest, D: fc.FabricPort, Type: fc.TypeELS, FCtl: fc.FCtlRequest, RX: fc.NoID}, Payload: link.Append(nil)},
				}
				guess := fc.ID(0x010000 + who%0x1000)
				if customers[guess] {
					continue // who takes somebody's address on both levels is that one
				}
				plogi := fc.Header{RCtl: fc.RCtlELSRequest, D: id, S: guess, Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: uint16(who), RX: fc.NoID}
				batch = append(batch, fipFrame(fip.AllFCF, mac(who), solicit), fipFrame(real, mac(who), flogi),
					encapsulate(real, fip.PortMAC(fip.DefaultMap, guess), plogi, login.Append(nil)))
			}
			s.send(batch...)
			time.Sleep(time.Millisecond)
		}
		s.comesIn() // when there is room again: who claims to be there, and is never heard of, is forgotten
	})
}

// command begins an exchange of an evil port's own.
func evilCommand(p *fcp.Port, at fc.ID, ox uint16, x iu.Command) error {
	return p.Send(fc.Header{RCtl: fc.RCtlCommand, D: at, S: own(p), Type: fc.TypeFCP, FCtl: fc.FCtlRequest, OX: ox, RX: fc.NoID}, x.Append(nil))
}

func own(p *fcp.Port) fc.ID {
	a, _ := p.Attachment()
	return a.ID
}

func evilWrite(n int, way transporttest.Way) iu.Command {
	x := iu.Command{Write: true, Len: uint32(n)}
	copy(x.CDB[:], transporttest.CDB10(scsi.OpWrite10, 0, uint16(n/transporttest.BlockSize), way))
	return x
}

// TestFCUnanswered has writes whose data never comes, or half of it, or something else: as many as there are identifiers.
func TestFCUnanswered(t *testing.T) {
	overFC(t, func(s *fcScene) {
		_, id, _ := s.places()
		var all sync.WaitGroup
		for i := range byte(4) {
			asked := make(chan fc.Header, 1024)
			p, _ := s.evil(10+i, func(f *fc.Frame) bool {
				if f.RCtl == fc.RCtlDataDescriptor {
					select {
					case asked <- f.Header:
					default:
					}
				}
				return f.Type != fc.TypeFCP
			})
			all.Go(func() {
				data := make([]byte, 2048)
				stop := time.After(3 * time.Second)
				for ox := uint16(0); ; ox++ {
					_ = evilCommand(p, id, ox, evilWrite(1<<20, transporttest.Way(ox%3)))
					select {
					case <-stop:
						return
					case h := <-asked:
						f := fc.Header{RCtl: fc.RCtlData, D: id, S: own(p), Type: fc.TypeFCP, FCtl: fc.FCtlRelativeOffset, OX: h.OX, RX: h.RX, Parameter: uint32(ox%600) * 2048}
						switch ox % 4 {
						case 0: // a part, without an end
						case 1: // a part, and that was it
							f.FCtl |= fc.FCtlEndSequence | fc.FCtlSequenceInitiative
						case 2: // in somebody's exchange
							f.RX += ox
						case 3:
							continue
						}
						_ = p.Send(f, data)
					default:
					}
				}
			})
		}
		all.Wait()
		t.Logf("%d MiB of the arena are lent", s.Arena.Outstanding()>>20)
		s.comesIn()
	})
}

// TestFCAborts begins commands and aborts them at once, also those of others, and those that there are not; and asks about all of them.
func TestFCAborts(t *testing.T) {
	overFC(t, func(s *fcScene) {
		_, id, _ := s.places()
		var all sync.WaitGroup
		for i := range byte(4) {
			p, _ := s.evil(20+i, func(f *fc.Frame) bool { return f.Type != fc.TypeFCP && f.Type != fc.TypeBLS })
			all.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				for stop := time.Now().Add(3 * time.Second); time.Now().Before(stop); {
					ox := uint16(r.Uint32())
					if r.IntN(3) > 0 {
						_ = evilCommand(p, id, ox, evilWrite(64<<10, transporttest.Way(r.IntN(10))))
					}
					for range r.IntN(3) {
						_ = p.Send(fc.Header{RCtl: fc.RCtlABTS, D: id, S: own(p), FCtl: fc.FCtlEndSequence | fc.FCtlSequenceInitiative, OX: ox, RX: uint16(r.Uint32() | 0xff00)}, nil)
					}
					if r.IntN(2) == 0 {
						x := els.ReadExchange{S: fc.ID(r.Uint32N(1 << 24)), OX: ox, RX: fc.NoID}
						_ = p.Send(fc.Header{RCtl: fc.RCtlELSRequest, D: id, S: own(p), Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: ox + 1, RX: fc.NoID}, x.Append(nil))
					}
					if r.IntN(4) == 0 {
						x := els.Retransmit{OX: ox, RX: uint16(r.Uint32()), Offset: r.Uint32(), RCtl: fc.RCtl(r.IntN(8))}
						_ = p.Send(fc.Header{RCtl: fc.RCtlFC4Request, D: id, S: own(p), Type: fc.TypeFCP, FCtl: fc.FCtlRequest, OX: ox + 2, RX: fc.NoID}, x.Append(nil))
					}
					if r.IntN(4) == 0 {
						s.pace()
					}
					if r.IntN(50) == 0 {
						s.Units[0].Release()
					}
				}
			})
		}
		all.Wait()
		s.comesIn()
	})
}

// TestFCOthers sends frames for the exchanges of the customer: as itself, and, from its own Ethernet address, as the customer, and as the target.
func TestFCOthers(t *testing.T) {
	overFC(t, func(s *fcScene) {
		dst, id, _ := s.places()
		p, _ := s.evil(30, func(f *fc.Frame) bool { return f.Type != fc.TypeFCP && f.Type != fc.TypeBLS })
		var victims []fc.ID
		for _, x := range s.Node.Sessions() {
			victims = append(victims, x.Address)
		}
		r := rand.New(rand.NewPCG(1, 1))
		junk := make([]byte, 2048)
		noise(r, junk)
		for stop := time.Now().Add(3 * time.Second); time.Now().Before(stop); {
			h := fc.Header{
				RCtl: fc.RCtlData, D: id, S: own(p), Type: fc.TypeFCP, FCtl: fc.FCtlRelativeOffset | fc.FCtlEndSequence | fc.FCtlSequenceInitiative,
				OX: uint16(r.Uint32N(1 << 16)), RX: uint16(r.Uint32N(1 << 16)),
			}
			if r.IntN(3) == 0 {
				h.RCtl, h.Type, h.FCtl = fc.RCtlABTS, 0, fc.FCtlEndSequence|fc.FCtlSequenceInitiative
				_ = p.Send(h, nil)
			} else {
				_ = p.Send(h, junk)
			}
			h.S = victims[r.IntN(len(victims))]
			s.send(encapsulate(dst, mac(1), h, junk[:512]))
			h.S, h.D = id, h.S
			s.send(encapsulate(dst, mac(1), h, junk[:512]))
		}
		s.comesIn()
	})
}

// TestFCLoginStorm logs in and out and in again, with commands in between, and is silent for the rest.
func TestFCLoginStorm(t *testing.T) {
	overFC(t, func(s *fcScene) {
		_, id, _ := s.places()
		var all sync.WaitGroup
		for i := range byte(4) {
			p, _ := s.evil(40+i, func(f *fc.Frame) bool { return f.Type != fc.TypeFCP })
			all.Go(func() {
				login := els.PortLogin(els.PLOGI, s.Config(40+i).Port, s.Config(40+i).Node, 2048, 2*time.Second)
				r := rand.New(rand.NewPCG(uint64(i), 1))
				ask := func(ox uint16, payload []byte) {
					_ = p.Send(fc.Header{RCtl: fc.RCtlELSRequest, D: id, S: own(p), Type: fc.TypeELS, FCtl: fc.FCtlRequest, OX: ox, RX: fc.NoID}, payload)
				}
				for stop := time.Now().Add(3 * time.Second); time.Now().Before(stop); {
					ox := uint16(r.Uint32())
					ask(ox, login.Append(nil))
					ask(ox+1, []byte{0x20, 0x10, 0, 0x14, 8, 0, 0x20, 0, 12: 0, 18: 1, 19: 0xa2})
					for k := range uint16(r.IntN(8)) {
						_ = evilCommand(p, id, ox+2+k, evilWrite(64<<10, transporttest.Way(k)))
					}
					s.pace()
					if r.IntN(4) == 0 {
						ask(ox+20, els.Logout{ID: own(p), Port: login.Port}.Append(nil))
					}
				}
			})
		}
		all.Wait()
		s.comesIn()
	})
}
