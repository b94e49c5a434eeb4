//go:build vm

package vm

import "testing"

// TestOptical is Linux's own drivers of optical drives, and programs above them, with discs by each transport.
func TestOptical(t *testing.T) {
	bed{image: "initiators", script: "optical.sh", others: []string{"attach.sh"}, fill: func(t *testing.T, dir string) {
		disc(t, dir, "first", 300)
		disc(t, dir, "second", 400)
	}}.run(t)
}
