// Package medium is a tape cartridge kept as files in a directory: blocks and filemarks in partitions, attributes and
// usage. What is synchronized survives kill -9 and a loss of power. docs/reference/cartridge.md has the format.
package medium

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunette-io/lunette/buffer"
)

// Version is that of the format which this program writes. Newer ones are refused.
const Version = 1

// Limits.
const (
	MaxPartitions = 4
	MaxBlock      = 8 << 20 // bytes of a block
	MaxFrame      = 1 << 20 // bytes of several blocks that are kept as one
)

// Errors. Those of a damaged cartridge are *CorruptError.
var (
	// ErrNoSpace harms nothing that is written; the head is usable, and writes when there is room again.
	ErrNoSpace        = errors.New("the disk that the cartridge is on is full")
	ErrEndOfPartition = errors.New("end of partition")
	ErrEndOfData      = errors.New("end of data")
	ErrFilemark       = errors.New("filemark")
	ErrBeginning      = errors.New("beginning of partition")
	ErrLocked         = errors.New("the cartridge is used by another process")
	ErrNewer          = errors.New("the cartridge was written by a newer version")
	ErrReadOnly       = errors.New("the cartridge is read-only")
	ErrWORM           = errors.New("what is written on a WORM cartridge stays")
	ErrKey            = errors.New("the block cannot be decrypted")
)

// A CorruptError says where a cartridge is damaged.
type CorruptError struct {
	Partition int
	Object    uint64
	What      string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("partition %d, object %d: %s", e.Partition, e.Object, e.What)
}

// A Type is what a cartridge is for: MAM attribute 0408h.
type Type uint8

// Types of cartridges.
const (
	Data     Type = 0x00
	Cleaning Type = 0x01
	WORM     Type = 0x80
)

// A Spec says what Create makes.
type Spec struct {
	Barcode string // 1 to 32 printable characters without spaces at the ends, none of them a slash
	Serial  string // of the cartridge memory; empty: one is made
	Format  string // name of the format (personality.Format), such as "L8"; it means nothing here
	Maker   string // up to 8 characters
	Type    Type
	// Capacity is what goes on it without compression, in bytes; all partitions together.
	Capacity int64
}

// A Label is what a cartridge is. It changes when an operator does that: see SetWriteProtect, Relabel.
type Label struct {
	Version      int    `json:"version"`
	Barcode      string `json:"barcode"`
	Serial       string `json:"serial"`
	Format       string `json:"format"`
	Maker        string `json:"maker"`
	Type         Type   `json:"type"`
	Capacity     int64  `json:"capacity"`
	Made         string `json:"made"`                   // RFC 3339
	WriteProtect bool   `json:"writeProtect,omitempty"` // the tab on the cartridge
}

// Usage is what a cartridge's memory counts through its life.
type Usage struct {
	Loads           uint64   `json:"loads"`
	Initializations uint64   `json:"initializations"`
	ChangeReference uint32   `json:"changeReference"` // VOLUME CHANGE REFERENCE VALUE (MAM 0009h)
	Written         uint64   `json:"written"`         // bytes of blocks, through its life
	Read            uint64   `json:"read"`
	WrittenNow      uint64   `json:"writtenNow"` // since the last load
	ReadNow         uint64   `json:"readNow"`
	Drives          []string `json:"drives"`    // the last four: vendor (8) and serial number (32)
	Cleanings       uint64   `json:"cleanings"` // for cleaning cartridges: how often it was used
}

// An Attribute is one of the cartridge's memory (MAM) that a host has written.
type Attribute struct {
	ID     uint16
	Format byte // 0 binary, 1 ASCII, 2 text
	Value  []byte
}

// A Codec is how a frame is kept.
type Codec uint8

// Codecs. Numbers are part of the format.
const (
	Plain Codec = 0
	Zstd  Codec = 1
	Fast  Codec = 2 // the codec with which a drive keeps up: see docs/reference/cartridge.md
)

// A Cipher encrypts the blocks of a frame. It is made by device/tape/encryption, and is for one goroutine at a time.
type Cipher interface {
	// Seal appends the encrypted plain to dst, which has room for Overhead more bytes than plain has.
	Seal(dst, plain []byte) []byte
	Overhead() int
	// Header is what is kept with the frame in the clear, up to 255 bytes: what key it was (not the key), nonces, key-associated data.
	Header() []byte
}

// An Opener decrypts what a Cipher has sealed. It has one key for as long as it lives, since what it has decrypted is kept for the blocks that
// lie together: another key is another Opener.
type Opener interface {
	// Open appends the decrypted sealed to dst. header is what [Cipher.Header] was. ErrKey: it is another key.
	Open(dst, sealed, header []byte) ([]byte, error)
}

// Blocks are blocks of one length that come with one command.
type Blocks struct {
	Data   *buffer.Lease // borrowed: until Append has returned for the frame made of it, or Frame.Release
	Off    int64         // of the first block in Data
	Len    int64         // of each block, 1 to MaxBlock
	Count  int           // at most MaxFrame/Len, or 1
	Codec  Codec         // Plain: Data goes to the file as it is
	Cipher Cipher        // nil: in the clear
}

// A Position is where a head is.
type Position struct {
	Object uint64 // blocks and filemarks before it
	File   uint64 // filemarks before it
}

// A Kind is what an object is.
type Kind uint8

// Kinds of objects.
const (
	EndOfData Kind = iota // none: the end
	Block
	Filemark
)

