package medium

import (
	"context"
	"errors"
)

// Info is what a cartridge has, for people.
type Info struct {
	Label      Label
	Usage      Usage
	Partitions []PartitionInfo
}

// PartitionInfo is what a partition has.
type PartitionInfo struct {
	Attributes []Attribute
	Capacity   int64  // as Room counts
	Used       int64  // Room.Data
	Objects    uint64 // blocks and filemarks
	Files      uint64 // filemarks
	Blocks     int64  // bytes of blocks, as they were written
	Stored     int64  // bytes of the files
}

// Inspect reads what a cartridge has. It may be in use: then what was written last may be missing.
func Inspect(dir string) (Info, error) { return Info{}, errors.ErrUnsupported }

// A Report is what Verify or Reindex has found.
type Report struct {
	Objects uint64 // that were read
	Bytes   int64  // as they are kept
	Damaged []Damage
	More    int // damages that are not in Damaged, which has 1000 at most
}

// A Damage is a place that cannot be read.
type Damage struct {
	Partition int
	Object    uint64 // the first
	Count     uint64 // how many; 0: the index alone
	What      string
}

// Verify reads all of a cartridge and checks it. progress may be nil; it is told how many bytes are done, and how many there are. Blocks
// that are encrypted are not decrypted: their checksums are those of what is kept.
func Verify(ctx context.Context, dir string, progress func(done, total int64)) (Report, error) {
	return Report{}, errors.ErrUnsupported
}

// Compact gives back the space of what counts only in part. It needs as much space as the partition has, for a while.
func Compact(ctx context.Context, dir string) error { return errors.ErrUnsupported }

// Reindex makes the index again from the data.
func Reindex(ctx context.Context, dir string) (Report, error) {
	return Report{}, errors.ErrUnsupported
}
