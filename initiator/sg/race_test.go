//go:build race

package sg

const raceEnabled = true
