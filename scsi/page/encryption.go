package page

import (
	"encoding/binary"

	"github.com/lunette-io/lunette/scsi"
)

// Pages of SECURITY PROTOCOL IN, 20h (SSC-4 8.5.2) and OUT (8.5.3), by their codes.
const (
	EncryptionInList      = 0x0000
	EncryptionOutList     = 0x0001
	EncryptionCapability  = 0x0010
	EncryptionKeyFormats  = 0x0011
	EncryptionManagement  = 0x0012
	EncryptionStatusPage  = 0x0020
	EncryptionNextBlock   = 0x0021
	EncryptionRandom      = 0x0030
	EncryptionSetPage     = 0x0010 // of SECURITY PROTOCOL OUT
	encryptionDescriptors = 20     // where those of EncryptionCapability begin
)

// AlgorithmAES256GCM is the SECURITY ALGORITHM CODE of AES-256-GCM with 16 bytes that authenticate (SPC-5 table 213).
const AlgorithmAES256GCM = 0x00010014

// Types of key-associated data (SSC-4 8.5.4.2).
const (
	KADUnauthenticated = 0
	KADAuthenticated   = 1
	KADNonce           = 2
	KADMetadata        = 3
)

// A KAD is a key-associated data descriptor (SSC-4 8.5.4).
type KAD struct {
	Type          uint8
	Authenticated uint8 // AUTHENTICATED, 0 to 7: 1 nobody has tried, 2 it was authentic, 3 it was not
	Data          []byte
}

// Append appends the descriptor.
func (k KAD) Append(dst []byte) []byte {
	dst = append(dst, k.Type, k.Authenticated&7)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(k.Data)))
	return append(dst, k.Data...)
}

func appendKADs(dst []byte, kads []KAD) []byte {
	for _, k := range kads {
		dst = k.Append(dst)
	}
	return dst
}

// startEncryption appends a page header whose length setLen16 fills in at the returned offset.
func startEncryption(dst []byte, code uint16) ([]byte, int) {
	dst = binary.BigEndian.AppendUint16(dst, code)
	return append(dst, 0, 0), len(dst)
}

// AppendSecurityProtocols appends the list of protocols of protocol 00h, page 0000h (SPC-5 7.7.2.2).
func AppendSecurityProtocols(dst []byte, protocols ...byte) []byte {
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, byte(len(protocols)))
	return append(dst, protocols...)
}

// AppendCertificate appends certificate data of protocol 00h, page 0001h (SPC-5 7.7.2.3): there is none.
func AppendCertificate(dst []byte) []byte { return append(dst, 0, 0, 0, 0) }

// AppendEncryptionCodes appends a page that lists page codes (SSC-4 8.5.2.2, 8.5.2.3).
func AppendEncryptionCodes(dst []byte, page uint16, codes ...uint16) []byte {
	dst, at := startEncryption(dst, page)
	for _, c := range codes {
		dst = binary.BigEndian.AppendUint16(dst, c)
	}
	return setLen16(dst, at)
}

// AppendEncryptionBytes appends a page whose body is b: the key formats (SSC-4 8.5.2.5), or a random number (8.5.2.9).
func AppendEncryptionBytes(dst []byte, page uint16, b ...byte) []byte {
	dst, at := startEncryption(dst, page)
	return setLen16(append(dst, b...), at)
}

// EncryptionCapabilities is the data encryption capabilities page with one algorithm (SSC-4 8.5.2.4).
type EncryptionCapabilities struct {
	ExternalControl  uint8 // EXTDECC, 0 to 3
	ConfigurePrevent uint8 // CFG_P, 0 to 3: 1 the configuration may be changed
	Index            uint8 // ALGORITHM INDEX
	Loaded           bool  // AVFMV: valid for the volume that is mounted; AVFCLP: where it is
	Supplemental     bool  // SDK_C
	MACs             bool  // MAC_C
	Distinguish      bool  // DED_C: encrypted blocks are told from others
	Decrypt, Encrypt uint8 // DECRYPT_C, ENCRYPT_C: 2 in hardware
	Nonce            uint8 // NONCE_C, 0 to 3: 1 the unit makes it
	KADFormats       bool  // KADF_C
	EarlyWarning     bool  // VCELB_C
	FixedU, FixedA   bool  // UKADF, AKADF: key-associated data have their greatest length
	MaxU, MaxA       uint16
	KeySize          uint16
	DecryptKAD       uint8 // DKAD_C, 0 to 3
	ExternalMode     uint8 // EEMC_C, 0 to 3: 1 not allowed
	Raw              uint8 // RDMC_C, 0 to 7: 1 raw reads are not possible
	RawEncryption    bool  // EAREM
	Algorithm        uint32
}

