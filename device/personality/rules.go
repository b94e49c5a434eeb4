package personality

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A rule says of a value what is right: for what reads files, and for the schema.
type rule struct {
	help    string
	pattern string   // of a string; empty: any that can be printed
	words   []string // the only strings
	least   int64    // length of a string, number of elements of a list, or number
	most    int64    // of the same; 0: no bound but the type's
}

// Lengths of INQUIRY data that a personality may ask for, in bytes.
const (
	leastInquiry = 36
	mostInquiry  = 96
)

// biggestBlock is that of a cartridge.
const biggestBlock = 8 << 20

// Patterns of names.
const (
	namePattern   = `^[a-z0-9][a-z0-9.-]{0,47}$`
	formatPattern = `^[A-Z0-9]{2}$`
)

// rulesOf are the rules of the values of a sort, by their keys.
func rulesOf(sort string) map[string]rule {
	text := func(help string, most int64) rule { return rule{help: help, least: 1, most: most} }
	number := func(help string, least, most int64) rule { return rule{help: help, least: least, most: most} }
	switch sort {
	case keyLibraries:
		return map[string]rule{
			"name":              {help: "What documents call it.", pattern: namePattern},
			"help":              text("The machine, for people.", 200),
			"vendor":            text("T10 VENDOR IDENTIFICATION.", 8),
			"product":           text("PRODUCT IDENTIFICATION.", 16),
			"revision":          text("PRODUCT REVISION LEVEL.", 4),
			"version":           number("VERSION of INQUIRY data; without it 5 (SPC-3).", 0, 7),
			"length":            number("How long INQUIRY data is, in bytes; 0: as long as it has to be.", 0, mostInquiry),
			"barcodes":          {help: "Byte 6, bit 5 of INQUIRY data (BarC) is set."},
			"barcode-at-55":     {help: "Byte 55, bit 0 of INQUIRY data says that there is a bar code reader."},
			"serial-at-38":      {help: "INQUIRY data has 12 bytes of the serial number at byte 38."},
			"addresses":         {help: "Where elements of each type begin, if a document does not say."},
			"identifier":        {help: "How READ ELEMENT STATUS names a drive: t10 is vendor, product and serial number (34 bytes), serial the number alone.", words: []string{"t10", "serial"}},
			"identifier-length": number("How long an identifier that is a serial number is; 0: as long as the number.", 0, 64),
			"identifier-always": {help: "Identifiers are there without DVCID, too."},
			"no-identification": {help: "There is no VPD page 83h."},
			"no-exchange":       {help: "There is no EXCHANGE MEDIUM."},
			"maker":             {help: "What stands before the hyphen of drives that a document names in short: with ibm, lto8 is ibm-lto8.", pattern: namePattern},
			"sources":           text("Where the facts are from, and what is not sure.", 1000),
			"max-drives":        number("How many drives there may be; 0: as many as there are addresses.", 0, 65535),
			"max-slots":         number("How many storage slots there may be.", 0, 65535),
			"max-mail":          number("How many mail slots there may be.", 0, 65535),
		}
	case keyDrives:
		return map[string]rule{
			"name":             {help: "What documents call it.", pattern: namePattern},
			"help":             text("The drive, for people.", 200),
			"vendor":           text("T10 VENDOR IDENTIFICATION.", 8),
			"product":          text("PRODUCT IDENTIFICATION.", 16),
			"revision":         text("PRODUCT REVISION LEVEL. Programs compare it: LTFS as four characters with the least that it takes.", 4),
			"version":          number("VERSION of INQUIRY data; without it 6 (SPC-4).", 0, 7),
			"length":           number("How long INQUIRY data is, in bytes; 0: as long as it has to be.", 0, mostInquiry),
			"formats":          {help: "The media that it takes, its own first. All others are refused when they are loaded.", least: 1, most: 32},
			"min-block":        number("The smallest block that it takes, in bytes; 0: 1.", 0, biggestBlock),
			"max-block":        number("The largest block that it takes, in bytes.", 1, biggestBlock),
			"granularity":      number("Blocks are a multiple of 2 to the power of this, in bytes.", 0, 16),
			"partitions":       number("How many partitions it can make.", 1, 4),
			"compression":      number("The compression algorithm of mode page 0Fh; 0: there is no compression.", 0, 1<<32-1),
			"encryption":       number("The encryption algorithm of SECURITY PROTOCOL 20h, such as 0x10014 (AES-256-GCM); 0: none.", 0, 1<<32-1),
			"ukad":             number("How long unauthenticated key-associated data may be, in bytes.", 0, 64),
			"akad":             number("How long authenticated key-associated data may be, in bytes.", 0, 64),
			"protection":       {help: "Methods of logical block protection: 1 Reed-Solomon CRC, 2 CRC32C.", most: 2},
			"worm":             {help: "It writes WORM cartridges as such."},
			"append-only":      {help: "Mode page 10h, subpage 01h has WRITE MODE, and there is ALLOW OVERWRITE."},
			"locate-before":    {help: "LOCATE by file number lands before the filemark with which the file begins, and not behind it."},
			"read-reverse":     {help: "There is READ REVERSE."},
			"recover-buffered": {help: "There is RECOVER BUFFERED DATA: what was buffered and cannot be written is read back."},
			"capacity-page":    {help: "There is log page 31h, in MiB (LTO-5, LTO-6)."},
			"sources":          text("Where the facts are from, and what is not sure.", 1000),
		}
	case keyFormats:
		return map[string]rule{
			"name":         {help: "The last characters of barcodes.", pattern: formatPattern},
			"help":         text("The cartridge, for people.", 200),
			"density":      number("PRIMARY DENSITY CODE.", 0, 255),
			"medium-type":  number("MEDIUM TYPE of the mode parameter header.", 0, 255),
			"worm-type":    number("The same of a WORM cartridge; 0: there is none.", 0, 255),
			"worm-name":    {help: "The last characters of barcodes of WORM cartridges.", pattern: formatPattern},
			"capacity":     number("How much goes on it without compression, in megabytes (10^6 bytes).", 1, 1<<40),
			"bits-per-mm":  number("As REPORT DENSITY SUPPORT says it.", 0, 1<<24-1),
			"tracks":       number("As REPORT DENSITY SUPPORT says it.", 0, 65535),
			"width":        number("Of the tape, in tenths of a millimetre.", 0, 65535),
			"length":       number("Of the tape, in metres.", 0, 65535),
			"organization": text("ASSIGNING ORGANIZATION.", 8),
			"density-name": text("DENSITY NAME.", 8),
			"description":  text("DESCRIPTION.", 20),
			"memory":       number("How large the cartridge memory is, in bytes.", 1024, 1<<20),
			"sources":      text("Where the facts are from, and what is not sure.", 1000),
		}
	case "addresses":
		return map[string]rule{
			"transport": number("The robot's hand.", 0, 65535), "storage": number("The first storage slot.", 0, 65535),
			"mail": number("The first mail slot.", 0, 65535), "drive": number("The first drive.", 0, 65535),
		}
	case "formats[]":
		return map[string]rule{
			"format":  {help: "The name of a media format.", pattern: formatPattern},
			"write":   {help: "It writes it, too."},
			"density": number("The density code that it has for it; 0: the format's.", 0, 255),
		}
	}
	return nil
}

