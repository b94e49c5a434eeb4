package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// A test is one command.
type test struct {
	name  string
	cdb   []byte
	in    int // bytes of room
	out   []byte
	quiet bool // it puts the unit into its state
	over  bool // there is more data than room: initiators do not agree on whether to tell
	moves bool // data moves although there is CHECK CONDITION
	mask  func([]byte) []byte
}

// pattern is n bytes that differ from block to block.
func pattern(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>9)*7 + byte(i) + seed
	}
	return b
}

// tests are the commands for a disk in order; block is the size of a block.
func tests(block int) []test {
	return list(func(in inFunc, out outFunc, none noneFunc) {
		of := func(blocks int) int { return blocks * block }
		// The same state each time: nothing mapped where there is mapping, zeros in any case.
		out("unmap", make([]byte, block), "93 08 00 00 00 00 00 00 00 00 00 00 10 00 00 00").quiet = true
		out("zero", make([]byte, block), "93 00 00 00 00 00 00 00 00 00 00 00 02 00 00 00").quiet = true

		who(in, none)
		settings(in, out, none)
		readWrite(in, out, none, of)
		compareAndSame(in, out, none, of)
		reservations(in, out, none)
		absent(in, none)
	})
}

// list is what fill makes with the functions that it is given.
func list(fill func(in inFunc, out outFunc, none noneFunc)) []test {
	var all []test
	add := func(name, cdb string, in int, out []byte) *test {
		b, err := hex.DecodeString(strings.ReplaceAll(cdb, " ", ""))
		if err != nil {
			b = []byte{0xff} // which no unit has: the texts would say so
		}
		all = append(all, test{name: name, cdb: b, in: in, out: out})
		return &all[len(all)-1]
	}
	none := func(name, cdb string) *test { return add(name, cdb, 0, nil) }
	in := func(name string, room int, cdb string) *test { return add(name, cdb, room, nil) }
	out := func(name string, data []byte, cdb string) *test { return add(name, cdb, 0, data) }
	fill(in, out, none)
	return all
}

type (
	inFunc   = func(name string, room int, cdb string) *test
	outFunc  = func(name string, data []byte, cdb string) *test
	noneFunc = func(name, cdb string) *test
)

func who(in inFunc, none noneFunc) {
	none("TEST UNIT READY", "00 00 00 00 00 00")
	in("INQUIRY", 58, "12 00 00 00 3a 00") // the versions of transports come behind
	in("INQUIRY, short", 8, "12 00 00 00 08 00")
	in("INQUIRY, room of 0", 0, "12 00 00 00 00 00")
	in("INQUIRY, pages", 255, "12 01 00 00 ff 00")
	in("INQUIRY, serial", 255, "12 01 80 00 ff 00")
	in("INQUIRY, more room than asked for", 512, "12 01 80 00 20 00")
	in("INQUIRY, identification", 1024, "12 01 83 04 00 00").mask = ofUnit
	in("INQUIRY, extended", 255, "12 01 86 00 ff 00")
	in("INQUIRY, limits", 255, "12 01 b0 00 ff 00")
	in("INQUIRY, characteristics", 255, "12 01 b1 00 ff 00")
	in("INQUIRY, provisioning", 255, "12 01 b2 00 ff 00")
	in("INQUIRY, no such page", 255, "12 01 c5 00 ff 00")
	in("INQUIRY, page without EVPD", 255, "12 00 80 00 ff 00")
	in("REPORT LUNS", 1024, "a0 00 00 00 00 00 00 00 04 00 00 00")
	in("REPORT LUNS, well known", 1024, "a0 00 01 00 00 00 00 00 04 00 00 00")
	in("REPORT LUNS, too little room", 8, "a0 00 00 00 00 00 00 00 00 08 00 00")
	in("REPORT LUNS, bad select", 64, "a0 00 77 00 00 00 00 00 00 40 00 00")
	in("opcodes", 8192, "a3 0c 00 00 00 00 00 00 20 00 00 00")
	in("opcodes with time-outs", 8192, "a3 0c 80 00 00 00 00 00 20 00 00 00")
	in("opcode READ(16)", 64, "a3 0c 01 88 00 00 00 00 00 40 00 00")
	in("opcode that is not", 64, "a3 0c 01 e1 00 00 00 00 00 40 00 00")
	in("task management", 64, "a3 0d 00 00 00 00 00 00 00 40 00 00")
	in("REQUEST SENSE", 18, "03 00 00 00 12 00")
	in("REQUEST SENSE, descriptors", 252, "03 01 00 00 fc 00")
	in("target port groups", 255, "a3 0a 00 00 00 00 00 00 00 ff 00 00")
}

