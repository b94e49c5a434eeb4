//go:build !race

package buffer

// recycle: owners may use a released Lease again.
const recycle = true
