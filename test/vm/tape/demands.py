#!/usr/bin/python3
"""demands.py SG-OF-DRIVE SG-OF-CHANGER: what Proxmox Backup (pmt, pmtx) and LTFS ask of a drive and of its changer, and how they want
it answered, as SCSI commands. There is a cartridge in the drive, of no worth. A line for each check: "ok WHAT", or "BAD WHAT: GOT"."""
import sys

from scsi import Device, be, number

drive, changer = Device(sys.argv[1]), Device(sys.argv[2])
FILEMARK, EOM, ILI = 0x80, 0x40, 0x20


def check(what, right, got=''):
    print('ok ' + what if right else 'BAD %s: %s' % (what, got), flush=True)


# --- the changer ---

TYPES = (1, 2, 3, 4)  # transport, storage, mail, drive
page = changer.command([0x1a, 8, 0x1d, 0, 255, 0], 255).data
check('MODE SENSE(6) of 1Dh with DBD: 24 bytes, their length in the first', len(page) >= 24 and page[0] == 23 and page[4] & 0x3f == 0x1d,
      page.hex())
page = page.ljust(24, b'\0')
first = {t: number(page[2 + 4 * t:4 + 4 * t]) for t in TYPES}
count = {t: number(page[4 + 4 * t:6 + 4 * t]) for t in TYPES}


def element_status(kind, voltag=False, dvcid=False, allocation=0xffff):
    return changer.command([0xb8, kind | 0x10 * voltag, 0, 0, *be(1000, 2), int(dvcid), *be(allocation, 3), 0, 0], allocation)


def elements(data):
    """Its descriptors, each as (type, flags, bytes), and how long the header says that all is."""
    found, at, end = [], 8, 8 + number(data[5:8])
    while at + 8 <= min(end, len(data)):
        kind, flags, size, total = data[at], data[at + 1], number(data[at + 2:at + 4]), number(data[at + 5:at + 8])
        at += 8
        found += [(kind, flags, data[o:o + size]) for o in range(at, at + total, max(size, 1))]
        at += total
    return found, end


for kind in TYPES:
    r = element_status(kind, voltag=True)
    found, end = elements(r.data)
    check('READ ELEMENT STATUS of type %d with VOLTAG: as many as in 1Dh, exactly as long as it says' % kind,
          len(found) == count[kind] == number(r.data[2:4]) and len(r.data) == end, (r, len(found), count[kind], end))
    check('type %d: ascending from the first address, with PVOLTAG' % kind,
          all(k == kind and flags & 0x80 and number(d[:2]) == first[kind] + i for i, (k, flags, d) in enumerate(found)), found)
r = element_status(4, dvcid=True)
drives, end = elements(r.data)
check('READ ELEMENT STATUS of type 4 with DVCID and no VOLTAG',
      len(drives) == count[4] and len(r.data) == end and not any(flags & 0x80 for _, flags, _ in drives), (r, end))
for _, _, d in drives:
    i = d[12:]
    check('drive at element %d: an identifier in ASCII: its serial number, or 34 bytes with it' % number(d[:2]),
          len(i) >= 4 and i[0] == 2 and i[3] > 0 and (i[1] == 0 or i[1] == 1 and i[3] == 34), i.hex())
r = element_status(4, voltag=True, dvcid=True)
check('READ ELEMENT STATUS of type 4 with DVCID and VOLTAG', r.good and len(elements(r.data)[0]) == count[4], r)
r = element_status(0, allocation=8)
check('READ ELEMENT STATUS in 8 bytes: the header counts all', len(r.data) == 8 and number(r.data[2:4]) == sum(count.values()), r)

# --- the drive ---


def mode(page, subpage=0):
    return drive.command([0x5a, 0, page, subpage, 0, 0, 0, 0, 255, 0], 255)


def log(page, pc):
    return drive.command([0x4d, 0, pc << 6 | page, 0, 0, 0, 0, *be(0x2000, 2), 0], 0x2000)


def security(page):
    return drive.command([0xa2, 0x20, *be(page, 2), 0, 0, *be(0x2000, 4), 0, 0], 0x2000)


def attributes(first, allocation=0x1000):
    return drive.command([0x8c, 0, 0, 0, 0, 0, 0, 0, *be(first, 2), *be(allocation, 4), 0, 0], allocation)


def write_attribute(identifier, form, value):
    a = bytes(be(identifier, 2) + [form] + be(len(value), 2)) + value
    return drive.command([0x8d, 1, 0, 0, 0, 0, 0, 0, 0, 0, *be(4 + len(a), 4), 0, 0], out=bytes(be(len(a), 4)) + a)


