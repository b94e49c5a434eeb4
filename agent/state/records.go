package state

const maxUnit = 512

// renameRecords is for the next slice.
func (d *Dir) renameRecords() error { return nil }
