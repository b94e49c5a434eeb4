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
	Name     string `yaml:"name"`               // in documents, such as "ibm-ts3500"
	Help     string `yaml:"help"`               // the machine, for people
	Vendor   string `yaml:"vendor"`             // T10 VENDOR IDENTIFICATION
	Product  string `yaml:"product"`            // PRODUCT IDENTIFICATION
	Revision string `yaml:"revision"`           // PRODUCT REVISION LEVEL
	Version  byte   `yaml:"version,omitempty"`  // VERSION of INQUIRY data; 0: 5 (SPC-3)
	Length   int    `yaml:"length,omitempty"`   // of INQUIRY data, in bytes; 0: what is needed
	Barcodes bool   `yaml:"barcodes,omitempty"` // BarC, byte 6 bit 5 of INQUIRY data
	// BarcodeAt55: byte 55 bit 0 of INQUIRY data says that there is a bar code reader.
	BarcodeAt55 bool `yaml:"barcode-at-55,omitempty"`
	// SerialAt38: the serial number lies at byte 38 of INQUIRY data, 12 bytes.
	SerialAt38 bool      `yaml:"serial-at-38,omitempty"`
	Addresses  Addresses `yaml:"addresses"`
	// Identifier is how READ ELEMENT STATUS names a drive: "t10" (34 bytes: vendor, product, serial) or "serial".
	Identifier string `yaml:"identifier"`
	// IdentifierLength is how long a "serial" identifier is, padded with spaces; 0: as long as the number.
	IdentifierLength int `yaml:"identifier-length,omitempty"`
	// IdentifierAlways: it is there without DVCID too.
	IdentifierAlways bool `yaml:"identifier-always,omitempty"`
	// NoIdentification: there is no VPD page 83h.
	NoIdentification bool `yaml:"no-identification,omitempty"`
	// NoExchange: EXCHANGE MEDIUM is not there.
	NoExchange bool `yaml:"no-exchange,omitempty"`
	// Maker is what stands before the hyphen of drives that are named in short: "ibm" makes of "lto8" the drive "ibm-lto8".
	Maker string `yaml:"maker"`
	// Sources say where the facts are from, and what is not sure.
	Sources string `yaml:"sources,omitempty"`
	// Limits on how many elements there may be; 0: as many as addresses.
	MaxDrives int `yaml:"max-drives,omitempty"`
	MaxSlots  int `yaml:"max-slots,omitempty"`
	MaxMail   int `yaml:"max-mail,omitempty"`
}

// Addresses are those of the first element of each type.
type Addresses struct {
	Transport uint16 `yaml:"transport"`
	Storage   uint16 `yaml:"storage"`
	Mail      uint16 `yaml:"mail"`
	Drive     uint16 `yaml:"drive"`
}

// A Drive is what a tape drive calls itself and can do.
type Drive struct {
	Name     string `yaml:"name"` // in documents, such as "ibm-lto8"
	Help     string `yaml:"help"`
	Vendor   string `yaml:"vendor"`
	Product  string `yaml:"product"`
	Revision string `yaml:"revision"`
	Version  byte   `yaml:"version,omitempty"` // VERSION of INQUIRY data; 0: 6 (SPC-4)
	Length   int    `yaml:"length,omitempty"`  // of INQUIRY data; 0: what is needed
	// Formats are those of media, the own one first; what is not here is refused at the load.
	Formats []DriveFormat `yaml:"formats"`
	// Blocks it takes, in bytes: READ BLOCK LIMITS.
	MinBlock    int64 `yaml:"min-block,omitempty"` // 0: 1
	MaxBlock    int64 `yaml:"max-block"`
	Granularity uint8 `yaml:"granularity,omitempty"`
	// Partitions it can make, 1 to 4.
	Partitions int `yaml:"partitions"`
	// Compression algorithm that mode page 0Fh names; 0: there is no compression.
	Compression uint32 `yaml:"compression,omitempty"`
	// Encryption is the algorithm that SECURITY PROTOCOL names, such as 0x10014 (AES-256-GCM); 0: none. UKAD and AKAD are how long
	// key-associated data may be.
	Encryption uint32 `yaml:"encryption,omitempty"`
	UKAD       int    `yaml:"ukad,omitempty"`
	AKAD       int    `yaml:"akad,omitempty"`
	// Protection are the methods of logical block protection: 1 Reed-Solomon CRC, 2 CRC32C.
	Protection []byte `yaml:"protection,omitempty"`
	WORM       bool   `yaml:"worm,omitempty"`
	// AppendOnly: mode page 10h/01h has WRITE MODE, and there is ALLOW OVERWRITE.
	AppendOnly bool `yaml:"append-only,omitempty"`
	// LocateBefore: LOCATE by file number lands before the filemark (HP), not behind it (IBM).
	LocateBefore bool `yaml:"locate-before,omitempty"`
	ReadReverse  bool `yaml:"read-reverse,omitempty"`
	// RecoverBuffered: RECOVER BUFFERED DATA reads back what could not be written.
	RecoverBuffered bool `yaml:"recover-buffered,omitempty"`
	// CapacityPage: log page 31h is there, in MiB (LTO-5, LTO-6).
	CapacityPage bool   `yaml:"capacity-page,omitempty"`
	Sources      string `yaml:"sources,omitempty"`
}

// A DriveFormat is what a drive does with a media format.
type DriveFormat struct {
	Format string `yaml:"format"` // Format.Name
	Write  bool   `yaml:"write,omitempty"`
	// Density code that the drive uses for it; 0: the format's.
	Density byte `yaml:"density,omitempty"`
}

// A Format is a media format: a generation of cartridges.
type Format struct {
	Name string `yaml:"name"` // the suffix of barcodes, such as "L8"
	Help string `yaml:"help"`
	// Density is the PRIMARY DENSITY CODE.
	Density byte `yaml:"density"`
	// MediumType and WORMType are the MEDIUM TYPE of the mode parameter header; WORMType 0: there is no WORM.
	MediumType byte `yaml:"medium-type"`
	WORMType   byte `yaml:"worm-type,omitempty"`
	// WORMName is the suffix of WORM barcodes, such as "LY".
	WORMName string `yaml:"worm-name,omitempty"`
	// Capacity is native, in megabytes (10^6 bytes).
	Capacity int64 `yaml:"capacity"`
	// What REPORT DENSITY SUPPORT says.
	BitsPerMM    uint32 `yaml:"bits-per-mm"`
	Tracks       uint16 `yaml:"tracks"`
	Width        uint16 `yaml:"width"`  // tenths of a millimetre
	Length       uint16 `yaml:"length"` // metres
	Organization string `yaml:"organization"`
	Density8     string `yaml:"density-name"` // up to 8 characters, such as "U-832"
	Description  string `yaml:"description"`  // up to 20 characters
	// Memory is how large the cartridge memory is, in bytes.
	Memory  int    `yaml:"memory"`
	Sources string `yaml:"sources,omitempty"`
}