// Append appends the page, 44 bytes.
func (c EncryptionCapabilities) Append(dst []byte) []byte {
	dst, at := startEncryption(dst, EncryptionCapability)
	from := at - 2
	dst = append(dst, c.ExternalControl&3<<2|c.ConfigurePrevent&3)
	dst = appendZeros(dst, from+encryptionDescriptors-len(dst))
	dst = append(dst, c.Index, 0, 0, 0x14,
		flag(c.Loaded, 0x80)|flag(c.Supplemental, 0x40)|flag(c.MACs, 0x20)|flag(c.Distinguish, 0x10)|c.Decrypt&3<<2|c.Encrypt&3,
		flag(c.Loaded, 0x80)|c.Nonce&3<<4|flag(c.KADFormats, 0x08)|flag(c.EarlyWarning, 0x04)|flag(c.FixedU, 0x02)|flag(c.FixedA, 0x01))
	for _, v := range [...]uint16{c.MaxU, c.MaxA, c.KeySize} {
		dst = binary.BigEndian.AppendUint16(dst, v)
	}
	dst = append(dst, c.DecryptKAD<<6|c.ExternalMode&3<<4|c.Raw&7<<1|flag(c.RawEncryption, 0x01), 0)
	dst = appendZeros(dst, 6)
	return setLen16(binary.BigEndian.AppendUint32(dst, c.Algorithm), at)
}

// EncryptionManagementCapabilities is the data encryption management capabilities page (SSC-4 8.5.2.6).
type EncryptionManagementCapabilities struct {
	Lock                  bool // LOCK_C
	OnDemount             bool // CKOD_C
	OnPreempt, OnLoss     bool // CKORP_C, CKORL_C
	AllNexus, Local, Open bool // AITN_C, LOCAL_C, PUBLIC_C
}

// Append appends the page, 16 bytes.
func (m EncryptionManagementCapabilities) Append(dst []byte) []byte {
	dst, at := startEncryption(dst, EncryptionManagement)
	dst = append(dst, flag(m.Lock, 0x01), flag(m.OnDemount, 0x04)|flag(m.OnPreempt, 0x02)|flag(m.OnLoss, 0x01),
		0, flag(m.AllNexus, 0x04)|flag(m.Local, 0x02)|flag(m.Open, 0x01))
	return setLen16(appendZeros(dst, 8), at)
}

// EncryptionStatus is the data encryption status page (SSC-4 8.5.2.7).
type EncryptionStatus struct {
	NexusScope, KeyScope uint8 // 0 public, 1 local, 2 all I_T nexuses
	Encryption           uint8 // mode: 0 off, 1 external, 2 encrypt
	Decryption           uint8 // mode: 0 off, 1 raw, 2 decrypt, 3 mixed
	Index                uint8 // of the algorithm
	Instance             uint32
	Control              uint8 // PARAMETERS CONTROL, 0 to 7: 1 not exclusively controlled by others
	EarlyWarning         bool  // VCELB
	ExternalStatus       uint8 // CEEMS, 0 to 3
	RawDisabled          bool  // RDMD
	KADFormat            uint8
	KADs                 []KAD
}

// Append appends the page, 24 bytes and the descriptors.
func (s EncryptionStatus) Append(dst []byte) []byte {
	dst, at := startEncryption(dst, EncryptionStatusPage)
	dst = append(dst, s.NexusScope<<5|s.KeyScope&7, s.Encryption, s.Decryption, s.Index)
	dst = binary.BigEndian.AppendUint32(dst, s.Instance)
	dst = append(dst, s.Control&7<<4|flag(s.EarlyWarning, 0x08)|s.ExternalStatus&3<<1|flag(s.RawDisabled, 0x01), s.KADFormat)
	return setLen16(appendKADs(appendZeros(dst, 10), s.KADs), at)
}

// States of the next block in EncryptionBlock.
const (
	BlockUnable        = 0 // it cannot be told
	BlockUnableNow     = 1 // not now
	BlockNone          = 2 // what comes next is no block
	BlockClear         = 3 // it is not encrypted
	BlockForeign       = 4 // encrypted by an algorithm that is not supported
	BlockDecryptable   = 5 // encrypted, and it can be decrypted now
	BlockUndecryptable = 6 // encrypted, and it cannot
)

// EncryptionBlock is the next block encryption status page (SSC-4 8.5.2.8).
type EncryptionBlock struct {
	Object      uint64 // LOGICAL OBJECT NUMBER
	Compression uint8  // COMPRESSION STATUS, 0 to 15
	State       uint8  // ENCRYPTION STATUS, 0 to 15: one of the states above
	Index       uint8  // of the algorithm
	External    bool   // EMES
	RawDisabled bool   // RDMDS
	KADFormat   uint8
	KADs        []KAD
}

// Append appends the page, 16 bytes and the descriptors.
func (b EncryptionBlock) Append(dst []byte) []byte {
	dst, at := startEncryption(dst, EncryptionNextBlock)
	dst = binary.BigEndian.AppendUint64(dst, b.Object)
	dst = append(dst, b.Compression<<4|b.State&0xf, b.Index, flag(b.External, 0x02)|flag(b.RawDisabled, 0x01), b.KADFormat)
	return setLen16(appendKADs(dst, b.KADs), at)
}

