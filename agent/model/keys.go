package model

// DocumentOptions are the keys that every document has, whatever plugins there are, as reference pages and the JSON
// Schema tell of them. What stands at a kind comes from the kinds: see [Schema.JSONSchema].
func DocumentOptions() []Option {
	name := func(what string) Option {
		return Option{Name: "name", Required: true, Help: what + ": up to 64 letters, digits, `.`, `-` and `_`."}
	}
	optional := func(o Option) Option { o.Required = false; return o }
	luns := Option{Name: "luns", Type: Map, Options: []Option{{Type: Group, Short: "unit", Options: []Option{
		{Name: "unit", Required: true, Help: "The logical unit: a unit's name, or `UNIT/NAME` of one that has several."},
		{Name: "read-only", Type: Bool, Help: "Whether who sees it here may only read it."},
	}}}}
	shown, seen := luns, luns
	shown.Help = "What initiators see, by LUN from 0 to 16383: a unit, or `{unit: UNIT, read-only: true}`."
	seen.Help = "What they see instead of the `luns` of the target; without it nothing."
	return []Option{
		{Name: "version", Type: Int, Required: true, Min: Version, Max: Version, Help: "The version of the language: 1."},
		{Name: "users", Type: Group, List: true, Help: "Who can prove who they are. Targets and discovery name those whom they let in.", Options: []Option{
			{Name: "name", Required: true, Help: "The name, as initiators give it."},
			{Name: "secret-file", Type: Path, Required: true, Help: "The file that has the secret, mode 0600. Secrets are not part of the document."},
		}},
		{Name: "units", Type: Group, List: true, Help: "The devices, and where their bytes live.", Options: []Option{
			name("The name, by which LUNs have it"),
			{Name: "store", Type: Group, Help: "Where its bytes live: a kind with its options (see [stores](stores.md))."},
			{Name: "stores", Type: Map, Help: "As `store`, by name, of a device that has several."},
			{Name: "filters", Type: Group, List: true, Help: "What lies between the device and its stores, in the order that a write passes them (see [filters](filters.md))."},
			{Name: "device", Type: Group, Help: "What the unit is to initiators (see [devices](devices.md))."},
			{Name: "optional", Type: Bool, Help: "Whether the others are served if this one cannot be opened."},
		}},
		{Name: "targets", Type: Group, List: true, Help: "What initiators log in to.", Options: []Option{
			{Name: "name", Required: true, Help: "The name: a SCSI name string, which is compared in small letters."},
			{Name: "alias", Help: "A description of up to 255 bytes, for people."},
			shown,
			{Name: "access", Type: Group, List: true, Help: "What some initiators see instead: the first that is about an initiator counts. It lets nobody in who would not get in without it.", Options: []Option{
				name("The name, by which it is changed and taken away"),
				{Name: "initiators", List: true, Empty: "leave it out", Help: "Names of initiators, or patterns with `*` and `?`; without it all."},
				{Name: "addresses", List: true, Empty: "leave it out", Help: "Addresses that they come from, or networks as `ADDRESS/BITS`; without it all."},
				{Name: "users", List: true, Empty: "leave it out", Help: "Users of the document whom they have proved to be; without it all."},
				seen,
			}},
			{Name: "maintenance", Type: Group, Help: "`true`: who is there is asked to leave, and nobody gets in.", Options: []Option{
				{Name: "redirect", Required: true, Help: "Who comes is sent to the target at another address: `ADDRESS[:PORT]`."},
			}},
		}},
		{Name: "portals", Type: Group, List: true, Short: "address", Help: "Where initiators reach targets, as `[KIND://]ADDRESS`, or as keys and values. Without it one that only this machine reaches; an empty list: none.", Options: []Option{
			optional(name("The name, by which it is changed and taken away; without it, where it listens")),
			{Name: "kind", Help: "`TRANSPORT+PROVIDER` (see [transports](transports.md))."},
			{Name: "address", Required: true, Help: "Where it listens, as its provider writes it."},
			{Name: "tag", Type: Int, Min: 1, Max: MaxTag, Help: "The number of the group of portals that it is one of: a session has connections by portals of one group."},
			{Name: "targets", List: true, Empty: "leave it out", Help: "The names of the targets that it shows; without it all."},
		}},
		{Name: "limits", Type: Group, Help: "What initiators can take.", Options: limitOptions()},
	}
}

// limitOptions are the keys of [Limits].
func limitOptions() []Option {
	second, hour := int64(leastTime), int64(mostTime)
	return []Option{
		{Name: "memory", Type: Bytes, Default: Size(DefaultMemory).String(), Min: leastMemory, Help: "Memory for data on the move."},
		{Name: "connections", Type: Int, Default: "20000", Min: 1, Max: mostConnections, Help: "Connections that are logged in."},
		{Name: "logins", Type: Int, Default: "1000", Min: 1, Max: mostConnections, Help: "Connections that are not logged in yet."},
		{Name: "login-timeout", Type: Duration, Default: DefaultLoginTimeout.String(), Min: second, Max: hour, Help: "From the connection to the end of its login."},
		{Name: "idle-timeout", Type: Duration, Default: DefaultIdleTimeout.String(), Min: second, Max: hour, Help: "Of silence, before an initiator is asked whether it is there."},
		{Name: "stop-timeout", Type: Duration, Default: DefaultStopTimeout.String(), Min: second, Max: hour, Help: "For initiators to log out when the daemon stops."},
	}
}
