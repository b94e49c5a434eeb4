package main

// cd are the commands for a drive with a disc of data.
func cd(in inFunc, out outFunc, none noneFunc) {
	in("what has happened", 8, "4a 01 00 00 10 00 00 00 08 00").quiet = true // each event is told once
	who(in, none)
	in("READ CAPACITY(10)", 8, "25 00 00 00 00 00 00 00 00 00")
	in("READ TOC", 804, "43 00 00 00 00 00 00 03 24 00")
	in("READ TOC, MSF", 804, "43 02 00 00 00 00 00 03 24 00")
	in("READ TOC, lead-out", 804, "43 00 00 00 00 00 aa 03 24 00")
	in("READ TOC, sessions", 804, "43 00 01 00 00 00 00 03 24 00")
	in("READ TOC, full", 804, "43 02 02 00 00 00 01 03 24 00")
	in("READ TOC, no such track", 804, "43 00 00 00 00 00 63 03 24 00")
	in("READ TOC, short", 12, "43 00 00 00 00 00 00 00 0c 00")
	in("GET CONFIGURATION", 4096, "46 00 00 00 00 00 00 10 00 00")
	in("GET CONFIGURATION, current", 4096, "46 01 00 00 00 00 00 10 00 00")
	in("GET CONFIGURATION, one", 4096, "46 02 00 03 00 00 00 10 00 00")
	in("GET CONFIGURATION, the head", 8, "46 00 00 00 00 00 00 00 08 00")
	in("GET EVENT STATUS NOTIFICATION, none", 8, "4a 01 00 00 00 00 00 00 08 00")
	in("GET EVENT STATUS NOTIFICATION, media", 8, "4a 01 00 00 10 00 00 00 08 00")
	in("GET EVENT STATUS NOTIFICATION, not polled", 8, "4a 00 00 00 10 00 00 00 08 00")
	for _, control := range []string{"3f", "7f", "bf", "2a", "01", "1a"} {
		in("MODE SENSE(10), "+control, 512, "5a 00 "+control+" 00 00 00 00 02 00 00")
		in("MODE SENSE(6), "+control, 255, "1a 00 "+control+" 00 ff 00")
	}
	in("READ DISC INFORMATION", 64, "51 00 00 00 00 00 00 00 40 00")
	in("READ TRACK INFORMATION", 64, "52 01 00 00 00 01 00 00 40 00")
	in("READ DISC STRUCTURE", 2052, "ad 00 00 00 00 00 00 00 08 04 00 00")
	in("MECHANISM STATUS", 8, "bd 00 00 00 00 00 00 00 00 08 00 00")
	in("GET PERFORMANCE", 64, "ac 00 00 00 00 00 00 00 00 02 00 00")
	in("READ SUB-CHANNEL", 16, "42 02 40 01 00 00 00 00 10 00")
	in("READ(10)", 4096, "28 00 00 00 00 10 00 00 02 00")
	in("READ(12)", 4096, "a8 00 00 00 00 10 00 00 00 02 00 00")
	in("READ(10), behind the end", 2048, "28 00 7f ff ff ff 00 00 01 00")
	in("READ CD", 2048, "be 08 00 00 00 10 00 00 01 10 00 00")
	out("WRITE(10)", make([]byte, 2048), "2a 00 00 00 00 10 00 00 01 00")
	none("SEEK(10)", "2b 00 00 00 00 10 00 00 00 00")
	none("VERIFY(10)", "2f 00 00 00 00 10 00 00 01 00")
	none("PREVENT", "1e 00 00 00 01 00")
	none("START STOP UNIT, eject although prevented", "1b 00 00 00 02 00")
	none("ALLOW", "1e 00 00 00 00 00")
	none("START STOP UNIT, start", "1b 00 00 00 01 00")
	absent(in, none)
}

