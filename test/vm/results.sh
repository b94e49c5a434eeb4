#!/bin/bash
# results.sh DEVICE: what a disk answers to commands of all kinds, right and wrong ones, as text: data, status and sense.
# It uses the first 4096 blocks, and puts them into the same state first, so that one unit gives the same text each time,
# whatever lies between it and the initiator. What names the transport is left out.
# shellcheck disable=SC2086 # CDBs are words
set -uo pipefail
device=$1
block=$(blockdev --getss "$device")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
head -c $((8 * block)) /dev/zero | tr '\0' 'L' >"$work/pattern"
{ head -c $((2 * block)) /dev/zero | tr '\0' 'L'; head -c $((2 * block)) /dev/zero | tr '\0' 'M'; } >"$work/compare"

# say COMMAND...: runs it, prints it, what it says and its status
say() {
  echo "== $*" | sed "s#$work/##g"
  "$@" </dev/null 2>&1 | sed "s#$device#DEVICE#g; s#$work/##g"
  echo "-- ${PIPESTATUS[0]}"
}
# raw LENGTH CDB: a command that brings up to that many bytes
raw() { say sg_raw -r "$1" "$device" $2; }
# put LENGTH CDB: a command that takes bytes of the pattern
put() { say sg_raw -s "$1" -i "$work/pattern" "$device" $2; }
none() { say sg_raw "$device" $1; }

sg_turs --num=3 "$device" >/dev/null 2>&1 # attentions are of the attaching, not of the unit
sg_write_same --16 --unmap --lba=0 --num=4096 --in=/dev/zero --xferlen="$block" "$device" >/dev/null 2>&1 # gone, if it can be
sg_write_same --16 --lba=0 --num=64 --in=/dev/zero --xferlen="$block" "$device" >/dev/null

echo "# who it is"
none "00 00 00 00 00 00"
raw 58 "12 00 00 00 3a 00" # versions of transports come behind
raw 8 "12 00 00 00 08 00"
raw 255 "12 01 00 00 ff 00"
raw 255 "12 01 80 00 ff 00"
say sg_vpd --page=di_lu "$device"
for page in 86 b0 b1 b2; do raw 255 "12 01 $page 00 ff 00"; done
raw 255 "12 01 c5 00 ff 00" # no such page
raw 255 "12 00 80 00 ff 00" # a page, and not asked for pages
say sg_luns "$device"
say sg_luns --select=1 "$device"
raw 16 "a0 00 00 00 00 00 00 00 00 08 00 00" # too little room
say sg_opcodes --compact --no-inquiry "$device"
raw 64 "a3 0c 01 88 00 00 00 00 00 40 00 00"
raw 18 "03 00 00 00 12 00"
raw 252 "03 01 00 00 fc 00"

echo "# how large it is, and how it is set"
say sg_readcap "$device"
say sg_readcap --16 "$device"
for control in 0 1 2 3; do say sg_modes --all --control=$control "$device"; done
raw 64 "1a 00 3f 00 40 00"
raw 64 "1a 00 2a 00 40 00"  # no such page
raw 64 "5a 00 08 00 00 00 00 00 40 00"
raw 64 "4d 00 40 00 00 00 00 00 40 00"
say sg_start --start "$device"
none "1e 00 00 00 01 00"
none "1e 00 00 00 00 00"
none "1d 04 00 00 00 00"
raw 512 "3c 02 00 00 00 00 00 02 00 00"
raw 255 "a3 0a 00 00 00 00 00 00 00 ff 00 00"

echo "# reading and writing"
put $((8 * block)) "2a 00 00 00 00 10 00 00 08 00"
raw $((8 * block)) "28 00 00 00 00 10 00 00 08 00"
put "$block" "0a 00 00 20 01 00"
raw "$block" "08 00 00 20 01 00"
put "$block" "8a 08 00 00 00 00 00 00 00 21 00 00 00 01 00 00" # with FUA
raw "$block" "88 08 00 00 00 00 00 00 00 21 00 00 00 01 00 00"
put "$block" "aa 00 00 00 00 22 00 00 00 01 00 00"
raw "$block" "a8 00 00 00 00 22 00 00 00 01 00 00"
none "28 00 00 00 00 10 00 00 00 00"                        # nothing to read
raw $((4 * block)) "28 00 00 00 00 10 00 00 02 00"          # more room than data
raw "$block" "28 00 00 00 00 10 00 00 02 00"                # less room
put $((4 * block)) "2a 00 00 00 00 10 00 00 02 00"          # more data than is asked for
raw "$block" "28 00 7f ff ff ff 00 00 01 00"                # behind the end
put "$block" "2a 00 7f ff ff ff 00 00 01 00"
raw "$block" "88 00 ff ff ff ff ff ff ff ff 00 00 00 01 00 00"
raw "$block" "28 e0 00 00 00 10 00 00 01 00"                # protection that there is not
raw "$block" "a8 00 00 00 00 10 ff ff ff ff 00 00"          # too long
none "35 00 00 00 00 00 00 00 00 00"
none "91 02 00 00 00 00 00 00 00 00 00 00 00 00 00 00"
none "34 00 00 00 00 00 00 00 01 00"

echo "# comparing, the same over and over, giving back"
none "2f 00 00 00 00 10 00 00 08 00"
say sg_verify --lba=16 --bpc=2 --ndo=$((2 * block)) --in="$work/pattern" "$device"
say sg_verify --lba=40 --bpc=2 --ndo=$((2 * block)) --in="$work/pattern" "$device"
say sg_compare_and_write --lba=16 --num=2 --in="$work/compare" --xferlen=$((4 * block)) "$device"
say sg_compare_and_write --lba=16 --num=2 --in="$work/compare" --xferlen=$((4 * block)) "$device" # it is another now
raw $((2 * block)) "28 00 00 00 00 10 00 00 02 00"
say sg_write_same --10 --lba=32 --num=16 --in="$work/pattern" --xferlen="$block" "$device"
say sg_write_same --16 --lba=64 --num=64 --in="$work/pattern" --xferlen="$block" "$device"
say sg_get_lba_status --lba=0 "$device"
say sg_unmap --lba=64 --num=32 "$device"
say sg_unmap --lba=64 --num=$((1 << 30)) "$device"
raw "$block" "28 00 00 00 00 48 00 00 01 00"
say sg_get_lba_status --lba=64 "$device"

echo "# who may use it"
say sg_persist --no-inquiry --in --report-capabilities "$device"
say sg_persist --no-inquiry --out --register --param-sark=0x12 "$device"
say sg_persist --no-inquiry --out --reserve --param-rk=0x99 --prout-type=3 "$device"
say sg_persist --no-inquiry --out --reserve --param-rk=0x12 --prout-type=5 "$device"
say sg_persist --no-inquiry --in --read-reservation "$device" | sed 's/PR generation=0x[0-9a-f]*/PR generation/'
say sg_persist --no-inquiry --out --release --param-rk=0x12 --prout-type=5 "$device"
say sg_persist --no-inquiry --out --clear --param-rk=0x12 "$device"
say sg_persist --no-inquiry --in --read-keys "$device" | sed 's/PR generation=0x[0-9a-f]*/PR generation/'
none "16 00 00 00 00 00"
none "17 00 00 00 00 00"

echo "# what it has not"
none "ff 00 00 00 00 00"
none "c1 00 00 00 00 00 00 00 00 00"
none "00 00 00 00 00 04" # NACA, perhaps
none "00 01 00 00 00 00" # a reserved bit
none "04 00 00 00 00 00"
raw 64 "83 00 00 00 00 00 00 00 00 00 00 00 00 40 00 00"