// ofUnit keeps the designators of the unit, and leaves out those of ports and of the target.
func ofUnit(page []byte) []byte {
	kept := bytes.Clone(page[:min(2, len(page))])
	for rest := page[min(4, len(page)):]; len(rest) >= 4 && len(rest) >= 4+int(rest[3]); rest = rest[4+int(rest[3]):] {
		if rest[1]>>4&3 == 0 {
			kept = append(kept, rest[:4+int(rest[3])]...)
		}
	}
	return kept
}

func settings(in inFunc, out outFunc, none noneFunc) {
	in("READ CAPACITY(10)", 8, "25 00 00 00 00 00 00 00 00 00")
	in("READ CAPACITY(10), PMI", 8, "25 00 00 00 00 07 00 00 01 00")
	in("READ CAPACITY(16)", 32, "9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00")
	in("READ CAPACITY(16), short", 12, "9e 10 00 00 00 00 00 00 00 00 00 00 00 0c 00 00")
	for _, control := range []string{"current", "changeable", "default", "saved"} {
		byte2 := map[string]string{"current": "3f", "changeable": "7f", "default": "bf", "saved": "ff"}[control]
		in("MODE SENSE(6), "+control, 255, "1a 00 "+byte2+" 00 ff 00")
		in("MODE SENSE(10), "+control, 512, "5a 00 "+byte2+" 00 00 00 00 02 00 00")
	}
	in("MODE SENSE(6), caching", 64, "1a 08 08 00 40 00")
	in("MODE SENSE(10), control", 64, "5a 10 0a 00 00 00 00 00 40 00")
	in("MODE SENSE(6), no such page", 64, "1a 00 2a 00 40 00")
	out("MODE SELECT(6), cut short", []byte{0, 0, 0, 0, 8, 18, 4}, "15 10 00 00 07 00")
	out("MODE SELECT(10), no such page", append(make([]byte, 8), 0x2a, 2, 0, 0), "55 10 00 00 00 00 00 00 0c 00")
	in("LOG SENSE", 64, "4d 00 40 00 00 00 00 00 40 00")
	none("START", "1b 00 00 00 01 00")
	none("PREVENT", "1e 00 00 00 01 00")
	none("ALLOW", "1e 00 00 00 00 00")
	none("SEND DIAGNOSTIC", "1d 04 00 00 00 00")
	in("READ BUFFER", 512, "3c 02 00 00 00 00 00 02 00 00")
}