r = drive.command([0x12, 1, 0x80, 0, 255, 0], 255)
serial = r.data[4:].strip(b' \0')
check('INQUIRY of 80h: a serial number', r.good and r.data[1] == 0x80 and serial, r)
check('DVCID has that serial number', any(serial and serial in d for _, _, d in drives), serial)
r = drive.command([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32)
check('READ POSITION, long form: 32 bytes', r.good and len(r.data) == 32, r)
r = drive.command([0x34, 8, 0, 0, 0, 0, 0, 0, 32, 0], 32)
check('READ POSITION, extended form: 32 bytes, 1Ch more', r.good and len(r.data) == 32 and number(r.data[2:4]) == 28, r)
r = drive.command([0xa3, 0x0c, 0x80, 0, 0, 0, *be(0x4000, 4), 0, 0], 0x4000)
check('REPORT SUPPORTED OPERATION CODES with RCTD: 20 bytes each', r.good and number(r.data[:4]) > 0 and number(r.data[:4]) % 20 == 0, r)
for page, length in (0x0f, 0x0e), (0x1d, 0x1e), (0x10, 0x0e), (0x11, None):
    r = mode(page)
    at = 8 + number(r.data[6:8])
    check('MODE SENSE(10) of %02Xh, with a block descriptor' % page,
          r.good and at == 16 and r.data[at] & 0x3f == page and length in (None, r.data[at + 1]), r)
r = mode(0x10, 1)
check('MODE SENSE(10) of 10h/01h: 48 bytes', r.good and len(r.data) == 48, r)
for page, pc in (0x0c, 1), (0x11, 1), (0x17, 1), (0x2e, 1), (0x2e, 0), (0x31, 1):
    r = log(page, pc)
    check('LOG SENSE of %02Xh with PC %d' % (page, pc), r.good and r.data[0] & 0x3f == page and len(r.data) == 4 + number(r.data[2:4]), r)
r = drive.command([0x44, 1, 0, 0, 0, 0, 0, *be(0x1000, 2), 0], 0x1000)
check('REPORT DENSITY SUPPORT of the medium', r.good and len(r.data) == 2 + number(r.data[:2]) and (len(r.data) - 4) % 52 == 0, r)
r = attributes(0)
check('READ ATTRIBUTE from 0000h', r.good and len(r.data) == 4 + number(r.data[:4]), r)
r = attributes(0x1623)
check('READ ATTRIBUTE of 1623h, which is not set: 5/24 00', r.sense == (5, 0x24, 0), r)
r = attributes(9)
check('READ ATTRIBUTE of 0009h: it comes first', r.good and r.data[4:6] == b'\0\x09', r)
w, r = write_attribute(0x806, 1, b'LUN999L9'.ljust(32)), attributes(0x806)
check('WRITE ATTRIBUTE of 0806h, and back', w.good and r.data[9:17] == b'LUN999L9', (w, r))
w, r = write_attribute(0x806, 1, b''), attributes(0x806, 64)
check('WRITE ATTRIBUTE of no length deletes it', w.good and (r.sense == (5, 0x24, 0) or r.data[4:6] != b'\x08\x06'), (w, r))
r = security(0x10)
check('SECURITY PROTOCOL IN of 20h/0010h: exactly as long as it says, algorithms of 14h bytes',
      r.good and len(r.data) == 4 + number(r.data[2:4]) and number(r.data[22:24]) == 0x14, r)
r = security(0x20)
check('SECURITY PROTOCOL IN of 20h/0020h', r.good and len(r.data) == 4 + number(r.data[2:4]) >= 24, r)

# --- blocks and positions ---


def position():
    """The number of the object, and that of the file."""
    r = drive.command([0x34, 6, 0, 0, 0, 0, 0, 0, 0, 0], 32)
    return (number(r.data[8:16]), number(r.data[16:24])) if r.good and len(r.data) == 32 else None


def locate(kind, to):
    return drive.command([0x92, kind << 3, 0, 0, *be(to, 8), 0, 0, 0, 0])


def space(what, n):
    return drive.command([0x11, what, *be(n, 3), 0])


def read(size, sili=False):
    return drive.command([8, 2 * sili, *be(size, 3), 0], size)


drive.command([1, 0, 0, 0, 0, 0])
for i in range(6):
    for _ in range(3):
        drive.command([0x0a, 0, *be(4096, 3), 0], out=bytes([i]) * 4096)
    drive.command([0x10, 0, *be(1, 3), 0])
check('six files of three blocks and a mark: object 24, file 6', position() == (24, 6), position())
r = locate(1, 3)
at = position()
space(1, 1)
check('LOCATE(16) of file 3, and a mark further: file 4, or 3 as HP has it', r.good and position() and position()[1] in (3, 4),
      (r, at, position()))
r = locate(0, 5)
check('LOCATE(16) of object 5', r.good and position() == (5, 1), (r, position()))
r = read(8192, sili=True)
check('READ with SILI: 4096 of 8192, good', r.good and len(r.data) == 4096, r)
r = read(8192)
check('READ without SILI: ILI, information 4096',
      r.sense == (0, 0, 0) and r.bits == ILI and r.information == 4096 and len(r.data) == 4096, r)
r = read(8192)
check('READ at a mark: 0/00 01, FILEMARK, information 8192', r.sense == (0, 0, 1) and r.bits == FILEMARK and r.information == 8192, r)
r = read(2048)
check('READ of a longer block: ILI, information -2048', r.bits == ILI and r.information == -2048 and len(r.data) == 2048, r)
r = space(3, 0)
check('SPACE to the end of data', r.good and position() == (24, 6), (r, position()))
r = read(4096)
check('READ at the end of data: 8/00 05', r.sense == (8, 0, 5), r)
r = space(0, -2)
check('SPACE of -2 blocks meets the mark: 0/00 01, FILEMARK, information 2',
      r.sense == (0, 0, 1) and r.bits == FILEMARK and r.information == 2 and position() == (23, 5), (r, position()))
r = space(1, -9)
check('SPACE of -9 marks: 0/00 04, EOM, information 4', r.sense == (0, 0, 4) and r.bits == EOM and r.information == 4, r)
