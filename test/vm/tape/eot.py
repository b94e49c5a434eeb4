#!/usr/bin/python3
"""eot.py DRIVE [fill]: how backup programs go back and forth at the end of a volume, by Linux's st, on one open of a blank cartridge:
numbered blocks, a mark, back over the mark and the last block, that block again, to the end of data, further blocks; and all from the
beginning. With "fill" blocks are written until there is no room. A line for each check: "ok WHAT", or "BAD WHAT: GOT"."""
import errno
import fcntl
import os
import struct
import sys

MTIOCTOP, FSF, BSF, FSR, BSR, WEOF, REW, EOM = 0x40086d01, 1, 2, 3, 4, 5, 6, 12
SIZE = 64512  # of Bacula's blocks
MARK = 'a mark'
path, fill = sys.argv[1], len(sys.argv) > 2
tape = os.open(path, os.O_RDWR)


def check(what, got, want):
    print('ok ' + what if got == want else 'BAD %s: %r, not %r' % (what, got, want), flush=True)


def op(what, n=1):
    fcntl.ioctl(tape, MTIOCTOP, struct.pack('hi', what, n))


def block(i):
    return b'%08d' % i * (SIZE // 8)


def read():
    """The number of the block that is read, or what was met."""
    try:
        b = os.read(tape, 262144)
    except OSError as e:
        return errno.errorcode[e.errno]
    if not b:
        return MARK
    return int(b[:8]) if len(b) == SIZE and b == b[:8] * (SIZE // 8) else 'junk of %d bytes' % len(b)


op(REW)
if not fill:
    check('a blank cartridge is at the end of data', read(), 'EIO')
    op(REW)
written, ended = 0, None
while written < (1 << 20 if fill else 10):
    try:
        os.write(tape, block(written))
    except OSError as e:
        ended = errno.errorcode[e.errno]
        break
    written += 1
print('%d blocks' % written)
check('it ends for want of room' if fill else 'ten blocks', ended, 'ENOSPC' if fill else None)
last = written - 1
try:
    op(WEOF)
    check('a mark at the end', 1, 1)
except OSError as e:
    check('a mark at the end', errno.errorcode[e.errno], 1)
op(BSF)
op(BSR)
check('back over the mark and a block: the last block', read(), last)
check('and the mark', read(), MARK)
op(BSF)
op(BSR, 3)
check('back over the mark and three blocks', read(), last - 2)
op(EOM)
if not fill:
    os.write(tape, block(written))
    op(WEOF)
op(REW)
got, before = [], None
while True:
    b = read()
    if b == before == MARK:  # the driver gives the end of data after a mark as one more mark
        break
    before = b
    if b != MARK:
        got.append(b)
    if isinstance(b, str) and b != MARK:
        break
want = list(range(written)) + ([] if fill else [written])
check('all blocks in their order', (len(got), got == want, got[-3:]), (len(want), True, want[-3:]))
op(REW)
op(FSF)
check('after the first mark', read(), MARK if fill else written)
op(REW)
op(FSR, 5)
check('after five blocks', read(), 5)
