package reserve

// A Class says how reservations fence a command (SPC-5 5.14.1, SPC-2 5.5.1). Every
// command has one; there is no other list.
type Class uint8

const (
	// Unfenced commands run whatever is reserved: INQUIRY, REPORT LUNS, REQUEST
	// SENSE, PERSISTENT RESERVE IN, and RESERVE and RELEASE, which decide themselves.
	Unfenced Class = iota
	// Probing commands ignore persistent reservations: hosts look at a unit with them.
	Probing
	// Parameters are read: MODE SENSE and the like.
	Parameters
	// Reading the medium.
	Reading
	// Writing the medium, or changing the unit's state.
	Writing
)

// A Mask has the bit of each class that is fenced off.
type Mask uint32

// Has reports whether c is fenced off.
func (m Mask) Has(c Class) bool { return m>>c&1 != 0 }

const everything Mask = 1<<Probing | 1<<Parameters | 1<<Reading | 1<<Writing

// Denied says which classes of commands n may not use now. It changes only with the
// State, so callers keep it where commands find it with one load.
func (s *State) Denied(n Nexus) Mask {
	var m Mask
	if s.reserved && s.owner != n {
		m = everything
	}
	if s.kind == 0 || s.Holds(n) {
		return m
	}
	registered := s.registered(n)
	if registered && s.kind.RegistrantsOnly() {
		return m
	}
	m |= 1 << Writing
	if s.kind.Exclusive() {
		m |= 1 << Reading
		if !registered {
			m |= 1 << Parameters
		}
	}
	return m
}
