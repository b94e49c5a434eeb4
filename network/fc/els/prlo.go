package els

// ParsePRLO reads a PRLO, or the LS_ACC of one (FC-LS-4 "process logout"): pages as of PRLI, without service parameters.
func ParsePRLO(b []byte) (Process, error) { return parseProcess(b, PRLO) }
