// Package alert is TapeAlert (SSC-5 4.2.20, SMC-3 annex A), of drives and robots: 64 flags, of which each I_T nexus reads once what was set.
package alert

import (
	"sync"

	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// Page is the code of the TapeAlert log page (SSC-5 8.3.4).
const Page = 0x2e

// Flags of a robot (SMC-3 table A.1).
const (
	RobotHardwareB = 2
	RobotInventory = 24
)

// Flags of a tape drive (SSC-5 table 15).
const (
	ReadWarning        = 1
	WriteWarning       = 2
	HardError          = 3
	Media              = 4
	ReadFailure        = 5
	WriteFailure       = 6
	MediaLife          = 7
	WriteProtect       = 9
	NoRemoval          = 10
	CleaningMedia      = 11
	UnsupportedFormat  = 12
	MemoryFailure      = 15
	ForcedEject        = 16
	ReadOnlyFormat     = 17
	Directory          = 18
	NearingMediaLife   = 19
	CleanNow           = 20
	CleanPeriodic      = 21
	ExpiredCleaning    = 22
	InvalidCleaning    = 23
	HardwareA          = 30
	HardwareB          = 31
	Interface          = 32
	EjectMedia         = 33
	DirectoryAtUnload  = 51
	SystemAreaWrite    = 52
	SystemAreaRead     = 53
	NoStartOfData      = 54
	LoadFailure        = 55
	UnloadFailure      = 56
	WORMIntegrity      = 59
	WORMOverwrite      = 60
	maximum            = 64
	parameterLength    = 5
	logPageHeader      = 4
	allFlags           = 1<<64 - 1
	cleaningFlags      = 1<<(maximum-CleanNow) | 1<<(maximum-CleanPeriodic)
	hardwareFlags      = 1<<(maximum-HardwareA) | 1<<(maximum-HardwareB) | 1<<(maximum-Interface)
	staysWithTheDrive  = cleaningFlags | hardwareFlags
	goesWithACartridge = allFlags &^ staysWithTheDrive
)

// Flags are those of one logical unit. The zero value has none set. Its methods may be called by many goroutines.
type Flags struct {
	mu     sync.Mutex
	set    uint64                 // the flag n is bit 64-n
	unread map[*target.ITL]uint64 // flags that are set and that the nexus has not read
}

func bits(flags []int) (all uint64) {
	for _, n := range flags {
		if n >= 1 && n <= maximum {
			all |= 1 << (maximum - n)
		}
	}
	return all
}

// Attach makes a nexus known. It reads what is set.
func (f *Flags) Attach(x *target.ITL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unread == nil {
		f.unread = make(map[*target.ITL]uint64)
	}
	f.unread[x] = f.set
}

// Detach forgets a nexus.
func (f *Flags) Detach(x *target.ITL) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.unread, x)
}

// Set sets flags, also those that are set: every nexus reads them again. Numbers that are no flags are left out.
func (f *Flags) Set(flags ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set |= bits(flags)
	for x := range f.unread {
		f.unread[x] |= bits(flags)
	}
}

// Raise lets the nexuses that are there read flags of what has happened and is over: none of them is set.
func (f *Flags) Raise(flags ...int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for x := range f.unread {
		f.unread[x] |= bits(flags)
	}
}

// Clear takes flags back: their cause is gone, and who has not read them never will.
func (f *Flags) Clear(flags ...int) { f.clear(bits(flags)) }

func (f *Flags) clear(flags uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.set &^= flags
	for x := range f.unread {
		f.unread[x] &^= flags
	}
}

// Changed takes back all that is about a cartridge: another one is loaded.
func (f *Flags) Changed() { f.clear(goesWithACartridge) }

// State are the flags that are set, flag 1 the highest bit. Reading them changes nothing (log page 12h, MAM 0002h).
func (f *Flags) State() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set
}

// List are the flags that are set.
func (f *Flags) List() (all []int) {
	set := f.State()
	for n := 1; n <= maximum; n++ {
		if set>>(maximum-n)&1 != 0 {
			all = append(all, n)
		}
	}
	return all
}

// Show appends the log page 2Eh as x reads it. Those flags end for x that lie whole within the first room bytes of the answer to
// a LOG SENSE for parameters from first on: it is a Show of device.LogPage.
func (f *Flags) Show(dst []byte, x *target.ITL, first uint16, room int) []byte {
	from := max(int(first), 1)
	last := min(from-1+max(room-logPageHeader, 0)/parameterLength, maximum)
	var read uint64
	if from <= last {
		read = allFlags >> (from - 1) &^ (allFlags >> last)
	}
	f.mu.Lock()
	unread := f.unread[x]
	if f.unread != nil {
		f.unread[x] = unread &^ read
	}
	f.mu.Unlock()
	var list []byte
	for n := 1; n <= maximum; n++ {
		list = page.AppendLogParameter(list, uint16(n), page.LogCounter, byte(unread>>(maximum-n)&1))
	}
	return page.AppendLogPage(dst, Page, 0, list)
}
