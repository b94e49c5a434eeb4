package target

// A Reservable is a [LogicalUnit] that has persistent reservations (SPC-5 5.14), for people who manage it.
// Its methods may be called by many goroutines.
type Reservable interface {
	// Reservations are those now.
	Reservations() Reservations
	// ClearReservations ends all registrations and reservations, those of SPC-2 as well, and tells who was
	// registered. done is called on any goroutine, perhaps before ClearReservations returns, when that is
	// kept, or with the error because of which nothing has changed.
	ClearReservations(done func(error))
}

// Reservations are the persistent reservations of a unit.
type Reservations struct {
	Generation    uint32 // PRGENERATION
	Type          string // of the reservation; "": there is none
	Persist       bool   // they outlive a loss of power (APTPL)
	Registrations []Registration
}

// A Registration is the key of an I_T nexus, logged in or not.
type Registration struct {
	Initiator, Target, User string
	Port                    uint16 // RELATIVE TARGET PORT IDENTIFIER
	Key                     uint64
	Holder                  bool // it holds the reservation
}