func readWrite(in inFunc, out outFunc, none noneFunc, of func(int) int) {
	eight := pattern(of(8), 1)
	out("WRITE(10)", eight, "2a 00 00 00 00 10 00 00 08 00")
	in("READ(10)", of(8), "28 00 00 00 00 10 00 00 08 00")
	out("WRITE(6)", eight[:of(1)], "0a 00 00 20 01 00")
	in("READ(6)", of(1), "08 00 00 20 01 00")
	out("WRITE(16), FUA", eight[:of(1)], "8a 08 00 00 00 00 00 00 00 21 00 00 00 01 00 00")
	in("READ(16), FUA", of(1), "88 08 00 00 00 00 00 00 00 21 00 00 00 01 00 00")
	out("WRITE(12)", eight[:of(1)], "aa 00 00 00 00 22 00 00 00 01 00 00")
	in("READ(12)", of(1), "a8 00 00 00 00 22 00 00 00 01 00 00")
	large := pattern(256<<10, 9)
	blocks := binary.BigEndian.AppendUint16(nil, uint16(len(large)/of(1)))
	count := " 00 " + hex.EncodeToString(blocks) + " 00"
	out("WRITE(10), 256 KiB", large, "2a 00 00 00 02 00"+count)
	in("READ(10), 256 KiB", len(large), "28 00 00 00 02 00"+count)
	none("READ(10), nothing", "28 00 00 00 00 10 00 00 00 00")
	none("WRITE(10), nothing", "2a 00 00 00 00 10 00 00 00 00")
	in("READ(10), more room", of(4), "28 00 00 00 00 10 00 00 02 00")
	in("READ(10), less room", of(1), "28 00 00 00 00 10 00 00 02 00").over = true
	none("READ(10), no room", "28 00 00 00 00 10 00 00 02 00").over = true
	out("WRITE(10), more data", eight[:of(4)], "2a 00 00 00 00 10 00 00 02 00")
	out("WRITE(10), less data", eight[:of(1)], "2a 00 00 00 00 30 00 00 02 00").over = true
	none("WRITE(10), no data", "2a 00 00 00 00 10 00 00 02 00").over = true
	in("READ(10) after those", of(8), "28 00 00 00 00 10 00 00 08 00")
	in("READ(10) of what was short", of(2), "28 00 00 00 00 30 00 00 02 00")
	in("READ(10), wrong way", of(2), "2a 00 00 00 00 10 00 00 02 00").over = true
	out("WRITE(10), wrong way", eight[:of(2)], "28 00 00 00 00 10 00 00 02 00").over = true
	in("READ(10), behind the end", of(1), "28 00 7f ff ff ff 00 00 01 00")
	out("WRITE(10), behind the end", eight[:of(1)], "2a 00 7f ff ff ff 00 00 01 00")
	in("READ(16), far behind the end", of(1), "88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00")
	in("READ(10), protection that is not", of(1), "28 e0 00 00 00 10 00 00 01 00")
	in("READ(12), too long", of(1), "a8 00 00 00 00 10 ff ff ff ff 00 00")
	none("SYNCHRONIZE CACHE(10)", "35 00 00 00 00 00 00 00 00 00")
	none("SYNCHRONIZE CACHE(16), IMMED", "91 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
	none("SYNCHRONIZE CACHE(10), behind the end", "35 00 7f ff ff ff 00 00 01 00")
	none("PRE-FETCH(10)", "34 00 00 00 00 00 00 00 01 00")
}

func compareAndSame(in inFunc, out outFunc, none noneFunc, of func(int) int) {
	eight := pattern(of(8), 1)
	none("VERIFY(10)", "2f 00 00 00 00 10 00 00 08 00")
	out("WRITE(10), again", eight, "2a 00 00 00 00 10 00 00 08 00")
	out("VERIFY(10), the same", eight[:of(2)], "2f 02 00 00 00 10 00 00 02 00")
	out("VERIFY(10), another", eight[:of(2)], "2f 02 00 00 00 28 00 00 02 00")
	out("VERIFY(10), one for all", eight[:of(1)], "2f 06 00 00 00 10 00 00 02 00")
	out("WRITE AND VERIFY(10)", eight[:of(2)], "2e 02 00 00 00 28 00 00 02 00")
	swap := append(bytes.Clone(eight[:of(2)]), pattern(of(2), 77)...)
	out("COMPARE AND WRITE", swap, "89 00 00 00 00 00 00 00 00 10 00 00 00 02 00 00")
	out("COMPARE AND WRITE, another now", swap, "89 00 00 00 00 00 00 00 00 10 00 00 00 02 00 00")
	out("COMPARE AND WRITE, too long", swap, "89 00 00 00 00 00 00 00 00 10 00 00 00 ff 00 00")
	in("READ(10), what is there", of(2), "28 00 00 00 00 10 00 00 02 00")
	out("WRITE SAME(10)", eight[:of(1)], "41 00 00 00 00 20 00 00 10 00")
	out("WRITE SAME(16)", eight[:of(1)], "93 00 00 00 00 00 00 00 00 40 00 00 00 40 00 00")
	none("WRITE SAME(16), no data", "93 01 00 00 00 00 00 00 00 80 00 00 00 10 00 00")
	out("WRITE SAME(10), behind the end", eight[:of(1)], "41 00 7f ff ff ff 00 00 10 00")
	in("READ(10) of the same", of(8), "28 00 00 00 00 42 00 00 08 00")
	in("GET LBA STATUS", 64, "9e 12 00 00 00 00 00 00 00 00 00 00 00 40 00 00")
	out("UNMAP", unmap(64, 32), "42 00 00 00 00 00 00 00 18 00")
	out("UNMAP, nothing", unmap(64, 0), "42 00 00 00 00 00 00 00 18 00")
	out("UNMAP, behind the end", unmap(64, 1<<30), "42 00 00 00 00 00 00 00 18 00")
	out("UNMAP, cut short", unmap(64, 32)[:12], "42 00 00 00 00 00 00 00 0c 00")
	out("UNMAP, wrong length", append([]byte{0, 99, 0, 16}, unmap(64, 32)[4:]...), "42 00 00 00 00 00 00 00 18 00")
	in("READ(10) of what is unmapped", of(1), "28 00 00 00 00 48 00 00 01 00")
	in("GET LBA STATUS, 64", 64, "9e 12 00 00 00 00 00 00 00 40 00 00 00 40 00 00")
	in("GET LBA STATUS, behind the end", 64, "9e 12 00 00 00 00 7f ff ff ff 00 00 00 40 00 00")
}

// unmap is the parameter list of UNMAP for one range.
func unmap(from uint64, blocks uint32) []byte {
	b := binary.BigEndian.AppendUint64([]byte{0, 22, 0, 16, 0, 0, 0, 0}, from)
	return append(binary.BigEndian.AppendUint32(b, blocks), 0, 0, 0, 0)
}

func reservations(in inFunc, out outFunc, none noneFunc) {
	parameters := func(key, service byte) []byte {
		b := make([]byte, 24)
		b[7], b[15] = key, service
		return b
	}
	// The generation counts what all initiators have done since the unit is there.
	read := func(name, cdb string) {
		in(name, 64, cdb).mask = func(b []byte) []byte { clear(b[:min(4, len(b))]); return b }
	}
	in("PR capabilities", 64, "5e 02 00 00 00 00 00 00 40 00")
	out("PR register", parameters(0, 0x12), "5f 00 00 00 00 00 00 00 18 00")
	out("PR register, wrong key", parameters(0x55, 0x13), "5f 00 00 00 00 00 00 00 18 00")
	read("PR keys", "5e 00 00 00 00 00 00 00 40 00")
	out("PR reserve, wrong key", parameters(0x99, 0), "5f 01 03 00 00 00 00 00 18 00")
	out("PR reserve, no such type", parameters(0x12, 0), "5f 01 04 00 00 00 00 00 18 00")
	out("PR reserve", parameters(0x12, 0), "5f 01 05 00 00 00 00 00 18 00")
	read("PR reservation", "5e 01 00 00 00 00 00 00 40 00")
	none("RESERVE(6) beside it", "16 00 00 00 00 00")
	out("PR release, other type", parameters(0x12, 0), "5f 02 03 00 00 00 00 00 18 00")
	out("PR release", parameters(0x12, 0), "5f 02 05 00 00 00 00 00 18 00")
	out("PR, short list", parameters(0x12, 0)[:16], "5f 02 05 00 00 00 00 00 10 00")
	out("PR, no such action", parameters(0x12, 0), "5f 1f 00 00 00 00 00 00 18 00")
	out("PR clear", parameters(0x12, 0), "5f 03 00 00 00 00 00 00 18 00")
	read("PR keys, none", "5e 00 00 00 00 00 00 00 40 00")
	none("RESERVE(6)", "16 00 00 00 00 00")
	none("RELEASE(6)", "17 00 00 00 00 00")
}

func absent(in inFunc, none noneFunc) {
	none("no such opcode", "ff 00 00 00 00 00")
	none("a vendor's opcode", "c1 00 00 00 00 00 00 00 00 00")
	none("NACA", "00 00 00 00 00 04")
	none("a reserved bit", "00 01 00 00 00 00")
	none("FORMAT UNIT, reserved bits", "04 00 00 00 00 ff")
	none("REWIND", "01 00 00 00 00 00")
	none("no such service action", "9e 1f 00 00 00 00 00 00 00 00 00 00 00 00 00 00")
	in("EXTENDED COPY", 64, "83 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00")
}
