//go:build !race

package nport

const raceEnabled = false
