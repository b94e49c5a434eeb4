// Package personality is what tape libraries, tape drives and media formats of makers call themselves and can do, as data: a file
// for each, in the program or of the user.
package personality

// A Set is the personalities that there are.
type Set struct {
	Libraries []Library
	Drives    []Drive
	Formats   []Format
}

// A Library is what a medium changer calls itself, and how it numbers its elements. Addresses are defaults: a user may choose others.
type Library struct {
	Name     string `json:"name"`               // in documents, such as "ibm-ts3500"
	Help     string `json:"help"`               // the machine, for people
	Vendor   string `json:"vendor"`             // T10 VENDOR IDENTIFICATION
	Product  string `json:"product"`            // PRODUCT IDENTIFICATION
	Revision string `json:"revision"`           // PRODUCT REVISION LEVEL
	Version  byte   `json:"version,omitempty"`  // VERSION of INQUIRY data; 0: 5 (SPC-3)
	Length   int    `json:"length,omitempty"`   // of INQUIRY data, in bytes; 0: what is needed
	Barcodes bool   `json:"barcodes,omitempty"` // BarC, byte 6 bit 5 of INQUIRY data
	// BarcodeAt55: byte 55 bit 0 of INQUIRY data says that there is a bar code reader.
	BarcodeAt55 bool `json:"barcodeAt55,omitempty"`
	// SerialAt38: the serial number lies at byte 38 of INQUIRY data, 12 bytes.
	SerialAt38 bool      `json:"serialAt38,omitempty"`
	Addresses  Addresses `json:"addresses"`
	// Identifier is how READ ELEMENT STATUS names a drive: "t10" (34 bytes: vendor, product, serial) or "serial".
	Identifier string `json:"identifier"`
	// IdentifierLength is how long a "serial" identifier is, padded with spaces; 0: as long as the number.
	IdentifierLength int `json:"identifierLength,omitempty"`
	// IdentifierAlways: it is there without DVCID too.
	IdentifierAlways bool `json:"identifierAlways,omitempty"`
	// NoIdentification: there is no VPD page 83h.
	NoIdentification bool `json:"noIdentification,omitempty"`
	// NoExchange: EXCHANGE MEDIUM is not there.
	NoExchange bool `json:"noExchange,omitempty"`
	// Sources say where the facts are from, and what is not sure.
	Sources string `json:"sources,omitempty"`
	// Limits on how many elements there may be; 0: as many as addresses.
	MaxDrives int `json:"maxDrives,omitempty"`
	MaxSlots  int `json:"maxSlots,omitempty"`
	MaxMail   int `json:"maxMail,omitempty"`
}

// Addresses are those of the first element of each type.
type Addresses struct {
	Transport uint16 `json:"transport"`
	Storage   uint16 `json:"storage"`
	Mail      uint16 `json:"mail"`
	Drive     uint16 `json:"drive"`
}

// A Drive is what a tape drive calls itself and can do.
type Drive struct {
	Name     string `json:"name"` // in documents, such as "ibm-lto8"
	Help     string `json:"help"`
	Vendor   string `json:"vendor"`
	Product  string `json:"product"`
	Revision string `json:"revision"`
	Version  byte   `json:"version,omitempty"` // VERSION of INQUIRY data; 0: 6 (SPC-4)
	Length   int    `json:"length,omitempty"`  // of INQUIRY data; 0: what is needed
	// Formats are those of media, the own one first; what is not here is refused at the load.
	Formats []DriveFormat `json:"formats"`
	// Blocks it takes, in bytes: READ BLOCK LIMITS.
	MinBlock    int64 `json:"minBlock,omitempty"` // 0: 1
	MaxBlock    int64 `json:"maxBlock"`
	Granularity uint8 `json:"granularity,omitempty"`
	// Partitions it can make, 1 to 4.
	Partitions int `json:"partitions"`
	// Compression algorithm that mode page 0Fh names; 0: there is no compression.
	Compression uint32 `json:"compression,omitempty"`
	// Encryption is the algorithm that SECURITY PROTOCOL names, such as 0x10014 (AES-256-GCM); 0: none. UKAD and AKAD are how long
	// key-associated data may be.
	Encryption uint32 `json:"encryption,omitempty"`
	UKAD       int    `json:"ukad,omitempty"`
	AKAD       int    `json:"akad,omitempty"`
	// Protection are the methods of logical block protection: 1 Reed-Solomon CRC, 2 CRC32C.
	Protection []byte `json:"protection,omitempty"`
	WORM       bool   `json:"worm,omitempty"`
	// AppendOnly: mode page 10h/01h has WRITE MODE, and there is ALLOW OVERWRITE.
	AppendOnly bool `json:"appendOnly,omitempty"`
	// LocateBefore: LOCATE by file number lands before the filemark (HP), not behind it (IBM).
	LocateBefore bool `json:"locateBefore,omitempty"`
	ReadReverse  bool `json:"readReverse,omitempty"`
	// CapacityPage: log page 31h is there, in MiB (LTO-5, LTO-6).
	CapacityPage bool `json:"capacityPage,omitempty"`
	// Characterizes: the first load of a new cartridge takes a FORMAT MEDIUM that Proxmox Backup asks for (LTO-9). It takes no time here.
	Characterizes bool   `json:"characterizes,omitempty"`
	Sources       string `json:"sources,omitempty"`
}

// A DriveFormat is what a drive does with a media format.
type DriveFormat struct {
	Format string `json:"format"` // Format.Name
	Write  bool   `json:"write,omitempty"`
	// Density code that the drive uses for it; 0: the format's.
	Density byte `json:"density,omitempty"`
}

// A Format is a media format: a generation of cartridges.
type Format struct {
	Name string `json:"name"` // the suffix of barcodes, such as "L8"
	Help string `json:"help"`
	// Density is the PRIMARY DENSITY CODE.
	Density byte `json:"density"`
	// MediumType and WORMType are the MEDIUM TYPE of the mode parameter header; WORMType 0: there is no WORM.
	MediumType byte `json:"mediumType"`
	WORMType   byte `json:"wormType,omitempty"`
	// WORMName is the suffix of WORM barcodes, such as "LY".
	WORMName string `json:"wormName,omitempty"`
	// Capacity is native, in megabytes (10^6 bytes).
	Capacity int64 `json:"capacity"`
	// What REPORT DENSITY SUPPORT says.
	BitsPerMM    uint32 `json:"bitsPerMM"`
	Tracks       uint16 `json:"tracks"`
	Width        uint16 `json:"width"`  // tenths of a millimetre
	Length       uint16 `json:"length"` // metres
	Organization string `json:"organization"`
	Density8     string `json:"densityName"` // up to 8 characters, such as "U-832"
	Description  string `json:"description"` // up to 20 characters
	// Memory is how large the cartridge memory is, in bytes.
	Memory  int    `json:"memory"`
	Sources string `json:"sources,omitempty"`
}
