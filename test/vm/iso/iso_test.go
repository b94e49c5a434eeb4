package iso

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// The rest is for Linux, xorriso and SeaBIOS to say.
func TestImage(t *testing.T) {
	text := bytes.Repeat([]byte("what it is\n"), 500)
	disc := Disc{Label: "LABEL", Files: []File{{"A.TXT", []byte("first")}, {"B.TXT", text}}, Boot: Says}
	image := disc.Image()
	if len(image)%Sector != 0 || len(image) != (firstFile+1+3)*Sector {
		t.Errorf("%d bytes", len(image))
	}
	if got := binary.LittleEndian.Uint32(image[primary*Sector+80:]); int(got)*Sector != len(image) {
		t.Errorf("a volume of %d sectors", got)
	}
	if got := image[(firstFile+1)*Sector:]; !bytes.HasPrefix(got, text) {
		t.Error("the second file is elsewhere")
	}
	var sum uint16
	for i := range 16 {
		sum += binary.LittleEndian.Uint16(image[catalog*Sector+2*i:])
	}
	if sum != 0 {
		t.Errorf("the entry that validates the boot catalog adds up to %04x", sum)
	}
	disc.Boot = nil
	if image := disc.Image(); image[bootRecord*Sector] != 255 {
		t.Error("a disc without an image to boot has a boot record")
	}
}
