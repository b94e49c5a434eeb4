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
// In all tests but those of vhost-user the daemon runs in the guest. There (vhost_test.go) it runs outside, where QEMU does, which hands it the guest's memory; the script asks the test
// for what has to be done outside (outside_test.go). Two of these guests have QEMUs of other releases of Debian, which lab -q unpacks once, with their own libraries.
//
// Devices to pass through are scsi_debug's and QEMU's, and a tape library of lunette that the guest has by iSCSI: bridge.sh serves them back to the
// guest. bridge/differences says where the answers of a device and of lunette in its name differ, and why.
//
// The first run builds the guest's image (lab says where), later ones boot it in seconds. The images are files in image:
//
//	initiators  the kernel of the Debian release that the tests run on, and all programs and modules but those of backup
//	backports   the same programs, and the newest kernel that Debian has for the next release
//	backup      initiators, and backup software
package vm
