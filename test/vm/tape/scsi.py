"""SCSI commands to a device of Linux's sg driver (the ioctl SG_IO)."""
import ctypes
import fcntl
import os

SG_IO = 0x2285


class Header(ctypes.Structure):
    """struct sg_io_hdr"""
    _fields_ = [
        ('interface_id', ctypes.c_int), ('direction', ctypes.c_int), ('cdb_length', ctypes.c_ubyte), ('sense_size', ctypes.c_ubyte),
        ('iovecs', ctypes.c_ushort), ('length', ctypes.c_uint), ('data', ctypes.c_void_p), ('cdb', ctypes.c_void_p),
        ('sense', ctypes.c_void_p), ('timeout', ctypes.c_uint), ('flags', ctypes.c_uint), ('id', ctypes.c_int), ('user', ctypes.c_void_p),
        ('status', ctypes.c_ubyte), ('masked_status', ctypes.c_ubyte), ('message', ctypes.c_ubyte), ('sense_length', ctypes.c_ubyte),
        ('host_status', ctypes.c_ushort), ('driver_status', ctypes.c_ushort), ('residual', ctypes.c_int), ('duration', ctypes.c_uint),
        ('info', ctypes.c_uint)]


class Result:
    """What came of a command: `good`, or the sense (key, asc, ascq), the bits FILEMARK, EOM, ILI, and INFORMATION if it is valid."""

    def __init__(self, header, sense, data):
        self.status, self.residual, self.data = header.status, header.residual, data
        self.good = header.status == 0 and header.host_status == 0
        self.key = self.asc = self.ascq = self.bits = 0
        self.information = None
        if header.status == 2:
            self.key, self.asc, self.ascq, self.bits = sense[2] & 15, sense[12], sense[13], sense[2] & 0xe0
            if sense[0] & 0x80:
                self.information = int.from_bytes(sense[3:7], 'big', signed=True)

    @property
    def sense(self):
        return self.key, self.asc, self.ascq

    def __repr__(self):
        if self.status == 2:
            return '%x/%02x %02x bits %02x information %r, %d bytes' % (*self.sense, self.bits, self.information, len(self.data))
        return '%s, %d bytes' % ('good' if self.good else 'status %02x' % self.status, len(self.data))


class Device:
    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDWR)

    def command(self, cdb, allocation=0, out=None):
        """Sends it, to read at most `allocation` bytes or to write `out`; again after unit attentions."""
        for _ in range(5):
            size = allocation if out is None else len(out)
            data = ctypes.create_string_buffer(bytes(out or b''), max(size, 1))
            raw, sense = ctypes.create_string_buffer(bytes(cdb), len(cdb)), ctypes.create_string_buffer(96)
            direction = -2 if out is not None else -3 if allocation else -1
            header = Header(ord('S'), direction, len(cdb), 96, 0, size, ctypes.addressof(data), ctypes.addressof(raw),
                            ctypes.addressof(sense), 120000)
            fcntl.ioctl(self.descriptor, SG_IO, header)
            result = Result(header, sense.raw, data.raw[:size - header.residual] if out is None and size else b'')
            if result.key != 6:
                break
        return result


def number(b):
    return int.from_bytes(b, 'big')


def be(value, size):
    """value as a list of bytes"""
    return list(value.to_bytes(size, 'big', signed=value < 0))
