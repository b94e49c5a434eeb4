package tape

import (
	"encoding/binary"
	"strings"

	"github.com/lunette-io/lunette/device/tape/medium"
)

// since is what was counted since a medium was loaded; without one, since the last one left.
type since struct {
	fromHost, toHost, toTape, fromTape uint64
	writeErrors, readErrors            uint64
	usage                              medium.Usage // before
	loaded                             bool
}

func (d *Drive) since() since {
	c, m := &d.counters, d.pages.mounted.Load()
	return since{
		fromHost: c.fromHost.Load() - m.fromHost, toHost: c.toHost.Load() - m.toHost,
		toTape: c.toTape.Load() - m.toTape, fromTape: c.fromTape.Load() - m.fromTape,
		writeErrors: c.writeErrors.Load() - m.writeErrors, readErrors: c.readErrors.Load() - m.readErrors,
		usage: m.usage, loaded: m.loaded,
	}
}

// lifetime is what the medium has had written and read in its life, in bytes.
func (s since) lifetime() (written, read uint64) {
	return s.usage.Written + s.fromHost, s.usage.Read + s.toHost
}

// dataSet is how many bytes LTO drives write at a time.
const dataSet = 2_500_000

// volumeLog is page 17h, Volume Statistics (SSC-5 8.3.9). Capacities are in megabytes.
func (d *Drive) volumeLog(l logList) logList {
	s, v, rooms := d.since(), d.look(), d.rooms()
	valid := uint64(0)
	if s.loaded && v.threaded {
		valid = 1
	}
	written, read := s.lifetime()
	var capacity, used int64
	for _, r := range rooms {
		capacity += r.Capacity
		used += r.Data
	}
	l = l.count(0, 1, valid).count(1, 4, s.usage.Loads)
	l = l.count(2, 8, written/dataSet).count(3, 4, 0).count(4, 2, s.writeErrors).count(5, 2, 0).count(6, 2, 0)
	l = l.count(7, 8, read/dataSet).count(8, 4, 0).count(9, 2, s.readErrors)
	l = l.count(0x0a, 2, 0).count(0x0b, 2, 0).count(0x0c, 2, s.writeErrors).count(0x0d, 2, s.readErrors)
	l = l.count(0x0e, 4, s.fromHost/megabyte).count(0x0f, 4, s.toHost/megabyte)
	l = l.count(0x10, 8, written/megabyte).count(0x11, 8, read/megabyte)
	l = l.count(0x12, 2, ratio(s.fromHost, s.toTape)).count(0x13, 2, ratio(s.toHost, s.fromTape))
	l = l.count(0x14, 6, 0).count(0x15, 6, 0)
	l = l.count(0x16, 4, uint64(capacity/megabyte)).count(0x17, 4, uint64(used/megabyte))
	l = l.count(0x18, 4, uint64(v.label.Capacity/megabyte)).count(0x19, 1, 100)
	l = l.text(0x40, 32, v.label.Serial).text(0x41, 8, "").text(0x42, 32, v.label.Barcode)
	personality, licence := "", ""
	if v.format != nil {
		kind, _, _ := strings.Cut(v.format.Description, "/") // such as "Ultrium 8/32T"
		personality, licence = strings.ReplaceAll(kind, " ", "-"), v.format.Name
	}
	l = l.text(0x43, 8, v.label.Maker).text(0x44, 4, licence).text(0x45, 9, personality)
	l = l.count(0x80, 1, bit(v.label.WriteProtect)).count(0x81, 1, bit(v.label.Type == medium.WORM)).count(0x82, 1, 0)
	l = l.count(0x101, 4, s.usage.Loads).count(0x102, 4, s.usage.Loads)
	return partitionRecords(l, rooms)
}

// bit is 1 if on.
func bit(on bool) uint64 {
	if on {
		return 1
	}
	return 0
}

// partitionRecords appends what page 17h says of each partition: megabytes that fit, that are used and that are left.
func partitionRecords(l logList, rooms []medium.Room) logList {
	for code, size := range []func(medium.Room) int64{
		func(r medium.Room) int64 { return r.Capacity },
		func(r medium.Room) int64 { return r.Data },
		func(r medium.Room) int64 { return r.Capacity - r.Data },
	} {
		var records []byte
		for i, r := range rooms {
			records = binary.BigEndian.AppendUint16(append(records, 7, 0), uint16(i))
			records = append(records, number(4, uint64(max(size(r), 0)/megabyte))...)
		}
		l = l.binary(0x202+uint16(code), records...)
	}
	return l
}

// usageLog is page 30h of LTO drives, Tape Usage.
func (d *Drive) usageLog(l logList) logList {
	s := d.since()
	written, read := s.lifetime()
	l = l.count(1, 4, s.usage.Loads).count(2, 8, written/dataSet).count(3, 4, 0).count(4, 2, s.writeErrors).count(5, 2, 0).count(6, 2, 0)
	return l.count(7, 8, read/dataSet).count(8, 4, 0).count(9, 2, s.readErrors).count(0x0a, 2, 0).count(0x0b, 2, 0)
}

// capacityLog is page 31h of LTO drives, Tape Capacity: mebibytes that are left and that there are, of two partitions.
func (d *Drive) capacityLog(l logList) logList {
	var left, all [2]uint64
	for i, r := range d.rooms() {
		if i < len(left) {
			left[i], all[i] = uint64(max(r.Capacity-r.Data, 0)/mebibyte), uint64(r.Capacity/mebibyte)
		}
	}
	return l.count(1, 4, left[0]).count(2, 4, left[1]).count(3, 4, all[0]).count(4, 4, all[1])
}