// tape are the commands for a drive with a cartridge of no worth.
func tape(in inFunc, out outFunc, none noneFunc) {
	ahead := func(name string, room int, cdb string) { in(name, room, cdb).moves = true }
	none("rewind", "01 00 00 00 00 00").quiet = true
	out("blocks of any length", []byte{0, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0, 0}, "15 10 00 00 0c 00").quiet = true
	who(in, none)
	in("READ BLOCK LIMITS", 6, "05 00 00 00 00 00")
	in("REPORT DENSITY SUPPORT", 1024, "44 00 00 00 00 00 00 04 00 00")
	for _, control := range []string{"3f", "7f", "bf"} {
		in("MODE SENSE(10), "+control, 512, "5a 00 "+control+" 00 00 00 00 02 00 00")
		in("MODE SENSE(6), "+control, 255, "1a 00 "+control+" 00 ff 00")
	}
	in("LOG SENSE", 64, "4d 00 40 00 00 00 00 00 40 00")
	long := pattern(65536, 5)
	out("WRITE(6), 100 bytes", long[:100], "0a 00 00 00 64 00")
	out("WRITE(6), 5001 bytes", long[:5001], "0a 00 00 13 89 00")
	out("WRITE(6), 64 KiB", long, "0a 00 01 00 00 00")
	none("WRITE FILEMARKS(6)", "10 00 00 00 01 00")
	out("WRITE(6), behind it", long[:3000], "0a 00 00 0b b8 00")
	none("WRITE FILEMARKS(6), 2", "10 00 00 00 02 00")
	in("READ POSITION", 20, "34 00 00 00 00 00 00 00 00 00")
	in("READ POSITION, long", 32, "34 06 00 00 00 00 00 00 00 00")
	ahead("READ(6) at the end of data", 512, "08 00 00 02 00 00")
	none("REWIND", "01 00 00 00 00 00")
	ahead("READ(6), as long", 100, "08 00 00 00 64 00")
	ahead("READ(6), a shorter block", 6000, "08 00 00 17 70 00")
	ahead("READ(6), a longer block", 4096, "08 00 00 10 00 00")
	ahead("READ(6), a filemark", 4096, "08 00 00 10 00 00")
	ahead("READ(6), SILI, a shorter block", 4096, "08 02 00 10 00 00")
	ahead("READ(6), fixed", 4096, "08 01 00 00 08 00")
	none("REWIND again", "01 00 00 00 00 00")
	ahead("READ(6), SILI, a longer block", 64, "08 02 00 00 40 00")
	none("SPACE(6), blocks over a filemark", "11 00 00 00 09 00")
	in("READ POSITION, behind it", 20, "34 00 00 00 00 00 00 00 00 00")
	none("SPACE(6), filemarks back", "11 01 ff ff ff 00")
	none("SPACE(6), blocks back over the beginning", "11 00 ff ff f0 00")
	none("SPACE(6), filemarks over the end of data", "11 01 00 00 09 00")
	none("SPACE(6), to the end of data", "11 03 00 00 00 00")
	none("LOCATE(10)", "2b 00 00 00 00 00 02 00 00 00")
	ahead("READ(6), 64 KiB", 65536, "08 00 01 00 00 00")
	none("LOCATE(10), behind the end of data", "2b 00 00 00 00 00 ff 00 00 00")
	none("ERASE(6), short", "19 00 00 00 00 00")
	none("READ(6), nothing", "08 00 00 00 00 00")
	none("VERIFY(6)", "13 00 00 00 64 00")
	none("PREVENT", "1e 00 00 00 01 00")
	none("LOAD UNLOAD, although prevented", "1b 00 00 00 00 00")
	none("ALLOW", "1e 00 00 00 00 00")
	none("LOAD UNLOAD, load", "1b 00 00 00 01 00")
	absent(in, none)
}

// changer are the commands for a robot whose slots begin at 1000h = 4096 or wherever MODE SENSE says.
func changer(in inFunc, out outFunc, none noneFunc) {
	who(in, none)
	for _, control := range []string{"1d", "1e", "1f", "3f", "7f", "bf"} {
		in("MODE SENSE(6), "+control, 255, "1a 08 "+control+" 00 ff 00")
		in("MODE SENSE(10), "+control, 512, "5a 08 "+control+" 00 00 00 00 02 00 00")
	}
	none("INITIALIZE ELEMENT STATUS", "07 00 00 00 00 00")
	in("READ ELEMENT STATUS", 8192, "b8 00 00 00 ff ff 00 00 20 00 00 00")
	in("READ ELEMENT STATUS, with volume tags", 8192, "b8 10 00 00 ff ff 00 00 20 00 00 00")
	in("READ ELEMENT STATUS, with names of drives", 8192, "b8 14 00 00 ff ff 01 00 20 00 00 00")
	in("READ ELEMENT STATUS, the head", 8, "b8 10 00 00 ff ff 00 00 00 08 00 00")
	none("MOVE MEDIUM, from nowhere", "a5 00 00 00 ff f0 ff f1 00 00 00 00")
	none("POSITION TO ELEMENT, nowhere", "2b 00 00 00 ff f0 00 00 00 00")
	none("PREVENT", "1e 00 00 00 01 00")
	none("ALLOW", "1e 00 00 00 00 00")
	in("LOG SENSE", 64, "4d 00 40 00 00 00 00 00 40 00")
	absent(in, none)
}
