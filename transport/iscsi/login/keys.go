package login

// Kind is how the value of a key comes about (RFC 7143 section 6.2).
type Kind uint8

// Kinds of keys.
const (
	Declarative Kind = iota // one side states it; it is never answered
	Selection               // the first value of the offered list that the answerer supports
	And                     // Yes if both sides say Yes
	Or                      // Yes if either side says Yes
	Minimum                 // the smaller number
	Maximum                 // the larger number
	Obsolete                // answered with Reject (RFC 7143 section 13.25)
)

// Use is when a key may be sent.
type Use uint8

// Uses of keys, in the standard's words.
const (
	InitializeOnly  Use = iota // IO: in the login of every connection
	LeadingOnly                // LO: in the login of a session's first connection
	AnyTime                    // ALL: in login and in full feature phase
	FullFeatureOnly            // FFPO
	SecurityOnly               // in the security stage
	Identification             // in the first request of a connection
)

// Sender is who may send a key.
type Sender uint8

// Senders of keys.
const (
	ByInitiator Sender = 1 << iota
	ByTarget
	ByBoth = ByInitiator | ByTarget
)

// A KeySpec is the rule of one key. A datamover adds its own to Config.Keys.
type KeySpec struct {
	Name   string
	Kind   Kind
	Use    Use
	Sender Sender

	// Min and Max bound a number, both included; numbers have Max > 0.
	Min, Max uint32

	// Default is the value when the key is not negotiated, "" if there is none.
	Default string

	// NotInDiscovery makes the key irrelevant in a discovery session. Only keys of datamovers are
	// so: the keys of RFC 7143 that mean nothing there are answered with values all the same
	// (docs/design/generosity.md).
	NotInDiscovery bool

	// InDiscovery, if not "", is the value that this side wants in a discovery session, whatever
	// Config says.
	InDiscovery string

	// InReturn makes a Declarative key one that is declared only to an initiator that
	// declares it, at once.
	InReturn bool

	// Last puts the answer after those to all other keys of the same text, since it depends on
	// them.
	Last bool

	// IrrelevantWhen, if set, makes the key irrelevant by what else was negotiated. Such a key is
	// answered as if it were Last.
	IrrelevantWhen func(*Params) bool
}

const maxLength = 1<<24 - 1

