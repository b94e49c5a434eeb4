//go:build !race

package ringio

const raceEnabled = false
