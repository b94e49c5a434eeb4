//go:build !verbs || !cgo || !linux

package verbs

import (
	"errors"
	"fmt"
)

// open says what to do: this program has no verbs.
func open() (driver, error) {
	return nil, fmt.Errorf("verbs: this program was built without them: build one with `make verbs`, which makes bin/lunette-verbs (%w)", errors.ErrUnsupported)
}
