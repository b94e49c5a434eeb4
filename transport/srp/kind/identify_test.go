package kind

import (
	"strings"
	"testing"

	"github.com/lunette-io/lunette/agent/model"
)

// The identifiers of a target follow from its name, and tell it from all others.
func TestIdentify(t *testing.T) {
	seen := make(map[string]string)
	for _, name := range []string{"iqn.2026-11.io.lunette:a", "iqn.2026-11.io.lunette:b", "iqn.2026-11.io.lunette:c"} {
		s, again := identify(name, nil), identify(name, nil)
		if s != again || len(s.String()) != 34 {
			t.Errorf("%s is %s, and then %s", name, s, again)
		}
		for _, half := range []string{s.ext, s.guid} {
			if other, ok := seen[half]; ok {
				t.Errorf("%s and %s are both %s", name, other, half)
			}
			seen[half] = name
			if local := strings.ContainsRune("26ae", rune(half[1])); !local {
				t.Errorf("%s of %s is not locally administered, and of one port", half, name)
			}
		}
	}
	given := identify("iqn.2026-11.io.lunette:a", model.Values{"srp": model.Values{"id-ext": "0xABCDEF0123456789", "ioc-guid": "fedcba9876543210"}})
	if given.String() != "0xabcdef0123456789fedcba9876543210" {
		t.Errorf("what is given has become %s", given)
	}
}
