package tape

import (
	"slices"

	"github.com/lunette-io/lunette/device/personality"
	"github.com/lunette-io/lunette/device/tape/medium"
	"github.com/lunette-io/lunette/scsi"
	"github.com/lunette-io/lunette/scsi/cdb"
	"github.com/lunette-io/lunette/scsi/page"
	"github.com/lunette-io/lunette/target"
)

// A usable is a format, and what the drive does with it.
type usable struct {
	*personality.Format
	use personality.DriveFormat
	own bool // it is the drive's own
}

// density is the DENSITY CODE.
func (u usable) density() byte {
	if u.use.Density != 0 {
		return u.use.Density
	}
	return u.Density
}

// usables are the formats of media that the drive takes, by density.
func (d *Drive) usables() (all []usable) {
	for i, f := range d.cfg.Model.Formats {
		if k := slices.IndexFunc(d.cfg.Formats, func(o personality.Format) bool { return o.Name == f.Format }); k >= 0 {
			all = append(all, usable{&d.cfg.Formats[k], f, i == 0})
		}
	}
	slices.SortStableFunc(all, func(a, b usable) int { return int(a.density()) - int(b.density()) })
	return all
}

// reportDensity is REPORT DENSITY SUPPORT (SSC-5 7.11): what the drive takes, or what it has, with the capacity that that has.
func (d *Drive) reportDensity(t *target.Task) {
	c, err := cdb.ParseReportDensity(t.CDB)
	if err != nil {
		d.FailWith(t, err)
		return
	}
	all := d.usables()
	v := d.look()
	if c.Media {
		if why, ok := d.ready(t.ITL()); !ok {
			d.Fail(t, why)
			return
		}
		all = slices.DeleteFunc(all, func(u usable) bool { return u.Name != v.label.Format })
	}
	if c.MediumType {
		d.Reply(t, page.AppendMediumTypes(nil, mediumTypes(all, c.Media, v.label.Type)...), uint32(c.Allocation))
		return
	}
	var densities []page.Density
	for _, u := range all {
		capacity := u.Capacity
		if c.Media {
			capacity = v.label.Capacity / megabyte
		}
		densities = append(densities, page.Density{
			Primary: u.density(), Secondary: u.density(), Writable: u.use.Write, Default: u.own,
			BitsPerMM: u.BitsPerMM, Width: u.Width, Tracks: u.Tracks, Capacity: uint32(min(capacity, 1<<32-1)),
			Organization: u.Organization, Name: u.Density8, Description: u.Description,
		})
	}
	d.Reply(t, page.AppendDensities(nil, densities...), uint32(c.Allocation))
}

// mediumTypes are those of formats: of data cartridges, and of WORM ones; if one is loaded, that of it.
func mediumTypes(all []usable, loaded bool, kind medium.Type) (types []page.MediumType) {
	for _, u := range all {
		m := page.MediumType{
			Type: u.MediumType, Densities: []byte{u.density()}, Width: u.Width, Length: u.Length,
			Organization: u.Organization, Name: u.Density8, Description: u.Description,
		}
		if !loaded || kind != medium.WORM {
			types = append(types, m)
		}
		if u.WORMType != 0 && (!loaded || kind == medium.WORM) {
			m.Type = u.WORMType
			types = append(types, m)
		}
	}
	slices.SortStableFunc(types, func(a, b page.MediumType) int { return int(a.Type) - int(b.Type) })
	return types
}

// mediumType is the MEDIUM TYPE of the mode parameter header: 00h without a medium.
func (d *Drive) mediumType() byte {
	v := d.look()
	switch {
	case !v.loaded:
		return 0
	case v.label.Type == medium.Cleaning:
		return byte(medium.Cleaning)
	case v.format == nil:
		return 0
	case v.label.Type == medium.WORM && v.format.WORMType != 0:
		return v.format.WORMType
	}
	return v.format.MediumType
}

// blockDescriptor is the mode parameter block descriptor: the density of the medium, or of what the drive writes without one.
func (d *Drive) blockDescriptor() page.BlockDescriptor {
	s, v := d.settings.get(), d.look()
	code := v.density
	if !v.loaded || code == 0 {
		if code = s.Density; code == 0 {
			for _, u := range d.usables() {
				if u.own {
					code = u.density()
				}
			}
		}
	}
	return page.BlockDescriptor{BlockSize: s.BlockLength}.WithDensity(code)
}

// Density codes of MODE SELECT that name no density (SSC-5 8.5.1).
const (
	densityDefault  = 0x00
	densityNoChange = 0x7f
)

// setBlock changes the block length. A density other than that of the medium cannot be written.
func (d *Drive) setBlock(b page.BlockDescriptor, at int) (changed bool, err error) {
	m := &d.cfg.Model
	code, size := b.Density(), int64(b.BlockSize)
	v := d.look()
	known := code == densityDefault || code == densityNoChange || code == d.blockDescriptor().Density() ||
		!v.loaded && slices.ContainsFunc(d.usables(), func(u usable) bool { return u.density() == code })
	switch blocks := b.Blocks & 0xffffff; {
	case !known:
		return false, scsi.InvalidFieldInParameterList(at, -1)
	case blocks != 0 && blocks != 0xffffff:
		return false, scsi.InvalidFieldInParameterList(at+1, -1)
	case size != 0 && (size < m.MinBlock || size > m.MaxBlock || size&(1<<m.Granularity-1) != 0):
		return false, scsi.InvalidFieldInParameterList(at+5, -1)
	}
	d.settings.set(func(s *setting) {
		if code == densityDefault {
			code = 0
		}
		if code != densityNoChange && s.Density != code && !v.loaded {
			s.Density, changed = code, true
		}
		if s.BlockLength != b.BlockSize {
			s.BlockLength, changed = b.BlockSize, true
		}
	})
	return changed, nil
}
