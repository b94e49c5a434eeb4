package kind

// Where tests are.
const (
	inTape    = "device/tape:"
	inChanger = "device/changer:"
	inLibrary = "device/library:"
	inKeys    = "device/tape/encryption:"
	suite     = inTape + "TestSuite"
	robots    = inChanger + "TestSuite"
	tools     = " test/vm/tape/tools.sh"
	ends      = " test/vm/tape/eot.py"
	demands   = " test/vm/tape/demands.py " + inTape + "TestDemands"
	asked     = " test/vm/tape/demands.py"
)

// driveFacts are what is known of the commands of drives.
func driveFacts() map[string]known {
	return map[string]known{
		"TEST UNIT READY":                  {inTape + "TestLoadUnload" + tools, "st, mt, Bacula, Amanda, sg_turs"},
		"REWIND":                           {inTape + "TestLocate" + tools + ends, "st, mt, Bacula, Amanda"},
		"REQUEST SENSE":                    {inTape + "TestImmediate", "*LTFS, HPE's tools*"},
		"FORMAT MEDIUM":                    {inTape + "TestPartitions " + inTape + "TestPartitionPage", "*pmt (LTO-9), LTFS*"},
		"READ BLOCK LIMITS":                {inTape + "TestBlockLimits" + tools, "st at every open, *LTFS*"},
		"READ(6)":                          {inTape + "TestReadVariable " + inTape + "TestReadFixed " + inTape + "TestReadBlank " + inTape + "TestModel" + tools + ends + demands, "st, tar, dd, Bacula, Amanda, pmt, LTFS"},
		"WRITE(6)":                         {inTape + "TestOverwrite " + inTape + "TestEarlyWarning " + inTape + "TestModel" + tools + ends, "st, tar, dd, Bacula, Amanda, pmt, LTFS"},
		"SET CAPACITY":                     {inTape + "TestSetCapacity", "*LTFS*"},
		"WRITE FILEMARKS(6)":               {inTape + "TestFilemarks " + inTape + "TestDurable" + tools + ends, "st, mt, Bacula, Amanda, pmt, LTFS"},
		"SPACE(6)":                         {inTape + "TestSpace " + inTape + "TestModel" + tools + ends, "st, mt, Bacula, Amanda, LTFS"},
		"INQUIRY":                          {inTape + "TestInquiryOfTheModel " + inTape + "TestInquiryOfAnOlderModel" + demands, "st, sg_inq, sg_vpd, pmt, LTFS, stenc"},
		"VERIFY(6)":                        {inTape + "TestVerify", "*TSM*"},
		"MODE SELECT(6)":                   {inTape + "TestBlockLengthAndBuffering " + inTape + "TestCompressionIsSet" + tools, "st, mt (setblk, compression)"},
		"RESERVE(6)":                       {suite, "*TSM, NetWorker, NetBackup*"},
		"RELEASE(6)":                       {suite, "*TSM, NetWorker, NetBackup*"},
		"ERASE(6)":                         {inTape + "TestErase" + tools, "mt, *LTFS*"},
		"MODE SENSE(6)":                    {inTape + "TestModePages " + inTape + "TestModeHeader" + tools, "st, mt"},
		"LOAD UNLOAD":                      {inTape + "TestLoadUnload" + tools, "st, mt, Bacula, *LTFS*"},
		"RECEIVE DIAGNOSTIC RESULTS":       {inTape + "TestBuffersAndDiagnostics", ""},
		"SEND DIAGNOSTIC":                  {inTape + "TestBuffersAndDiagnostics", "*LTFS*"},
		"PREVENT ALLOW MEDIUM REMOVAL":     {inLibrary + "TestPrevention" + tools, "st, mt, Bacula"},
		"LOCATE(10)":                       {inTape + "TestLocate" + tools, "st, mt (seek)"},
		"READ POSITION":                    {inTape + "TestReadPosition " + inTape + "TestPositionInBuffer" + tools + demands, "st, mt (tell), pmt, LTFS, *NetBackup*"},
		"WRITE BUFFER":                     {inTape + "TestBuffersAndDiagnostics", "*firmware tools*"},
		"READ BUFFER(10)":                  {inTape + "TestBuffersAndDiagnostics", "*LTFS*"},
		"REPORT DENSITY SUPPORT":           {inTape + "TestDensities" + demands, "pmt, *Windows, HPE's tools*"},
		"LOG SELECT":                       {inTape + "TestResetOfCounters", ""},
		"LOG SENSE":                        {inTape + "TestLogPages " + inTape + "TestLogSense " + inTape + "TestAlerts" + demands, "sg_logs, pmt, LTFS, *Bareos, Veeam*"},
		"MODE SELECT(10)":                  {inTape + "TestAppendOnlyMode " + inTape + "TestBlockProtectionIsSet " + inTape + "TestPartitionPage", "*LTFS, pmt*"},
		"RESERVE(10)":                      {suite, ""},
		"RELEASE(10)":                      {suite, ""},
		"MODE SENSE(10)":                   {inTape + "TestModePages" + demands, "sg_modes, pmt, LTFS"},
		"PERSISTENT RESERVE IN":            {suite, "*LTFS, TSM, NetBackup, Commvault*"},
		"PERSISTENT RESERVE OUT":           {suite, "*LTFS, TSM, NetBackup, Commvault*"},
		"ALLOW OVERWRITE":                  {inTape + "TestAppendOnly", "*LTFS*"},
		"READ ATTRIBUTE":                   {inTape + "TestAttributes " + inTape + "TestVolumeChangeReference" + demands, "sg_read_attr, pmt, LTFS"},
		"WRITE ATTRIBUTE":                  {inTape + "TestHostAttributes" + demands, "pmt, LTFS"},
		"SPACE(16)":                        {inTape + "TestSpace", "*LTFS, pmt*"},
		"LOCATE(16)":                       {inTape + "TestLocate" + demands, "pmt, LTFS, *Veeam*"},
		"REPORT LUNS":                      {suite + tools, "Linux, sg_luns"},
		"SECURITY PROTOCOL IN":             {inTape + "TestEncryption " + inTape + "TestSecurityProtocolErrors " + inKeys + "TestIn" + demands, "stenc, pmt, *Bareos*"},
		"SECURITY PROTOCOL OUT":            {inTape + "TestEncryption " + inKeys + "TestRefusedSets " + inKeys + "TestScopes", "*stenc, pmt, Bareos*"},
		"REPORT SUPPORTED OPERATION CODES": {inTape + "TestTimeoutsOfCommands" + demands, "sg_opcodes, LTFS"},
		"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS": {suite, ""},
		"REPORT TIMESTAMP":                           {inTape + "TestTimestamp", ""},
		"SET TIMESTAMP":                              {inTape + "TestTimestamp", "*IBM's tools*"},
	}
}

