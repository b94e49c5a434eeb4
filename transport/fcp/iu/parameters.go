package iu

// Service parameters of PRLI (FCP-4 6.3): what both ends of a login say of themselves and want.
const (
	ParamReadReadyDisabled  = 0x0002 // no FCP_XFER_RDY before data-in; always set
	ParamWriteReadyDisabled = 0x0001 // the first burst of data-out needs none
	ParamTarget             = 0x0010
	ParamInitiator          = 0x0020
	ParamOverlay            = 0x0040 // data may come twice
	ParamConfirm            = 0x0080 // FCP_CONF
	ParamRetry              = 0x0100 // REC and SRR
	ParamTaskRetryID        = 0x0200
)
