package iu

// Features of a SCSI host (virtio 1.3, 5.6.3), as bits of what is agreed.
const (
	FeatureInOut   uint64 = 1 << 0 // one request with data both ways
	FeatureHotplug uint64 = 1 << 1 // targets and units come and go, and events say so
	FeatureChange  uint64 = 1 << 2 // events say that a unit's parameters have changed
	FeatureT10PI   uint64 = 1 << 3 // protection information goes with data; requests are eight bytes longer
)

// Queues of a SCSI host (virtio 1.3, 5.6.2) by their numbers.
const (
	QueueControl  = 0
	QueueEvent    = 1
	QueueRequests = 2 // the first of them
)