// robotFacts are what is known of the commands of robots.
func robotFacts() map[string]known {
	return map[string]known{
		"TEST UNIT READY":                      {robots + tools, "ch, mtx, pmtx"},
		"REQUEST SENSE":                        {robots, ""},
		"INITIALIZE ELEMENT STATUS":            {robots, "ch, mtx (inventory), pmtx"},
		"INQUIRY":                              {robots + asked, "ch, mtx, pmtx, sg_inq"},
		"MODE SELECT(6)":                       {robots, ""},
		"RESERVE(6)":                           {robots, "*TSM*"},
		"RELEASE(6)":                           {robots, "*TSM*"},
		"MODE SENSE(6)":                        {robots + asked, "ch, mtx, pmtx"},
		"OPEN/CLOSE IMPORT/EXPORT ELEMENT":     {robots, "mtx"},
		"SEND DIAGNOSTIC":                      {robots, ""},
		"PREVENT ALLOW MEDIUM REMOVAL":         {inLibrary + "TestPrevention", "mtx"},
		"POSITION TO ELEMENT":                  {robots, "mtx"},
		"INITIALIZE ELEMENT STATUS WITH RANGE": {robots, "*NetBackup*"},
		"INITIALIZE ELEMENT STATUS WITH RANGE (vendor's)": {robots, "*NetBackup*"},
		"LOG SELECT":                       {robots, ""},
		"LOG SENSE":                        {robots, "sg_logs"},
		"MODE SELECT(10)":                  {robots, ""},
		"RESERVE(10)":                      {robots, ""},
		"RELEASE(10)":                      {robots, ""},
		"MODE SENSE(10)":                   {robots, "sg_modes"},
		"PERSISTENT RESERVE IN":            {robots, "*TSM, NetBackup*"},
		"PERSISTENT RESERVE OUT":           {robots, "*TSM, NetBackup*"},
		"REPORT LUNS":                      {robots, "Linux"},
		"REPORT SUPPORTED OPERATION CODES": {robots, "sg_opcodes"},
		"REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS": {robots, ""},
		"REPORT TIMESTAMP":                           {robots, ""},
		"SET TIMESTAMP":                              {robots, ""},
		"MOVE MEDIUM":                                {inLibrary + "TestMoves " + inLibrary + "TestMovesThatFail " + inLibrary + "TestModel" + tools, "mtx, Bacula and Amanda by mtx, pmtx"},
		"EXCHANGE MEDIUM":                            {inLibrary + "TestExchange", "mtx"},
		"REQUEST VOLUME ELEMENT ADDRESS":             {robots, ""},
		"SEND VOLUME TAG":                            {robots, ""},
		"READ ELEMENT STATUS":                        {robots + tools + asked, "ch, mtx, Bacula and Amanda by mtx, pmtx, *Veeam, NetBackup, TSM*"},
	}
}
