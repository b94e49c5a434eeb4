// Package ways holds the tests of initiator/sg's ways to the kernel, with devices of Linux's scsi_debug. They run in a lab guest, where ../ways.sh
// makes the devices; elsewhere they skip. They need the build tag vm.
package ways
