package nontemporal

const possible = true

// lines copies n bytes, a multiple of [line] and more than none, to dst, which lies at a multiple of it.
//
//go:noescape
func lines(dst, src *byte, n int)
