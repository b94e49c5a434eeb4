package tape

import (
	"strconv"
	"strings"

	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi/cdb"
)

// A hostAttribute is one that hosts may set (SPC-5 7.4.2.5).
type hostAttribute struct {
	id       uint16
	format   uint8
	length   int
	variable bool // length is the most
}

// hostAttributes are those that the standard names.
var hostAttributes = [...]hostAttribute{
	{0x800, cdb.AttributeASCII, 8, false},    // application vendor
	{0x801, cdb.AttributeASCII, 32, false},   // application name
	{0x802, cdb.AttributeASCII, 8, false},    // application version
	{0x803, cdb.AttributeText, 160, false},   // user medium text label
	{0x804, cdb.AttributeASCII, 12, false},   // date and time last written
	{0x805, cdb.AttributeBinary, 1, false},   // text localization identifier
	{0x806, cdb.AttributeASCII, 32, false},   // barcode
	{0x807, cdb.AttributeText, 80, false},    // owning host textual name
	{0x808, cdb.AttributeText, 160, false},   // media pool
	{0x809, cdb.AttributeASCII, 16, false},   // partition user text label
	{0x80a, cdb.AttributeBinary, 1, false},   // load or unload at partition
	{0x80b, cdb.AttributeASCII, 16, false},   // application format version
	{0x80c, cdb.AttributeBinary, 1023, true}, // volume coherency information
	{0x820, cdb.AttributeBinary, 36, false},  // medium globally unique identifier
	{0x821, cdb.AttributeBinary, 36, false},  // media pool globally unique identifier
}

// Attributes of a vendor that hosts may set, each of them with what they like.
const (
	vendorHostFirst = 0x1400
	vendorHostLast  = 0x17ff
	vendorHostMost  = 1024
)

// writable reports that a host may set a; if not, at is what of it is wrong.
func writable(a cdb.Attribute) (at int, ok bool) {
	h := hostAttribute{id: a.ID, format: a.Format, length: vendorHostMost, variable: true}
	if a.ID < vendorHostFirst || a.ID > vendorHostLast {
		found := false
		for _, o := range hostAttributes {
			if o.id == a.ID {
				h, found = o, true
			}
		}
		if !found {
			return 0, false
		}
	}
	n := len(a.Value)
	switch {
	case a.ReadOnly, a.Format > cdb.AttributeText:
		return 2, false
	case n == 0: // it is taken away
		return 0, true
	case a.Format != h.format:
		return 2, false
	case n > h.length, n != h.length && !h.variable:
		return 3, false
	}
	return 0, true
}

// supportedAttributes are all that a cartridge may have.
func supportedAttributes() (ids []uint16) {
	ids = append(ids, 0x000, 0x001, 0x002, 0x003, 0x004, 0x005, 0x006, 0x007, 0x008, 0x009, 0x20a, 0x20b, 0x20c, 0x20d,
		0x220, 0x221, 0x222, 0x223, 0x224, 0x225, 0x340, 0x341,
		0x400, 0x401, 0x402, 0x403, 0x404, 0x405, 0x406, 0x407, 0x408, 0x409, 0x40b)
	for _, h := range hostAttributes {
		ids = append(ids, h.id)
	}
	return append(ids, 0x1000, 0x1001)
}

// attributes are those of a partition that have a value, in order (SPC-5 7.4.2). Its caller has the turn.
func (d *Drive) attributes(partition int) (all []cdb.Attribute) {
	all = d.deviceAttributes(partition)
	all = append(all, d.mediumAttributes()...)
	var vendor []cdb.Attribute
	for _, a := range d.cartridge.tape.Attributes(partition) {
		h := cdb.Attribute{ID: a.ID, Format: a.Format, Value: a.Value}
		if a.ID >= vendorHostFirst {
			vendor = append(vendor, h)
		} else {
			all = append(all, h)
		}
	}
	return append(append(all, d.vendorAttributes()...), vendor...)
}

// binaryAttribute is a number that hosts only read.
func binaryAttribute(id uint16, size int, n uint64) cdb.Attribute {
	return cdb.Attribute{ID: id, ReadOnly: true, Format: cdb.AttributeBinary, Value: number(size, n)}
}

// textAttribute is a text that hosts only read.
func textAttribute(id uint16, size int, text string) cdb.Attribute {
	return cdb.Attribute{ID: id, ReadOnly: true, Format: cdb.AttributeASCII, Value: padded(text, size)}
}