// An EncryptionSet is the set data encryption page of SECURITY PROTOCOL OUT (SSC-4 8.5.3.2).
type EncryptionSet struct {
	Scope         uint8 // 0 public, 1 local, 2 all I_T nexuses, to 7
	Lock          bool
	CheckExternal uint8 // CEEM, 0 to 3
	Raw           uint8 // RDMC, 0 to 3
	Supplemental  bool  // SDK
	OnDemount     bool  // CKOD
	OnPreempt     bool  // CKORP
	OnLoss        bool  // CKORL
	Encryption    uint8 // as in EncryptionStatus
	Decryption    uint8
	Index         uint8
	KeyFormat     uint8
	KADFormat     uint8
	Key           []byte
	KADs          []KAD
}

// Where fields of EncryptionSet lie, for field pointers.
const (
	EncryptionSetScope         = 4
	EncryptionSetFlags         = 5
	EncryptionSetEncryption    = 6
	EncryptionSetDecryption    = 7
	EncryptionSetIndex         = 8
	EncryptionSetKeyFormat     = 9
	EncryptionSetKADFormat     = 10
	EncryptionSetKeyLength     = 18
	EncryptionSetKey           = 20
	encryptionSetLengthAt      = 2
	encryptionKADHeader        = 4
	maxEncryptionKADsInOnePage = 4
)

// ParseEncryptionSet reads the page; what is in it refers to list. Its errors are a [scsi.Sense]: PARAMETER LIST
// LENGTH ERROR for a list that ends early, INCOMPLETE KEY-ASSOCIATED DATA SET for descriptors that do, INVALID
// FIELD IN PARAMETER LIST for the rest.
func ParseEncryptionSet(list []byte) (EncryptionSet, error) {
	if len(list) < EncryptionSetKey {
		return EncryptionSet{}, scsi.ParameterListLengthError()
	}
	switch {
	case binary.BigEndian.Uint16(list) != EncryptionSetPage:
		return EncryptionSet{}, scsi.InvalidFieldInParameterList(0, -1)
	case int(binary.BigEndian.Uint16(list[encryptionSetLengthAt:])) != len(list)-4:
		return EncryptionSet{}, scsi.InvalidFieldInParameterList(encryptionSetLengthAt, -1)
	}
	n := int(binary.BigEndian.Uint16(list[EncryptionSetKeyLength:]))
	if n > len(list)-EncryptionSetKey {
		return EncryptionSet{}, scsi.InvalidFieldInParameterList(EncryptionSetKeyLength, -1)
	}
	s := EncryptionSet{
		Scope: list[4] >> 5, Lock: list[4]&0x01 != 0,
		CheckExternal: list[5] >> 6, Raw: list[5] >> 4 & 3, Supplemental: list[5]&0x08 != 0,
		OnDemount: list[5]&0x04 != 0, OnPreempt: list[5]&0x02 != 0, OnLoss: list[5]&0x01 != 0,
		Encryption: list[6], Decryption: list[7], Index: list[8], KeyFormat: list[9], KADFormat: list[10],
		Key: list[EncryptionSetKey : EncryptionSetKey+n : EncryptionSetKey+n],
	}
	for at := EncryptionSetKey + n; at < len(list); {
		if len(list)-at < encryptionKADHeader {
			return EncryptionSet{}, scsi.IllegalRequest(scsi.ASCIncompleteKeyAssociatedData)
		}
		k := KAD{Type: list[at], Authenticated: list[at+1] & 7}
		size := int(binary.BigEndian.Uint16(list[at+2:]))
		if at += encryptionKADHeader; size > len(list)-at {
			return EncryptionSet{}, scsi.IllegalRequest(scsi.ASCIncompleteKeyAssociatedData)
		}
		k.Data = list[at : at+size : at+size]
		at += size
		// Each type comes once, in order.
		if last := len(s.KADs) - 1; last >= 0 && k.Type <= s.KADs[last].Type || len(s.KADs) == maxEncryptionKADsInOnePage {
			return EncryptionSet{}, scsi.InvalidFieldInParameterList(at-size-encryptionKADHeader, -1)
		}
		s.KADs = append(s.KADs, k)
	}
	return s, nil
}

// Append appends the page.
func (s EncryptionSet) Append(dst []byte) []byte {
	dst, at := startEncryption(dst, EncryptionSetPage)
	dst = append(dst, s.Scope<<5|flag(s.Lock, 0x01),
		s.CheckExternal<<6|s.Raw&3<<4|flag(s.Supplemental, 0x08)|flag(s.OnDemount, 0x04)|flag(s.OnPreempt, 0x02)|flag(s.OnLoss, 0x01),
		s.Encryption, s.Decryption, s.Index, s.KeyFormat, s.KADFormat)
	dst = binary.BigEndian.AppendUint16(appendZeros(dst, 7), uint16(len(s.Key)))
	return setLen16(appendKADs(append(dst, s.Key...), s.KADs), at)
}
