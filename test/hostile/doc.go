// Package hostile holds tests that let one peer take all that it can get of a daemon, run with the build tag
// hostile: those who want little, on the same units, are served all the while; what the daemon takes stays
// bounded; and afterwards nothing is left.
package hostile
