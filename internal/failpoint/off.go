//go:build !failpoint

// Package failpoint kills the process at a place in the code that a test has named, as if the power
// went there: to see what the next start makes of it. Only programs that are built with the tag
// failpoint can do that; in all others a place is nothing.
package failpoint

// Here is a place. The test names it in the environment: see the package's other file.
func Here(string) {}
