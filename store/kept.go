package store

// A Record is a small thing that is kept with a store's data, as one piece: what must be known of
// the data after a restart. Its methods may be called by many goroutines at a time, and may wait
// for a disk.
type Record interface {
	// Load returns what was saved last; nil if nothing was. An error says that something is there
	// and cannot be read: who has to know it must not go on as if nothing were.
	Load() ([]byte, error)
	// Save puts b, which it borrows, in the place of what was there; nil takes it away. When it
	// returns nil, b is what Load returns also after a loss of power. After an error Load returns
	// what was there before, unless that too could not be written: then it may return b.
	Save(b []byte) error
	// Where says in words where it is kept, for messages.
	Where() string
}
