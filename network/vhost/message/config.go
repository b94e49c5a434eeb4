package message

// MaxConfig is how much of a configuration space a message may have (VHOST_USER_MAX_CONFIG_SIZE).
const MaxConfig = 256

const configHead = 12

// A Config is a part of the device's configuration space: GET_CONFIG, its reply, and SET_CONFIG.
type Config struct {
	Offset uint32
	// Migration: it is set again at the end of a migration, and may change what a driver may not (VHOST_SET_CONFIG_TYPE_MIGRATION).
	Migration bool
	Bytes     []byte // as long as what is asked for; of a question they mean nothing
}

// ParseConfig reads the payload of a message of the type r. The bytes of the result are those of b.
func ParseConfig(r Request, b []byte) (c Config, err error) {
	if len(b) < configHead {
		return c, Errorf(r, "the payload has %d bytes, at least %d are wanted", len(b), configHead)
	}
	n, flags := u32(b[4:]), u32(b[8:])
	if n > MaxConfig {
		return c, Errorf(r, "%d bytes, at most %d are taken", n, MaxConfig)
	}
	if err := length(r, b, configHead+int(n)); err != nil {
		return c, err
	}
	if flags > 1 {
		return c, Errorf(r, "flags without a meaning are set: %#x", flags)
	}
	return Config{u32(b), flags == 1, b[configHead:]}, nil
}

// Append appends the payload.
func (c Config) Append(dst []byte) []byte {
	var flags uint32
	if c.Migration {
		flags = 1
	}
	return append(put32(put32(put32(dst, c.Offset), uint32(len(c.Bytes))), flags), c.Bytes...)
}
