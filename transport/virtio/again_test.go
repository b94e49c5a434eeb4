package virtio

import (
	"testing"

	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/transport/virtio/iu"
)

func TestMayRunAgain(t *testing.T) {
	const disk, tape, optical, changer = scsi.TypeDisk, scsi.TypeTape, scsi.TypeOptical, scsi.TypeChanger
	for _, c := range []struct {
		t    scsi.PeripheralType
		op   scsi.Opcode
		want bool
	}{
		{disk, scsi.OpRead10, true}, {disk, scsi.OpWrite16, true}, {disk, scsi.OpUnmap, true}, {disk, scsi.OpInquiry, true}, {disk, scsi.OpServiceActionIn16, true},
		{disk, scsi.OpCompareAndWrite, false}, {disk, scsi.OpPersistentReserveOut, false}, {disk, scsi.OpModeSelect10, false}, {disk, scsi.OpThirdPartyCopyOut, false},
		{disk, scsi.OpFormatUnit, false}, {disk, scsi.OpReserve6, false}, {disk, scsi.OpLogSelect, false}, {disk, scsi.OpWriteBuffer, false}, {disk, 0xff, false},
		{tape, scsi.OpInquiry, true}, {tape, scsi.OpReadPosition, true}, {tape, scsi.OpMaintenanceIn, true},
		{tape, scsi.OpRead6, false}, {tape, scsi.OpWrite6, false}, {tape, scsi.OpWriteFilemarks6, false}, {tape, scsi.OpSpace6, false}, {tape, scsi.OpRewind, false},
		{tape, scsi.OpLocate16, false}, {tape, scsi.OpWrite16, false}, {tape, scsi.OpSpace16, false}, {tape, scsi.OpErase6, false},
		{changer, scsi.OpReadElementStatus, true}, {changer, scsi.OpMoveMedium, false}, {changer, scsi.OpExchangeMedium, false}, {changer, scsi.OpPositionToElement, false},
		{optical, scsi.OpRead10, true}, {optical, scsi.OpReadTOC, true}, {optical, scsi.OpWrite10, false}, {optical, scsi.OpSendKey, false}, {optical, scsi.OpBlank, false},
		{optical, scsi.OpGetEventStatus, false}, // an event is told once
		{noType, scsi.OpInquiry, true}, {noType, scsi.OpWrite10, false},
		{scsi.TypeUnknown, scsi.OpWrite10, true},
	} {
		if got := mayRunAgain(c.t, &[iu.CDBLen]byte{byte(c.op)}); got != c.want {
			t.Errorf("%v of a %v: %v", c.op, c.t, got)
		}
	}
	for action, want := range map[byte]bool{0x09: true, 0x0b: true, 0x0e: false, 0x01: false} {
		if got := mayRunAgain(disk, &[iu.CDBLen]byte{byte(scsi.OpVariableLength), 7: 24, 9: action}); got != want {
			t.Errorf("service action %#x: %v", action, got)
		}
	}
	if mayRunAgain(tape, &[iu.CDBLen]byte{byte(scsi.OpVariableLength), 7: 24, 9: 0x0b}) {
		t.Error("a WRITE (32) of a tape")
	}
}
