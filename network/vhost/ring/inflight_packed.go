package ring

const (
	packedHeader = 32
	packedEntry  = 32
)
