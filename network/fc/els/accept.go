package els

// AcceptLen is the length of an LS_ACC that says nothing but that.
const AcceptLen = 4

// AppendAccept appends an LS_ACC that has no more to say: the answer to LOGO, RRQ, SRR, SCR and RSCN.
func AppendAccept(dst []byte) []byte { return word(dst, LSAcc) }

// CheckAccept reads an LS_ACC of that kind. An LS_RJT is returned as an error of type [Reject].
func CheckAccept(b []byte) error {
	if CommandOf(b) == LSRjt {
		r, err := ParseReject(b)
		if err != nil {
			return err
		}
		return r
	}
	return check(b, AcceptLen, LSAcc)
}