// keySpecs is RFC 7143 section 13, with TaskReporting (13.23) and
// iSCSIProtocolLevel (13.24); AuthMethod and its keys are in section 12.
var keySpecs = [...]KeySpec{
	{Name: "HeaderDigest", Kind: Selection, Use: InitializeOnly, Sender: ByBoth, Default: "None"},
	{Name: "DataDigest", Kind: Selection, Use: InitializeOnly, Sender: ByBoth, Default: "None"},
	{Name: "MaxConnections", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Min: 1, Max: 65535, Default: "1", InDiscovery: "1"},
	{Name: "SendTargets", Kind: Declarative, Use: FullFeatureOnly, Sender: ByInitiator},
	{Name: "TargetName", Kind: Declarative, Use: Identification, Sender: ByBoth},
	{Name: "InitiatorName", Kind: Declarative, Use: Identification, Sender: ByInitiator},
	{Name: "TargetAlias", Kind: Declarative, Use: AnyTime, Sender: ByTarget},
	{Name: "InitiatorAlias", Kind: Declarative, Use: AnyTime, Sender: ByInitiator},
	{Name: "TargetAddress", Kind: Declarative, Use: AnyTime, Sender: ByTarget},
	{Name: "TargetPortalGroupTag", Kind: Declarative, Use: InitializeOnly, Sender: ByTarget, Max: 65535},
	{Name: "InitialR2T", Kind: Or, Use: LeadingOnly, Sender: ByBoth, Default: Yes},
	{Name: "ImmediateData", Kind: And, Use: LeadingOnly, Sender: ByBoth, Default: Yes},
	{Name: "MaxRecvDataSegmentLength", Kind: Declarative, Use: AnyTime, Sender: ByBoth, Min: 512, Max: maxLength, Default: "8192"},
	{Name: "MaxBurstLength", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Min: 512, Max: maxLength, Default: "262144"},
	// FirstBurstLength is at most MaxBurstLength. Without unsolicited data it means nothing (section
	// 13.14), and is answered with a value all the same (docs/design/generosity.md).
	{Name: "FirstBurstLength", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Min: 512, Max: maxLength, Default: "65536", Last: true},
	{Name: "DefaultTime2Wait", Kind: Maximum, Use: LeadingOnly, Sender: ByBoth, Max: 3600, Default: "2"},
	{Name: "DefaultTime2Retain", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Max: 3600, Default: "20"},
	// MaxOutstandingR2T depends on ErrorRecoveryLevel and DataSequenceInOrder (section 13.17).
	{Name: "MaxOutstandingR2T", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Min: 1, Max: 65535, Default: "1", Last: true},
	{Name: "DataPDUInOrder", Kind: Or, Use: LeadingOnly, Sender: ByBoth, Default: Yes},
	{Name: "DataSequenceInOrder", Kind: Or, Use: LeadingOnly, Sender: ByBoth, Default: Yes},
	{Name: "ErrorRecoveryLevel", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Max: 2, Default: "0"},
	{Name: "SessionType", Kind: Declarative, Use: Identification, Sender: ByInitiator, Default: "Normal"},
	{Name: "TaskReporting", Kind: Selection, Use: LeadingOnly, Sender: ByBoth, Default: "RFC3720"},
	{Name: "iSCSIProtocolLevel", Kind: Minimum, Use: LeadingOnly, Sender: ByBoth, Max: 31, Default: "1"},

	{Name: "IFMarker", Kind: Obsolete, Use: InitializeOnly, Sender: ByBoth},
	{Name: "OFMarker", Kind: Obsolete, Use: InitializeOnly, Sender: ByBoth},
	{Name: "IFMarkInt", Kind: Obsolete, Use: InitializeOnly, Sender: ByBoth},
	{Name: "OFMarkInt", Kind: Obsolete, Use: InitializeOnly, Sender: ByBoth},

	{Name: "AuthMethod", Kind: Selection, Use: SecurityOnly, Sender: ByBoth},
	{Name: "CHAP_A", Kind: Selection, Use: SecurityOnly, Sender: ByBoth},
	{Name: "CHAP_I", Kind: Declarative, Use: SecurityOnly, Sender: ByBoth},
	{Name: "CHAP_C", Kind: Declarative, Use: SecurityOnly, Sender: ByBoth},
	{Name: "CHAP_N", Kind: Declarative, Use: SecurityOnly, Sender: ByBoth},
	{Name: "CHAP_R", Kind: Declarative, Use: SecurityOnly, Sender: ByBoth},
	{Name: "KRB_AP_REQ", Kind: Declarative, Use: SecurityOnly, Sender: ByInitiator},
	{Name: "KRB_AP_REP", Kind: Declarative, Use: SecurityOnly, Sender: ByTarget},
	{Name: "SRP_U", Kind: Declarative, Use: SecurityOnly, Sender: ByInitiator},
	{Name: "SRP_GROUP", Kind: Selection, Use: SecurityOnly, Sender: ByBoth},
	{Name: "SRP_A", Kind: Declarative, Use: SecurityOnly, Sender: ByInitiator},
	{Name: "SRP_B", Kind: Declarative, Use: SecurityOnly, Sender: ByTarget},
	{Name: "SRP_M", Kind: Declarative, Use: SecurityOnly, Sender: ByInitiator},
	{Name: "SRP_HM", Kind: Declarative, Use: SecurityOnly, Sender: ByTarget},
	{Name: "SRP_s", Kind: Declarative, Use: SecurityOnly, Sender: ByTarget},
	{Name: "TargetAuth", Kind: And, Use: SecurityOnly, Sender: ByInitiator},
}

// A Key is a key that a datamover negotiates itself, and the value it wants:
// Yes or No, a number, or the list of the values it supports. A Declarative key
// that the target may send is declared with Value in the first operational
// response; one that only the initiator sends has no Value.
type Key struct {
	KeySpec
	Value string
}

// spec finds the rule of a key. What a datamover supplies comes first, so that
// it may also change a rule (RFC 7145 section 6).
func (c *Config) spec(name string) *KeySpec {
	for i := range c.Keys {
		if c.Keys[i].Name == name {
			return &c.Keys[i].KeySpec
		}
	}
	for i := range keySpecs {
		if keySpecs[i].Name == name {
			return &keySpecs[i]
		}
	}
	return nil
}

// negotiated reports whether the key is answered.
func (k *KeySpec) negotiated() bool { return k.Kind != Declarative }

// last reports whether the key is answered after all others of the same text.
func (k *KeySpec) last() bool { return k.Last || k.IrrelevantWhen != nil }

// irrelevant reports whether the key means nothing in the session, and is answered so.
func (k *KeySpec) irrelevant(p *Params, discovery bool) bool {
	return discovery && k.NotInDiscovery || k.IrrelevantWhen != nil && k.IrrelevantWhen(p)
}
