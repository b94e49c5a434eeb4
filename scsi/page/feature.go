package page

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Profiles of GET CONFIGURATION (MMC-6 5.3.1).
const (
	ProfileNone   = 0x0000
	ProfileCDROM  = 0x0008
	ProfileDVDROM = 0x0010
	ProfileDVDRW  = 0x001a // DVD+RW
	ProfileBDROM  = 0x0040
	ProfileBDRE   = 0x0043
)

// Numbers of features (MMC-6 5.3).
const (
	FeatureProfileList      = 0x0000
	FeatureCore             = 0x0001
	FeatureMorphing         = 0x0002
	FeatureRemovableMedium  = 0x0003
	FeatureWriteProtect     = 0x0004
	FeatureRandomReadable   = 0x0010
	FeatureMultiRead        = 0x001d
	FeatureCDRead           = 0x001e
	FeatureDVDRead          = 0x001f
	FeatureRandomWritable   = 0x0020
	FeatureFormattable      = 0x0023
	FeatureDefectManagement = 0x0024
	FeatureDVDPlusRW        = 0x002a
	FeatureBDRead           = 0x0040
	FeatureBDWrite          = 0x0041
	FeaturePowerManagement  = 0x0100
	FeatureTimeout          = 0x0105
	FeatureDVDCSS           = 0x0106
	FeatureRealTime         = 0x0107 // Real-Time Streaming
	FeatureSerialNumber     = 0x0108 // Logical Unit Serial Number
	FeatureDiscControl      = 0x010a
	FeatureFirmware         = 0x010c // Firmware Information
)

// FeatureHeaderLen is the length of what GET CONFIGURATION data begins with, and FeatureLen that of a feature without data.
const (
	FeatureHeaderLen = 8
	FeatureLen       = 4
)

// A Feature is a feature descriptor (MMC-6 5.3). The functions below make those with data; what a drive has to set is Current, and
// Persistent where it is always current.
type Feature struct {
	Code       uint16
	Version    uint8 // 0 to 15
	Persistent bool
	Current    bool
	Data       []byte // a multiple of 4 bytes, up to 252
}

// Append appends the descriptor.
func (f Feature) Append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint16(dst, f.Code)
	dst = append(dst, f.Version&0xf<<2|flag(f.Persistent, 0x02)|flag(f.Current, 0x01), byte(len(f.Data)))
	return append(dst, f.Data...)
}

// AppendFeatures appends GET CONFIGURATION data of features, in the order given, which is to be ascending.
func AppendFeatures(dst []byte, current uint16, all ...Feature) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint16(append(dst, 0, 0, 0, 0, 0, 0), current)
	for _, f := range all {
		dst = f.Append(dst)
	}
	return setLen32(dst, at)
}

// ErrFeatures is wrapped by every error of [ParseFeatures].
var ErrFeatures = errors.New("malformed GET CONFIGURATION data")

// ParseFeatures reads GET CONFIGURATION data, all of whose lengths must be right: for initiators and tests. The data of features is that of b.
func ParseFeatures(b []byte) (current uint16, all []Feature, err error) {
	if len(b) < FeatureHeaderLen || uint64(binary.BigEndian.Uint32(b)) != uint64(len(b)-4) {
		return 0, nil, fmt.Errorf("%w: %d bytes", ErrFeatures, len(b))
	}
	current = binary.BigEndian.Uint16(b[6:])
	for b = b[FeatureHeaderLen:]; len(b) > 0; {
		if len(b) < FeatureLen || len(b) < FeatureLen+int(b[3]) || b[3]%4 != 0 {
			return 0, nil, fmt.Errorf("%w: a feature with %d bytes left", ErrFeatures, len(b))
		}
		n := FeatureLen + int(b[3])
		f := Feature{Code: binary.BigEndian.Uint16(b), Version: b[2] >> 2 & 0xf, Persistent: b[2]&0x02 != 0, Current: b[2]&0x01 != 0}
		if n > FeatureLen {
			f.Data = b[FeatureLen:n:n]
		}
		all, b = append(all, f), b[n:]
	}
	return current, all, nil
}

