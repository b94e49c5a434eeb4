package message

// HeaderLen is the length of what each message begins with.
const HeaderLen = 12

// Flags of a header. Its two lowest bits are the version of the protocol, 1.
const (
	FlagReply     uint32 = 1 << 2 // the message answers one of the other end
	FlagNeedReply uint32 = 1 << 3 // it wants an answer, even if it has none of its own (REPLY_ACK)

	version     uint32 = 1
	versionMask uint32 = 3
)

// A Header is what each message begins with.
type Header struct {
	Request Request
	Flags   uint32 // without the version
	Size    uint32 // bytes of the payload
}

// ParseHeader reads a header. It fails if the version is another or the payload too long: what follows cannot be read then.
func ParseHeader(b []byte) (h Header, err error) {
	if len(b) != HeaderLen {
		return h, Errorf(0, "a header of %d bytes, not %d", len(b), HeaderLen)
	}
	h = Header{Request(u32(b)), u32(b[4:]), u32(b[8:])}
	if v := h.Flags & versionMask; v != version {
		return h, Errorf(h.Request, "version %d of the protocol, not %d", v, version)
	}
	h.Flags &^= versionMask
	if h.Size > MaxPayload {
		return h, Errorf(h.Request, "a payload of %d bytes, at most %d are taken", h.Size, MaxPayload)
	}
	return h, nil
}

// Append appends the header.
func (h Header) Append(dst []byte) []byte {
	return put32(put32(put32(dst, uint32(h.Request)), h.Flags&^versionMask|version), h.Size)
}
