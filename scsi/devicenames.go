package scsi

// CommandNameFor is [CommandName] for a device type: operation codes up to BFh mean other commands on tapes, changers and optical drives than on disks.
func CommandNameFor(t PeripheralType, o Opcode, a ServiceAction) string {
	for i := range deviceNames {
		if n := &deviceNames[i]; n.device == t && n.opcode == o {
			return n.name
		}
	}
	return CommandName(o, a)
}

// deviceNames are those of commands that have another name on the device type (SSC-5, SMC-3, MMC-6).
var deviceNames = [...]struct {
	device PeripheralType
	opcode Opcode
	name   string
}{
	{TypeTape, 0x04, "FORMAT MEDIUM"},
	{TypeTape, 0x0f, "READ REVERSE(6)"},
	{TypeTape, 0x14, "RECOVER BUFFERED DATA"},
	{TypeTape, 0x1b, "LOAD UNLOAD"},
	{TypeTape, 0x34, "READ POSITION"},
	{TypeTape, 0x91, "SPACE(16)"},
	{TypeChanger, 0x07, "INITIALIZE ELEMENT STATUS"},
	{TypeChanger, 0x1b, "OPEN/CLOSE IMPORT/EXPORT ELEMENT"},
	{TypeChanger, 0x2b, "POSITION TO ELEMENT"},
	{TypeChanger, 0x37, "INITIALIZE ELEMENT STATUS WITH RANGE"},
	{TypeChanger, 0xb5, "REQUEST VOLUME ELEMENT ADDRESS"},
	{TypeChanger, 0xe7, "INITIALIZE ELEMENT STATUS WITH RANGE (vendor's)"},
	{TypeOptical, 0x2b, "SEEK(10)"},
	{TypeOptical, 0x42, "READ SUB-CHANNEL"},
	{TypeOptical, 0xa4, "REPORT KEY"},
	{TypeOptical, 0xa6, "LOAD/UNLOAD MEDIUM"},
	{TypeOptical, 0xb6, "SET STREAMING"},
}
