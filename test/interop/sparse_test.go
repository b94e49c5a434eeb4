//go:build interop

package interop

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// sparse makes a file of that size (such as 256M) without blocks, unless it is there.
func sparse(path, size string) error {
	n, err := bytesOf(size)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(n)
}

func bytesOf(size string) (int64, error) {
	digits, ok := strings.CutSuffix(size, "M")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("size %q is not of the form 256M", size)
	}
	return n << 20, nil
}