// ProfileList is feature 0000h (MMC-6 5.3.1): all profiles, of which current is current.
func ProfileList(current uint16, all ...uint16) Feature {
	f := Feature{Code: FeatureProfileList, Persistent: true, Current: true}
	for _, p := range all {
		f.Data = append(binary.BigEndian.AppendUint16(f.Data, p), flag(p == current, 0x01), 0)
	}
	return f
}

// Physical interfaces of the core feature (MMC-6 table 97).
const (
	InterfaceSCSI    = 1
	InterfaceATAPI   = 2
	InterfaceFC      = 5
	InterfaceUSB     = 8
	InterfaceUnknown = 0xffff
)

// CoreFeature is feature 0001h (MMC-6 5.3.2). Events: the drive reports device busy events (DBE).
func CoreFeature(physical uint32, events bool) Feature {
	d := binary.BigEndian.AppendUint32(nil, physical)
	return Feature{Code: FeatureCore, Version: 2, Persistent: true, Current: true, Data: append(d, flag(events, 0x01), 0, 0, 0)}
}

// MorphingFeature is feature 0002h (MMC-6 5.3.3): what is current changes, which events of the operational change class say; OCEvent: with
// a request before it. Hosts are to poll for it.
func MorphingFeature(ocEvent bool) Feature {
	return Feature{Code: FeatureMorphing, Version: 1, Persistent: true, Current: true, Data: []byte{flag(ocEvent, 0x02), 0, 0, 0}}
}

// Loading mechanisms of RemovableMediumFeature and [Capabilities].
const (
	LoadingCaddy = 0
	LoadingTray  = 1
	LoadingPopUp = 2
)

// RemovableMediumFeature is feature 0003h (MMC-6 5.3.4): load and eject say what START STOP UNIT does, lock that PREVENT ALLOW MEDIUM
// REMOVAL works.
func RemovableMediumFeature(loading uint8, load, eject, lock bool) Feature {
	return Feature{Code: FeatureRemovableMedium, Version: 2, Persistent: true, Current: true,
		Data: []byte{loading<<5 | flag(load, 0x10) | flag(eject, 0x08) | flag(lock, 0x01), 0, 0, 0}}
}

// RandomReadableFeature is feature 0010h (MMC-6 5.3.6). Blocking is how many blocks are read at a time: 1 of CDs, 16 of DVDs, 32 of BDs.
// Recovery: there is a page 01h of parameters for errors (PP).
func RandomReadableFeature(blocking uint16, recovery bool) Feature {
	d := binary.BigEndian.AppendUint16([]byte{0, 0, 0x08, 0}, blocking)
	return Feature{Code: FeatureRandomReadable, Data: append(d, flag(recovery, 0x01), 0)}
}

// CDReadFeature is feature 001Eh (MMC-6 5.3.8) of a drive that reads neither C2 pointers nor CD-Text.
func CDReadFeature() Feature {
	return Feature{Code: FeatureCDRead, Version: 2, Data: make([]byte, 4)}
}

// DVDReadFeature is feature 001Fh (MMC-6 5.3.9); dual: it reads recordable discs of two layers.
func DVDReadFeature(dual bool) Feature {
	return Feature{Code: FeatureDVDRead, Version: 1, Data: []byte{0x01, 0, flag(dual, 0x01), 0}}
}

// RandomWritableFeature is feature 0020h (MMC-6 5.3.10): last is the LBA of the last block.
func RandomWritableFeature(last uint32, blocking uint16, recovery bool) Feature {
	d := append(binary.BigEndian.AppendUint32(nil, last), 0, 0, 0x08, 0)
	d = binary.BigEndian.AppendUint16(d, blocking)
	return Feature{Code: FeatureRandomWritable, Version: 1, Data: append(d, flag(recovery, 0x01), 0)}
}

