package library

import (
	"context"
	"errors"
)

// Cartridges are all cartridges of the store, in order of their barcodes; with details, what is in their files too.
func (l *Library) Cartridges(ctx context.Context, details bool) ([]Cartridge, error) {
	return nil, errors.ErrUnsupported
}

// Create makes cartridges, and returns their barcodes. With an error it returns those that are made.
func (l *Library) Create(ctx context.Context, s Spec) ([]string, error) {
	return nil, errors.ErrUnsupported
}

// Import carries a cartridge from the shelf to a slot or a mail slot.
func (l *Library) Import(ctx context.Context, barcode string, to Place) error {
	return errors.ErrUnsupported
}

// Export carries a cartridge from a slot or mail slot to the shelf.
func (l *Library) Export(ctx context.Context, barcode string) error { return errors.ErrUnsupported }

// Carry moves a cartridge of the library to another element.
func (l *Library) Carry(ctx context.Context, barcode string, to Place) error {
	return errors.ErrUnsupported
}

// Load moves a cartridge of the library into a drive.
func (l *Library) Load(ctx context.Context, barcode string, drive int) error {
	return errors.ErrUnsupported
}

// Eject moves what is in a drive to the slot that it came from, or to one that is free; with force also if an initiator
// prevents it.
func (l *Library) Eject(ctx context.Context, drive int, force bool) error {
	return errors.ErrUnsupported
}

// Label gives a cartridge another barcode. It must not be in a drive.
func (l *Library) Label(ctx context.Context, barcode, becomes string) error {
	return errors.ErrUnsupported
}

// Protect sets the tab of a cartridge that is not in a drive: it cannot be written, or can.
func (l *Library) Protect(ctx context.Context, barcode string, on bool) error {
	return errors.ErrUnsupported
}

// Delete removes a cartridge of the shelf, with all that is on it.
func (l *Library) Delete(ctx context.Context, barcode string) error { return errors.ErrUnsupported }
