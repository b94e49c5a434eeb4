// Package interop holds the tests that run libiscsi's programs against the built server. They need the build tag
// interop, the server binary (LUNETTE, default bin/lunette of this checkout) and Debian's libiscsi-bin:
//
//	test/install/debian.sh interop
//	go test -tags interop ./test/interop
//
// With the tags interop and tgt they run against Debian's tgt instead, to tell a test's fault from the server's.
package interop