// deviceAttributes are those that drives keep (SPC-5 7.4.2.2). Capacities are in mebibytes.
func (d *Drive) deviceAttributes(partition int) []cdb.Attribute {
	c, s := &d.cartridge, d.since()
	u := c.tape.Usage()
	var left, capacity int64
	if rooms := d.rooms(); partition < len(rooms) {
		r := rooms[partition]
		left, capacity = max(r.Capacity-r.Data, 0), r.Capacity
	}
	written, read := s.lifetime()
	organization, density := "", byte(0)
	if c.format != nil {
		organization, density = c.format.Organization, d.look().density
	}
	all := []cdb.Attribute{
		binaryAttribute(0x000, 8, uint64(left/mebibyte)),
		binaryAttribute(0x001, 8, uint64(capacity/mebibyte)),
		binaryAttribute(0x002, 8, d.pages.flags.State()),
		binaryAttribute(0x003, 8, u.Loads),
		binaryAttribute(0x004, 8, uint64(max(d.memory()-d.memoryUsed(-1, nil), 0))),
		textAttribute(0x005, 8, organization),
		binaryAttribute(0x006, 1, uint64(density)),
		binaryAttribute(0x007, 2, u.Initializations),
		textAttribute(0x008, 32, c.label.Barcode),
		binaryAttribute(0x009, 4, uint64(u.ChangeReference)),
	}
	for i := range 4 {
		drive := ""
		if i < len(u.Drives) {
			drive = u.Drives[i]
		}
		all = append(all, textAttribute(0x20a+uint16(i), 40, drive))
	}
	const never = 1<<64 - 1 // no object of the kind is known
	return append(all,
		binaryAttribute(0x220, 8, written/mebibyte), binaryAttribute(0x221, 8, read/mebibyte),
		binaryAttribute(0x222, 8, s.fromHost/mebibyte), binaryAttribute(0x223, 8, s.toHost/mebibyte),
		binaryAttribute(0x224, 8, never), binaryAttribute(0x225, 8, never),
		cdb.Attribute{ID: 0x340, ReadOnly: true, Value: usageHistory(6, s, u)},
		cdb.Attribute{ID: 0x341, ReadOnly: true, Value: usageHistory(4, s, u)})
}

// usageHistory is the usage of a medium, or of a partition, in numbers of so many bytes (SPC-5 7.4.2.2): what was written and read
// since this load, before it, and in all, in mebibytes, each with how often it was tried again; loads, changes of the partition, and
// how often it was initialized. It is not known by partition.
func usageHistory(size int, s since, u medium.Usage) (b []byte) {
	written, read := s.lifetime()
	for _, n := range []uint64{
		s.fromHost / mebibyte, 0, s.toHost / mebibyte, 0, s.usage.Written / mebibyte, 0, s.usage.Read / mebibyte, 0,
		written / mebibyte, 0, read / mebibyte, 0, u.Loads, 0, u.Initializations,
	} {
		b = append(b, number(size, n)...)
	}
	return b
}

// mediumAttributes are those that the maker of the cartridge has written (SPC-5 7.4.2.4).
func (d *Drive) mediumAttributes() []cdb.Attribute {
	c := &d.cartridge
	length, width, organization, density := uint16(0), uint16(0), "", byte(0)
	if f := c.format; f != nil {
		length, width, organization, density = f.Length, f.Width, f.Organization, f.Density
	}
	made := strings.ReplaceAll(c.label.Made[:min(len(c.label.Made), len("2006-01-02"))], "-", "")
	all := []cdb.Attribute{
		textAttribute(0x400, 8, c.label.Maker), textAttribute(0x401, 32, c.label.Serial),
		binaryAttribute(0x402, 4, uint64(length)), binaryAttribute(0x403, 4, uint64(width)),
		textAttribute(0x404, 8, organization), binaryAttribute(0x405, 1, uint64(density)), textAttribute(0x406, 8, made),
		binaryAttribute(0x407, 8, uint64(d.memorySize())), binaryAttribute(0x408, 1, uint64(c.label.Type)),
	}
	information := uint64(0)
	if c.label.Type == medium.Cleaning {
		information = maxCleanings
	}
	return append(all, binaryAttribute(0x409, 2, information), textAttribute(0x40b, 10, c.label.Serial[max(len(c.label.Serial)-10, 0):]))
}

// vendorAttributes are those that LTO cartridges have beside: what is printed on them.
func (d *Drive) vendorAttributes() []cdb.Attribute {
	c := &d.cartridge
	unique, _ := strconv.ParseUint(c.label.Serial, 10, 64)
	return []cdb.Attribute{
		{ID: 0x1000, ReadOnly: true, Format: cdb.AttributeBinary, Value: append(number(8, unique), make([]byte, 20)...)},
		{ID: 0x1001, ReadOnly: true, Format: cdb.AttributeBinary, Value: padded(c.label.Serial, 24)},
	}
}
