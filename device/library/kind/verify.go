package kind

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/lunette-io/lunette/device/changer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

// idle is the directory of a cartridge that is in no drive.
func (u *unit) idle(ctx context.Context, barcode string) (string, error) {
	c, err := u.find(ctx, barcode, false)
	if err != nil {
		return "", err
	}
	if c.Where.Type == changer.Drive {
		return "", fmt.Errorf("%s is in %s: unload it first", barcode, placeText(c.Where))
	}
	return filepath.Join(u.store, "cartridges", barcode), nil
}

// verify reads all of cartridges.
func (u *unit) verify(ctx context.Context, barcodes []string) (any, error) {
	result := checkedResult{[]checked{}}
	for _, b := range barcodes {
		dir, err := u.idle(ctx, b)
		if err != nil {
			return nil, err
		}
		r, err := medium.Verify(ctx, dir, nil)
		if errors.Is(err, medium.ErrLocked) {
			return nil, fmt.Errorf("%s is being used: unload it first", b)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", b, err)
		}
		c := checked{Barcode: b, Objects: r.Objects, Bytes: r.Bytes, Damaged: []damage{}, More: r.More}
		for _, d := range r.Damaged {
			c.Damaged = append(c.Damaged, damage(d))
		}
		result.Checked = append(result.Checked, c)
	}
	return result, nil
}
