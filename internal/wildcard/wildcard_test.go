package wildcard

import (
	"path"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Patterns mean what they mean for file names without slashes.
func TestMatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, name := rapid.StringMatching(`[ab*?]{0,8}`).Draw(t, "pattern"), rapid.StringMatching(`[abä]{0,8}`).Draw(t, "name")
		want, err := path.Match(pattern, name)
		if err != nil {
			t.Fatal(err)
		}
		if got := Matches(pattern, name); got != want {
			t.Errorf("%q fits %q: %v", name, pattern, got)
		}
	})
	if Matches(strings.Repeat("*a", 1000)+"b", strings.Repeat("a", 5000)) {
		t.Error("it fits")
	}
}