// An Object is what comes next at a head.
type Object struct {
	Kind   Kind
	Len    int64  // of the block, as it was written
	Sealed bool   // it is encrypted
	Plain  bool   // it is kept as it was written, with a checksum of its own: it can be read into any memory
	Header []byte // with Sealed: what Cipher.Header was; valid until the head moves
}

// Room says how full a partition is, in bytes of what is kept of blocks after compression, and 512 for each frame and filemark.
type Room struct {
	Capacity int64 // from the beginning to the end of the partition
	Warning  int64 // from the beginning to early warning: 2 MiB before the end, or 5 % if that is more, but 1 GiB at most
	Here     int64 // from the beginning to the head
	Data     int64 // from the beginning to the end of data
}

// Recovered is what was found when a cartridge was opened that nobody had closed.
type Recovered struct {
	Partition int
	Objects   uint64 // found behind those that the index had
	Cut       int64  // bytes behind them, that were no whole objects
}

// Interfaces of Cartridge and Head, for those who test without files. The package's own types have these methods, and no
// more than administration beside them.
type (
	// A Tape is a cartridge in a drive. Label, Usage, SetUsage, Attributes and SetAttributes may be called at any time, by several
	// goroutines; all others by the one that has the heads, while none of them is at work.
	Tape interface {
		Label() Label
		Usage() Usage
		Recovered() []Recovered
		// SetUsage keeps usage with the next Sync or Close. That makes this Sync dearer by two syncs of the disk: it is for loads and
		// unloads, or for once in a while.
		SetUsage(func(*Usage))
		// Attributes are those that hosts have set on a partition, in order of ID.
		Attributes(partition int) []Attribute
		// SetAttributes sets some (a Value of no bytes takes one away), all or none, durably.
		SetAttributes(partition int, set []Attribute) error
		Partitions() int
		// Disk is how many bytes are free on the disk below, for who writes there, and how many it has; 0: nobody knows.
		Disk() (free, size int64)
		// Head is that of a partition. There is one: who asks again gets the same.
		Head(partition int) Head
		// Format makes as many empty partitions, of these capacities, together at most Capacity. All data is gone, and all attributes of
		// partitions but the first's. Heads of before are of no use any more. ErrWORM, if anything is written.
		Format(ctx context.Context, sizes []int64) error
		// SetCapacity makes all partitions one, of this capacity, at most Label.Capacity: SET CAPACITY. Capacity is that of the label, or
		// what was set so.
		SetCapacity(ctx context.Context, capacity int64) error
		Capacity() int64
		// Sync makes all that was appended, usage and attributes durable; usage only if there is room for it, else a later one does.
		Sync(ctx context.Context) error
		// Close syncs, and gives the cartridge back.
		Close() error
	}

	// A Head reads and writes one partition. It is for one goroutine at a time, but Pack.
	Head interface {
		Position() Position
		Room() Room
		// Next is what comes next. It does not move.
		Next(ctx context.Context) (Object, error)
		// Read reads the block that comes next, up to n bytes of it from its start, into the memory at off, and moves behind
		// it. It returns the length of the block. With ErrFilemark it has moved behind a filemark; with ErrEndOfData it is there.
		// o decrypts, and may be nil: then an encrypted block is ErrKey. After any other error it has not moved: over a damaged block
		// (*CorruptError) Space moves. The memory may be an initiator's own, in which nothing but a block that is Plain is read without a copy;
		// if it is gone that is ErrMemory.
		Read(ctx context.Context, into *buffer.Lease, off, n int64, o Opener) (length int64, err error)
		// Raw reads as Read does, but what is kept, neither decrypted nor decompressed; for copies and for raw reads. Blocks of a frame
		// that is compressed or sealed come as one, at the first of them, and it moves behind all of them.
		Raw(ctx context.Context, into *buffer.Lease, off, n int64) (length int64, err error)
		// Space moves over n blocks (less than 0: backwards) and returns over how many it was. ErrFilemark: one came in the
		// way, and it has moved over that too; ErrEndOfData, ErrBeginning: it is there.
		Space(ctx context.Context, n int64) (int64, error)
		// SpaceFilemarks moves over n filemarks (less than 0: backwards), to their far side.
		SpaceFilemarks(ctx context.Context, n int64) (int64, error)
		// Locate moves before an object; ErrEndOfData: there is none, and the head is at the end.
		Locate(ctx context.Context, object uint64) error
		// LocateFile moves behind the filemark with which a file begins; 0 is the beginning.
		LocateFile(ctx context.Context, file uint64) error
		LocateEnd(ctx context.Context) error

		// Pack makes a frame. Any goroutine may call it, several at a time.
		Pack(b Blocks) (Frame, error)
		// Append writes a frame at the head and moves behind it; what was there and after it is gone. It returns how many
		// blocks are written: with ErrEndOfPartition those that fit. After another error it is 0, and the end of data is here, or, if nothing
		// could be changed, where it was.
		// It takes the frame.
		Append(ctx context.Context, f Frame) (int, error)
		// Filemarks writes n filemarks at the head, as Append does.
		Filemarks(ctx context.Context, n int) (int, error)
		// Erase makes the head's place the end of data. On a WORM cartridge it is ErrWORM, but at the end of data; and so are Append and
		// Filemarks anywhere but there, or before filemarks behind which there is nothing else.
		Erase(ctx context.Context) error
	}

	// A Frame is blocks as they are kept.
	Frame interface {
		Stored() int64 // bytes that it takes of the partition, as Room counts them
		Blocks() int
		// Release ends a frame that is not appended.
		Release()
	}
)
