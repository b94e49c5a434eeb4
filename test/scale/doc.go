// Package scale holds tests with many sessions at a time, run with the build tag scale: what they cost, and that each gets its share.
package scale
