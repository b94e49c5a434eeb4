package devicetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/target"
	"github.com/lunette-io/lunette/transport/loopback"
)

// parameterLists: lists that are too short, or not sent whole, are refused.
func (b *bench) parameterLists() {
	s := b.login(1, loopback.Options{})
	if b.rows != nil {
		b.modeLists(s)
	}
	for n := range 24 {
		c := cdb.PersistentOut{Length: uint32(n)}.Append(nil)
		b.fails(s, c, make([]byte, n), scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	}
	b.fails(s, cdb.PersistentOut{Length: 0xffffffff}.Append(nil), make([]byte, 24), scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	for _, bit := range []byte{0x01, 0x04} { // APTPL, ALL_TG_PT
		list := cdb.PersistentList{ActionKey: 1}.Append(nil)
		list[20] = bit
		b.fails(s, cdb.PersistentOut{Length: 24}.Append(nil), list, scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInParameterList)
	}
}

// modeLists is parameterLists for MODE SELECT.
func (b *bench) modeLists(s *loopback.Session) {
	select6 := cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 16}
	b.fails(s, select6.Append(nil), make([]byte, 15), scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	b.fails(s, select6.Append(nil), nil, scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	select6.Length = 3
	b.fails(s, select6.Append(nil), make([]byte, 3), scsi.KeyIllegalRequest, scsi.ASCParameterListLengthError)
	select6.Length = 0
	b.good(s, select6.Append(nil), nil, 0)
	select6.Length, select6.Save = 16, true
	b.fails(s, select6.Append(nil), make([]byte, 16), scsi.KeyIllegalRequest, scsi.ASCInvalidFieldInCDB)
}

// dataOutFails: what the transport says of a transfer is what the initiator hears.
func (b *bench) dataOutFails() {
	why := scsi.AbortedCommand(scsi.ASCProtocolServiceCRCError)
	s := b.login(1, loopback.Options{FailDataOut: &target.DataError{Sense: why}})
	commands := [][]byte{b.d.Write, cdb.PersistentOut{Length: 24}.Append(nil)}
	if b.rows != nil {
		commands = append(commands, cdb.ModeSelect{Opcode: scsi.OpModeSelect6, PF: true, Length: 16}.Append(nil))
	}
	for _, c := range commands {
		b.fails(s, c, make([]byte, max(b.d.WriteLen, 24)), why.Key, why.ASC)
	}
	x := b.login(2, loopback.Options{FailDataOut: errors.New("something else")})
	b.fails(x, b.d.Write, make([]byte, b.d.WriteLen), scsi.KeyHardwareError, scsi.ASCInternalTargetFailure)
}

// abort: tasks are aborted at every moment of their life, by every function; the unit
// ends each of them, once, and gives everything back.
func (b *bench) abort() {
	for i, opt := range []loopback.Options{
		{}, {First: -1}, {First: 1000}, {Later: true}, {Later: true, Piece: 512}, {Never: true},
	} {
		b.Run(fmt.Sprintf("%+v", opt), func(t *testing.T) {
			s := b.login(byte(10+i), opt)
			data := make([]byte, b.d.WriteLen)
			functions := []target.Function{target.AbortTask, target.AbortTaskSet, target.ClearTaskSet, target.ResetLogicalUnit, target.ResetNexus}
			for round := range 50 {
				var all sync.WaitGroup
				for n := range 4 {
					attr := []target.Attr{target.Simple, target.Simple, target.Ordered, target.HeadOfQueue}[(n+round)%4]
					tag := uint64(1000 + 10*round + n)
					p := s.Start(loopback.Command{CDB: b.d.Write, Out: data, Attr: attr, Tag: tag})
					all.Go(func() {
						if d := rand.IntN(80); d > 20 {
							time.Sleep(time.Duration(d-20) * time.Microsecond)
						}
						s.Manage(functions[(n+round)%len(functions)], 0, tag)
						s.Manage(target.AbortTask, 0, tag)
					})
					all.Go(func() {
						if r, err := p.Wait(t.Context()); err != nil && !errors.Is(err, loopback.ErrDropped) {
							t.Errorf("%+v %v", r, err)
						}
					})
				}
				all.Wait()
			}
			b.calm(s)
		})
	}
}
