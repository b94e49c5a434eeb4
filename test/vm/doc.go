// Package vm holds the tests that run Linux's own SCSI initiators against the built server, in a guest of QEMU that
// needs neither hardware virtualization nor a network. They need the build tag vm and what test/install/debian.sh vm
// installs:
//
//	go test -tags vm ./test/vm
//
// With the tag vtl beside it, backup software is run with a tape library, in a guest of its own:
//
//	go test -tags vm,vtl -run VTL ./test/vm
//
// The first run builds the guest's image (lab says where), later ones boot it in seconds.
package vm
