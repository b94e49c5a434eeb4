package tape

import (
	"sync"
	"sync/atomic"
)

// A setting is what mode pages say. A command uses one from its beginning to its end; nobody changes one that is there.
type setting struct {
	BlockLength uint32 // of the block descriptor: 0 is variable
	Density     byte   // what was chosen by the block descriptor; 0: that of the medium
	Buffered    byte   // BUFFERED MODE: 0 writes before the answer
	Compress    bool   // DCE

	PEWS       uint16 // programmable early warning size, in megabytes before early warning
	REW, SEW   bool   // report early warning on reads; synchronize at early warning
	AppendOnly bool   // WRITE MODE 1

	LBPMethod  byte // 0 none, 1 Reed-Solomon CRC, 2 CRC32C
	LBPW, LBPR bool // on WRITE, on READ

	// Write protection by page 10h: SWP, ASOCWP, PERSWP, PRMWP.
	SoftwareWP, AssociatedWP, PersistentWP, PermanentWP bool

	Plan plan
}

// A plan is what page 11h says of the partitions that FORMAT MEDIUM makes.
type plan struct {
	Fixed, Select, Initiator bool // FDP, SDP, IDP
	Additional               int  // partitions beside the first
	// Sizes are those of all partitions, in bytes; -1: what is left. Nil: the drive chooses.
	Sizes []int64
}

// settings are what counts now.
type settings struct {
	mu  sync.Mutex // of who changes something
	now atomic.Pointer[setting]
}

// init sets what counts after power on.
func (s *settings) init(cfg *Config) {
	x := powerOn(cfg)
	s.now.Store(&x)
}

// powerOn is what counts after power on, before saved mode pages.
func powerOn(cfg *Config) setting {
	return setting{Buffered: 1, Compress: cfg.Model.Compression != 0, SEW: true}
}

// get returns what counts now.
func (s *settings) get() *setting { return s.now.Load() }

// set changes something.
func (s *settings) set(change func(*setting)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := *s.now.Load()
	change(&x)
	s.now.Store(&x)
}
