//go:build !race

package srp_test

const raceEnabled = false
