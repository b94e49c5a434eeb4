package mhvtl

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/anchore/go-lzo"
)

func checksum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// expandLZO expands all of into, and nothing else.
func expandLZO(into, from []byte) (err error) {
	defer func() { // what lies on a disk may be damaged in ways that the library does not expect
		if recover() != nil {
			err = errors.New("its compressed data is damaged")
		}
	}()
	n, err := lzo.Decompress(from, into)
	if err == nil && n != len(into) {
		err = fmt.Errorf("its compressed data has %d bytes instead of %d", n, len(into))
	}
	return err
}

// expandZlib does the same.
func expandZlib(into, from []byte) error {
	z, err := zlib.NewReader(bytes.NewReader(from))
	if err != nil {
		return err
	}
	if _, err := io.ReadFull(z, into); err != nil {
		return err
	}
	if n, err := z.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("its compressed data is longer than the block"), err)
	}
	return z.Close()
}
