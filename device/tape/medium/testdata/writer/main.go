// Command writer writes on a cartridge, and is killed meanwhile by a test. It says what is durable, and what it is about to undo.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"

	"github.com/lunette-io/lunette/buffer"
	"github.com/lunette-io/lunette/device/tape/medium"
)

func main() {
	dir := os.Args[1]
	version, _ := strconv.ParseUint(os.Args[2], 10, 64)
	if err := write(dir, version); err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	fmt.Println("end")
}

func write(dir string, version uint64) error {
	ctx := context.Background()
	if _, err := os.Stat(dir); err != nil {
		if err := medium.Create(dir, medium.Spec{Barcode: "A", Capacity: 1 << 30}); err != nil {
			return err
		}
	}
	fmt.Println("there")
	t, err := medium.Open(dir, medium.Options{})
	if err != nil {
		return err
	}
	h := t.Head(0)
	var fails error
	put := func(n int) {
		for range n {
			version++
			b := make([]byte, 3*5000)
			for i := range 3 {
				binary.BigEndian.PutUint64(b[i*5000:], h.Position().Object+uint64(i))
				binary.BigEndian.PutUint64(b[i*5000+8:], version)
			}
			f, err := h.Pack(medium.Blocks{Data: buffer.Of(b), Len: 5000, Count: 3, Codec: medium.Codec(version % 3)})
			if err == nil {
				_, err = h.Append(ctx, f)
			}
			if err != nil && fails == nil {
				fails = err
			}
		}
	}
	durable := func() {
		if err := t.Sync(ctx); err != nil {
			fails = err
		} else if fails == nil {
			fmt.Println("durable", h.Position().Object)
		}
	}
	if err := h.LocateEnd(ctx); err != nil {
		return err
	}
	put(10)
	durable()
	t.SetUsage(func(u *medium.Usage) { u.Loads++ })
	durable()
	if _, err := h.Filemarks(ctx, 2); err != nil {
		return err
	}
	put(3)
	if err := t.SetAttributes(0, []medium.Attribute{{ID: 0x800, Value: []byte("x")}}); err != nil {
		return err
	}
	fmt.Println("cut", h.Position().Object-4) // within a frame
	if err := h.Locate(ctx, h.Position().Object-4); err != nil {
		return err
	}
	put(5)
	if fails != nil {
		return fails
	}
	if err := t.Close(); err != nil {
		return err
	}
	fmt.Println("durable", h.Position().Object)
	if err := medium.Compact(ctx, dir); err != nil {
		return err
	}
	if _, err := medium.Reindex(ctx, dir); err != nil {
		return err
	}
	if version%5 == 0 {
		if t, err = medium.Open(dir, medium.Options{}); err != nil {
			return err
		}
		fmt.Println("cut", 0)
		if err := t.Format(ctx, []int64{1 << 29, 1 << 28}); err != nil {
			return err
		}
		if err := t.Close(); err != nil {
			return err
		}
	}
	if version%7 == 0 {
		fmt.Println("gone")
		return medium.Delete(dir)
	}
	return nil
}
