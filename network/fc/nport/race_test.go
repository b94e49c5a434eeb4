//go:build race

package nport

const raceEnabled = true
