//go:build race

package optical_test

const raceEnabled = true