// patterns are compiled once for each check.
type patterns map[string]*regexp.Regexp

func (p patterns) match(pattern, text string) bool {
	if p[pattern] == nil {
		p[pattern] = regexp.MustCompile(pattern)
	}
	return p[pattern].MatchString(text)
}

// text says what is wrong with a string; nil: nothing is.
func (r rule) text(p patterns, s string) error {
	switch {
	case len(r.words) > 0:
		if !slices.Contains(r.words, s) {
			return fmt.Errorf("%.40q is not %s", s, strings.Join(r.words, " or "))
		}
	case r.pattern != "":
		if !p.match(r.pattern, s) {
			return fmt.Errorf("%.60q does not look right: %s is wanted", s, r.pattern)
		}
	default:
		for _, c := range s {
			if c < ' ' || c > '~' {
				return fmt.Errorf("%.60q has the character %q: only those of ASCII that can be printed are taken", s, c)
			}
		}
		if n := int64(len(s)); n < r.least || n > r.most {
			return fmt.Errorf("%.60q has %d characters: %d to %d are wanted", s, n, r.least, r.most)
		}
		if s != strings.TrimSpace(s) {
			return fmt.Errorf("%.60q begins or ends with a space: it is padded by itself", s)
		}
	}
	return nil
}

// number says what is wrong with a number; nil: nothing is.
func (r rule) number(n int64) error {
	if r.most > 0 && (n < r.least || n > r.most) {
		return fmt.Errorf("%d is not from %d to %d", n, r.least, r.most)
	}
	return nil
}
