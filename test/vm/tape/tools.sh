#!/bin/bash
# tools.sh CHANGER DRIVE0 DRIVE1 SG0 SG1: what mt, mtx, dd, tar, stenc and sg3-utils do with a library of two drives and eight slots, of
# which slots 1 to 4 are full and of no worth, two mail slots, and cartridges of less than 40 MiB. A line for each check: "ok WHAT", or "BAD
# WHAT" after what was said. In the end all is where it was.
set -u
changer=$1 t=$2 u=$3 sg=$4 sg1=$5
mkdir -p /tmp/tape && cd /tmp/tape || exit

want() { # WHAT COMMAND...
  local what=$1 start=$SECONDS; shift
  "$@" >said 2>&1
  local status=$?
  ((SECONDS - start < 5)) || echo "  $((SECONDS - start)) s:"
  if ((status == 0)); then echo "ok $what"; else sed 's/^/  /' said | head -n 8; echo "BAD $what"; fi
}
refused() { # WHAT COMMAND...
  local what=$1; shift
  if "$@" >said 2>&1; then echo "BAD $what: done"; else echo "ok $what: refused"; fi
}
random() { head -c "$1" /dev/urandom; }
get() { dd if="$1" bs="$2" status=none "${@:3}"; }
put() { dd of="$1" bs="$2" status=none "${@:3}"; }
mtx() { command mtx -f "$changer" "$@"; }
mt() { command mt -f "$@"; }
# same FILE DRIVE SIZE [COUNT]: what is read there is the file
same() { get "$2" "$3" ${4:+count=$4} >read && cmp "$1" read; }
status_has() { mtx status >status && cat status && grep -q "$1" status; }
mt_has() { mt "$1" status >status; cat status; grep -q "$2" status; } # its status is that of the drive

# --- the robot ------------------------------------------------------------------------------------------------------

want 'mtx inquiry' mtx inquiry
want 'mtx status: 2 drives, 10 slots, 2 of them mail slots' status_has ':2 Drives, 10 Slots ( 2 Import/Export )'
want 'mtx status: a barcode' status_has 'Storage Element 1:Full :VolumeTag=LUN001L5'
want 'mtx inventory' mtx inventory
want 'mtx load 1 0' mtx load 1 0
want 'mtx load 2 1' mtx load 2 1
want 'mtx status: where it came from' status_has 'Data Transfer Element 0:Full (Storage Element 1 Loaded):VolumeTag = LUN001L5'
refused 'mtx load into a full drive' mtx load 3 0
refused 'mtx transfer from an empty slot' mtx transfer 1 2
refused 'mtx transfer to a full slot' mtx transfer 3 4

# --- blocks ---------------------------------------------------------------------------------------------------------

want 'mt status: online, at the beginning' mt_has "$t" 'BOT.* ONLINE'
want 'mt rewind' mt "$t" rewind
for size in 512 4096 65536 262144; do
  random $((size * 7)) >written
  mt "$t" rewind
  want "blocks of $size: write" put "$t" $size if=written
  mt "$t" rewind
  want "blocks of $size: read" same written "$t" $size
done
random 65536 >written
mt "$t" rewind; put "$t" 65536 if=written
mt "$t" rewind
want 'a block of 65536 into 262144' same written "$t" 262144 1
mt "$t" rewind
refused 'a block of 65536 into 4096' get "$t" 4096 count=1

# --- files and positions --------------------------------------------------------------------------------------------

