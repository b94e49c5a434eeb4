package ct

import "fmt"

// A Command is a command or response code.
type Command uint16

// Commands of the name server, and the codes of answers.
const (
	GetNext       Command = 0x0100 // GA_NXT
	GetPortName   Command = 0x0112 // GPN_ID
	GetNodeName   Command = 0x0113 // GNN_ID
	GetTypes      Command = 0x0117 // GFT_ID
	GetPortSymbol Command = 0x0118 // GSPN_ID
	GetFeatures   Command = 0x011f // GFF_ID
	GetIDByPort   Command = 0x0121 // GID_PN
	GetIDByNode   Command = 0x0131 // GID_NN
	GetNodeSymbol Command = 0x0139 // GSNN_NN
	GetIDs        Command = 0x0171 // GID_FT
	GetPortNames  Command = 0x0172 // GPN_FT
	GetNodeNames  Command = 0x0173 // GNN_FT
	GetIDsByPort  Command = 0x01a1 // GID_PT
	SetPortName   Command = 0x0212 // RPN_ID
	SetNodeName   Command = 0x0213 // RNN_ID
	SetTypes      Command = 0x0217 // RFT_ID
	SetPortSymbol Command = 0x0218 // RSPN_ID
	SetFeatures   Command = 0x021f // RFF_ID
	SetNodeSymbol Command = 0x0239 // RSNN_NN
	Deregister    Command = 0x0300 // DA_ID
	Rejected      Command = 0x8001 // FS_RJT
	Accepted      Command = 0x8002 // FS_ACC
)

// String is the name in the standard.
func (c Command) String() string {
	switch c {
	case GetNext:
		return "GA_NXT"
	case GetPortName:
		return "GPN_ID"
	case GetNodeName:
		return "GNN_ID"
	case GetTypes:
		return "GFT_ID"
	case GetPortSymbol:
		return "GSPN_ID"
	case GetFeatures:
		return "GFF_ID"
	case GetIDByPort:
		return "GID_PN"
	case GetIDByNode:
		return "GID_NN"
	case GetNodeSymbol:
		return "GSNN_NN"
	case GetIDs:
		return "GID_FT"
	case GetPortNames:
		return "GPN_FT"
	case GetNodeNames:
		return "GNN_FT"
	case GetIDsByPort:
		return "GID_PT"
	case SetPortName:
		return "RPN_ID"
	case SetNodeName:
		return "RNN_ID"
	case SetTypes:
		return "RFT_ID"
	case SetPortSymbol:
		return "RSPN_ID"
	case SetFeatures:
		return "RFF_ID"
	case SetNodeSymbol:
		return "RSNN_NN"
	case Deregister:
		return "DA_ID"
	case Rejected:
		return "FS_RJT"
	case Accepted:
		return "FS_ACC"
	}
	return fmt.Sprintf("CT command %04xh", uint16(c))
}
