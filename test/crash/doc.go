// Package crash has the tests that take the daemon, or the power, away in the middle of
// verified writes to disks, tapes and discs, or of a change of its document, and look at what is left (build tag crash).
//
//	go test -tags crash ./test/crash/
//
// LUNETTE names the program; without it bin/lunette of this repository is taken, or one
// is built. CRASH_ROUNDS, CRASH_TAPE_KILLS and CRASH_SEED change how often and with which random numbers.
package crash