mt "$t" rewind
for i in 1 2 3 4; do random 300000 >file$i; put "$t" 100000 if=file$i; done
mt "$t" rewind
third() { mt "$t" fsf 2 && same file3 "$t" 100000; }
want 'mt fsf 2' third
# The driver is behind the mark of file 3 or has yet to say it; both are right: bsfm then goes to what follows the mark before.
back() { mt "$t" bsfm 1; get "$t" 100000 >read; cmp file3 read || cmp file4 read; }
want 'mt bsfm 1' back
want 'mt eod' mt "$t" eod
want 'mt status: file 4 at the end of data' mt_has "$t" 'File number=4,'
want 'mt bsf 1 at the end of data' mt "$t" bsf 1
want 'mt tell' mt "$t" tell
object() { mt "$t" seek 4 && mt "$t" tell | grep -q 'At block 4\.' && same file2 "$t" 100000; }
want 'mt seek 4: the second file' object # three blocks and a mark before it
want 'mt seek 0' mt "$t" seek 0
want 'mt setblk 512' mt "$t" setblk 512
mt "$t" rewind; random 5120 >written
want 'ten fixed blocks in one write' put "$t" 5120 if=written
mt "$t" rewind
want 'and back' same written "$t" 5120
mt "$t" setblk 0; mt "$t" rewind
want 'and back, each by itself' same written "$t" 512
mt "$t" rewind
want 'mt weof 3' mt "$t" weof 3
want 'mt weof 0: nothing' mt "$t" weof 0
want 'mt compression 1' mt "$t" compression 1
want 'mt compression 0' mt "$t" compression 0
want 'mt stshowopt' mt "$t" stshowopt
want 'mt lock' mt "$t" lock
refused 'mtx unload of a locked drive' mtx unload 1 0
want 'mt unlock' mt "$t" unlock
want 'mt erase, short' mt "$t" erase 0

mkdir -p tree; for i in $(seq 20); do random $((RANDOM * 20)) >tree/$i; done
mt "$t" rewind
want 'tar -c' tar -b 512 -cf "$t" tree
mt "$t" rewind
want 'tar -d' tar -b 512 -df "$t"
mt "$t" rewind
want 'tar -t' tar -b 512 -tf "$t"
want 'mt offline' mt "$t" offline
refused 'sg_turs without a cartridge' sg_turs "$sg" # Linux's st waits for two minutes whether one comes
want 'mtx unload 1 0' mtx unload 1 0
want 'mtx transfer 3 9, to a mail slot' mtx transfer 3 9
want 'mtx status: the mail slot' status_has 'Storage Element 9 IMPORT/EXPORT:Full :VolumeTag=LUN003L5'
want 'mtx transfer 9 3' mtx transfer 9 3
want 'mtx load 1 0 again' mtx load 1 0
want 'the cartridge has what it had' tar -b 512 -df "$t"
want 'mtx unload 1 0 again, which ejects by itself' mtx unload 1 0

# --- the end of a tape: what was accepted is there, and the last block can be read again -----------------------------

random 40M >written
mt "$u" rewind; mt "$u" setblk 0
put "$u" 65536 if=written status=noxfer 2>said
accepted=$(sed -n 's/^\([0-9]*\)+.* records out/\1/p' said)
((accepted > 0 && accepted < 640)) && echo 'ok a tape that is too short' || echo "BAD a tape that is too short: $accepted blocks"
want 'mt weof at the end of the tape' mt "$u" weof 1
# The driver has written a mark when it was closed.
last_again() {
  mt "$u" bsf 2 && mt "$u" bsr 1 && get "$u" 65536 count=1 >read &&
    dd if=written bs=65536 skip=$((accepted - 1)) count=1 status=none | cmp - read
}
want 'the last block again' last_again
mt "$u" rewind
all() { get "$u" 65536 >read; echo "$((accepted * 65536)) bytes were accepted, $(stat -c %s read) read"; [ "$(stat -c %s read)" = $((accepted * 65536)) ]; }
want 'as many blocks as were accepted' all
want 'and the same' cmp -n $((accepted * 65536)) written read

# --- what sg3-utils and stenc ask -----------------------------------------------------------------------------------

for command in sg_inq 'sg_vpd -e' 'sg_vpd -p sn' 'sg_vpd -p di' 'sg_modes -a' 'sg_logs -a' sg_opcodes 'sg_opcodes -R' sg_read_attr \
  sg_read_block_limits sg_turs sg_luns 'sg_persist -k' 'sg_persist -r' 'sg_timestamp'; do
  # shellcheck disable=SC2086
  want "$command" $command "$sg1"
done
want 'the robot: sg_inq' sg_inq "$changer"
want 'the robot: sg_vpd -p di' sg_vpd -p di "$changer"
want 'the robot: sg_modes -a' sg_modes -a "$changer"
want 'the robot: sg_opcodes' sg_opcodes "$changer"
want 'the robot: sg_luns' sg_luns "$changer"
want 'stenc' stenc -f "$sg1"
want 'sg_prevent' sg_prevent --prevent=1 "$sg"
want 'sg_prevent --allow' sg_prevent --allow "$sg"
want 'mtx unload 2 1, in the middle of the tape' mtx unload 2 1
