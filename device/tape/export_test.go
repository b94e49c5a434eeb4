package tape

// What mode pages set, for tests.

func (d *Drive) Set(change func(*Setting)) {
	d.settings.set(func(s *setting) { change((*Setting)(s)) })
}

// A Setting is a setting.
type Setting setting

// A Plan is a plan.
type Plan = plan

// ForgetAhead gives back what was read ahead, as after some time.
func (d *Drive) ForgetAhead() {
	r := &d.reader
	r.mu.Lock()
	for r.running {
		r.changed.Wait()
	}
	r.taken = false
	r.mu.Unlock()
	r.forget()
}

// SetBlockLength is that of the block descriptor.
func (d *Drive) SetBlockLength(n uint32) { d.Set(func(s *Setting) { s.BlockLength = n }) }

// Writing reports that something is in the buffer that is neither written nor lost.
func (d *Drive) Writing() bool {
	d.writer.mu.Lock()
	defer d.writer.mu.Unlock()
	return d.writer.busy()
}

// ClearAlerts takes back all TapeAlert flags.
func (d *Drive) ClearAlerts() {
	for n := range 65 {
		d.pages.flags.Clear(n)
	}
}

// WroteMuch lets the drive take it that so much was written since it has looked at the disk that it looks again.
func (d *Drive) WroteMuch() {
	if d.haveTurn(d.life) == nil {
		d.cartridge.unwatched = diskEvery
		d.passTurn()
	}
}