// FormattableFeature is feature 0023h (MMC-6 5.3.13) of a drive that formats BD-RE without a spare area (RENoSA) if noSpare.
func FormattableFeature(noSpare bool) Feature {
	return Feature{Code: FeatureFormattable, Version: 1, Data: []byte{flag(noSpare, 0x08), 0, 0, 0, 0, 0, 0, 0}}
}

// DefectManagementFeature is feature 0024h (MMC-6 5.3.14) of a drive that shows a medium without defects.
func DefectManagementFeature() Feature {
	return Feature{Code: FeatureDefectManagement, Data: make([]byte, 4)}
}

// DVDPlusRWFeature is feature 002Ah (MMC-6 5.3.19); quick: it formats in the background at once (quick start).
func DVDPlusRWFeature(write, quick, closeOnly bool) Feature {
	return Feature{Code: FeatureDVDPlusRW, Data: []byte{flag(write, 0x01), flag(quick, 0x02) | flag(closeOnly, 0x01), 0, 0}}
}

// BDReadFeature is feature 0040h (MMC-6 5.3.29). Each argument has a bitmap of versions for each class, 0 to 3: bit n for version n.
func BDReadFeature(re, r, rom [4]uint16) Feature {
	d := make([]byte, 4, 28)
	for _, classes := range [...][4]uint16{re, r, rom} {
		for _, v := range classes {
			d = binary.BigEndian.AppendUint16(d, v)
		}
	}
	return Feature{Code: FeatureBDRead, Data: d}
}

// BDWriteFeature is feature 0041h (MMC-6 5.3.30), with versions as in [BDReadFeature].
func BDWriteFeature(re, r [4]uint16) Feature {
	d := make([]byte, 4, 24)
	for _, classes := range [...][4]uint16{re, r} {
		for _, v := range classes {
			d = binary.BigEndian.AppendUint16(d, v)
		}
	}
	return Feature{Code: FeatureBDWrite, Data: appendZeros(d, 4)}
}

// PowerManagementFeature is feature 0100h (MMC-6 5.3.34): START STOP UNIT has power conditions, and mode page 1Ah timers.
func PowerManagementFeature() Feature {
	return Feature{Code: FeaturePowerManagement, Persistent: true, Current: true}
}

// TimeoutFeature is feature 0105h (MMC-6 5.3.39) of a drive without timeouts of group 3.
func TimeoutFeature() Feature {
	return Feature{Code: FeatureTimeout, Version: 1, Persistent: true, Current: true, Data: make([]byte, 4)}
}

// A RealTime is feature 0107h, Real-Time Streaming (MMC-6 5.3.41).
type RealTime struct {
	BufferCapacity bool // RBCB: READ BUFFER CAPACITY in blocks
	SetCDSpeed     bool // SCS
	Page2A         bool // MP2A: with write speed descriptors
	WriteSpeeds    bool // WSPD: type 3 of GET PERFORMANCE
	StreamWriting  bool // SW
}

// Feature is the descriptor.
func (r RealTime) Feature() Feature {
	return Feature{Code: FeatureRealTime, Version: 4, Data: []byte{flag(r.BufferCapacity, 0x10) | flag(r.SetCDSpeed, 0x08) | flag(r.Page2A, 0x04) |
		flag(r.WriteSpeeds, 0x02) | flag(r.StreamWriting, 0x01), 0, 0, 0}}
}

// SerialNumberFeature is feature 0108h (MMC-6 5.3.42): text, padded with spaces to whole words.
func SerialNumberFeature(serial string) Feature {
	if len(serial) > 252 {
		serial = serial[:252]
	}
	return Feature{Code: FeatureSerialNumber, Persistent: true, Current: true, Data: appendPadded(nil, serial, (len(serial)+3)/4*4)}
}
