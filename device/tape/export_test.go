package tape

// What mode pages set, for tests.

func (d *Drive) Set(change func(*Setting)) {
	d.settings.set(func(s *setting) { change((*Setting)(s)) })
}

// A Setting is a setting.
type Setting setting

// A Plan is a plan.
type Plan = plan

// SetBlockLength is that of the block descriptor.
func (d *Drive) SetBlockLength(n uint32) { d.Set(func(s *Setting) { s.BlockLength = n }) }
