package tape

import (
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/page"
)

// timeouts are those of the commands that do not move the medium. LTFS takes all of its own from here.
func timeouts(op scsi.Opcode, _ scsi.ServiceAction) page.Timeouts {
	switch op {
	case scsi.OpSendDiagnostic, scsi.OpReceiveDiagnostic:
		return page.Timeouts{Nominal: 60, Recommended: 2100}
	case scsi.OpWriteAttribute, scsi.OpReadAttribute, scsi.OpModeSelect6, scsi.OpModeSelect10, scsi.OpPersistentReserveOut,
		scsi.OpSecurityProtocolOut, scsi.OpSecurityProtocolIn, scsi.OpReadBuffer, scsi.OpWriteBuffer:
		return page.Timeouts{Nominal: 60, Recommended: 480}
	}
	return quick
}
