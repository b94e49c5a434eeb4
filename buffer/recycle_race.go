//go:build race

package buffer

// recycle is off under the race detector, so that a second Release of any lease panics.
const recycle = false
