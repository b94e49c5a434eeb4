//go:build race

package srp_test

const raceEnabled = true
