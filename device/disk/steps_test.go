package disk

import "testing"

// Each step has a name of its own, and nothing else has one.
func TestStepNames(t *testing.T) {
	seen := map[string]bool{"unknown": true, "": true}
	for s := none; s <= probeStore; s++ {
		if name := s.String(); seen[name] {
			t.Errorf("step %d is called %q", uint32(s), name)
		} else {
			seen[name] = true
		}
	}
	if name := (probeStore + 1).String(); name != "unknown" {
		t.Errorf("what is no step is called %q", name)
	}
}
