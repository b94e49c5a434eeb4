#!/bin/bash
# Runs in a lab guest: Linux's virtio_scsi, with units of a lunette that runs outside of the guest, on the machine where QEMU does, and has the guest's
# memory from it (vhost-user-scsi), in steps (lib.sh).
#
#   vhost.sh first|second|third [STEP...]
#
# The first two are there at the same time, and meet; the machine of the first is reset on the way. The daemon may die under the other two: their QEMUs
# attach it again.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

role=$1; shift
user=alice iqn=iqn.2026-11.io.lunette
address=10.0.2.100 # leads to the daemon's portal, see the test

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
# shellcheck source-path=SCRIPTDIR source=tape/library.sh
. "$here/tape/library.sh"
# shellcheck source=/dev/null
. "$here/settings" # tcp, the port of the daemon's portal for iSCSI

# --- what is outside ------------------------------------------------------------------------------------------------

# outside COMMAND...: the test does it (outside_test.go); what it says comes out, and its status is returned
outside() {
  local name line port; name=$(grep -lx outside /sys/class/virtio-ports/*/name)
  name=${name%/name}
  exec {port}<>"/dev/${name##*/}" || return
  echo "$*" >&"$port"
  while IFS= read -r -t 1800 line <&"$port"; do
    case $line in
      '= '*) exec {port}>&-; return "${line#= }" ;;
      *) echo "${line#  }" ;;
    esac
  done
  exec {port}>&-
  echo "no answer: $*"
  return 1
}
lunette() { outside lunette "$@"; }

# --- what is attached -----------------------------------------------------------------------------------------------

# hba: the kernel's host of the adapter
hba() {
  local h
  for h in /sys/class/scsi_host/host*; do
    [ "$(cat "$h/proc_name")" != virtio_scsi ] || { echo "${h##*/}"; return; }
  done
  return 1
}
# at TARGET LUN: the device file of the disk or the disc there. A LUN above 255 has a number that is 16384 more.
at() {
  local host block lun=$2; host=$(hba) || return
  ((lun < 256)) || lun=$((lun + 16384))
  for block in "/sys/class/scsi_host/$host"/device/target*:"$1"/*:0:"$1":"$lun"/block/*; do
    [ ! -b "/dev/${block##*/}" ] || { echo "/dev/${block##*/}"; return; }
  done
  return 1
}
has_size() { [ "$(blockdev --getsize64 "$(at "$1" "$2")")" = $(($3 << 20)) ]; }
# attended DEVICE: attentions from before have been told
attended() { sg_turs --num=4 "$1" >/dev/null 2>&1 || true; }

# fs DEVICE: a file system, with files in it, checked
fs() {
  mkfs.ext4 -q -F "$1"
  mount "$1" /mnt
  timeout 400 fio --name=fs --directory=/mnt --size=4m --nrfiles=4 --rw=randwrite --bs=4k --end_fsync=1 --verify=crc32c --verify_fatal=1 --minimal
  cp /usr/bin/fio /mnt/
  umount /mnt
  mount "$1" /mnt
  cmp /usr/bin/fio /mnt/fio
  umount /mnt
  e2fsck -fn "$1"
}
# mix DEVICE [SIZE]: 4 KiB and 1 MiB in any order, by two processors, 128 at a time, written, read back and checked
mix() {
  timeout 240 fio --name=mix --numjobs=2 --filename="$1" --size="${2:-12m}" --offset_increment="${2:-12m}" --rw=randwrite --bssplit=4k/95:1m/5 --direct=1 --ioengine=libaio \
    --iodepth=64 --verify=crc32c --verify_fatal=1 --randseed=11 --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}

# during EVENT: it happens two seconds into eight of writes, which must all succeed and read back
during() {
  local d; d=$(at 0 0)
  attended "$d"
  calm
  load "$d" 8 & pid=$!
  trap 'kill "$pid" 2>/dev/null || true' EXIT # when something else fails
  sleep 2
  "$@" "$d"
  wait "$pid"
  quiet
  check "$d"
}

# --- what is tested -------------------------------------------------------------------------------------------------

setup() {
  modprobe -a sd_mod sr_mod st ch sg isofs
  outside lunette status
}
attach() {
  modprobe virtio_scsi
  within 120 at 0 0
  within 30 at 0 1
  within 30 udevadm settle # which fails while its daemon is busy with the first devices
  lsscsi -g
  has_size 0 0 64
  has_size 0 1 48
  [ "$(cat "/sys/class/scsi_host/$(hba)/nr_hw_queues")" = 2 ]
  lunette sessions
}
# A LUN above 255, and what no LUN is at.
far() {
  local d; d=$(at 0 300)
  has_size 0 300 16
  no at 0 3
  calm
  scribble "$d"
  load_size=2 load "$d" 1
  quiet
}
file_system() { calm; fs "$(at 0 0)"; quiet; }
raw() { calm; mix "$(at 0 1)"; quiet; }

# The same commands have the same results by the adapter and by iSCSI.
results() {
  local lun t pid
  modprobe -a iscsi_tcp virtio_net
  udevadm settle
  local card; card=$(command find /sys/class/net -mindepth 1 ! -name lo -printf '%f\n')
  ip addr add 10.0.2.15/24 dev "$card"
  ip link set "$card" up
  open_iscsi
  for t in same main; do
    admin -m node -T "$iqn:$t" -p "$address:$tcp,1" -I default -o new
    set_node "$t" "$tcp" 'node.conn[0].timeo.noop_out_interval' 10 'node.conn[0].timeo.noop_out_timeout' 60
    login "$t" "$tcp"
  done
  udevadm settle
  udevadm control --stop-exec-queue # which would look at the disks, and all that they hold
  trap 'udevadm control --start-exec-queue' EXIT
  for lun in "${!same[@]}"; do
    (unit_results "$lun") & pid[lun]=$!
  done
  for t in "${pid[@]}"; do wait "$t"; done
}
same=(memory-512 direct-512 file-4096)
unit_results() { # LUN
  local name=${same[$1]}
  timeout 240 "$here/results" "$(at 2 "$1")" "${name##*-}" >"/run/$name.virtio"
  timeout 240 "$here/results" "$(disk same "$1")" "${name##*-}" >"/run/$name.tcp"
  if [ "$(grep -c ': status 00' "/run/$name.tcp")" -lt 70 ] || [ "$(grep -c ': status 02' "/run/$name.tcp")" -lt 20 ]; then
    cat "/run/$name.tcp" # hardly anything was done, or refused
    return 1
  fi
  # Too little room has an answer of its own here, since there is no field for how much (virtio 1.3, 5.6.6.1.1: OVERRUN), which Linux has the host say.
  diff -u "/run/$name.tcp" <(sed -E '/^(READ\(10\), (less|no) room|WRITE\(10\), (less|no) data): /s/ host 07 driver 00 / /' "/run/$name.virtio")
}

# Units come, grow and go while the guest looks at nothing: it is told by events.
plugged() {
  no at 0 7
  lunette unit create hot --memory 16M
  lunette target map "$iqn:main" 7=hot
  within 60 at 0 7
  has_size 0 7 16
  calm
  load_size=2 load "$(at 0 7)" 1
  quiet
}
grown() {
  lunette unit resize hot 24M
  within 60 has_size 0 7 24
  dd if=/dev/urandom of="$(at 0 7)" bs=1M seek=20 count=4 oflag=direct status=none
}
unplugged() {
  lunette target unmap "$iqn:main" 7
  within 60 no at 0 7
  lunette unit delete hot --delete-data
  has_size 0 0 64
}

unit_reset() { during reset_unit; dmesg_has 'Power-on or device reset occurred' || true; }
reset_unit() { sg_reset --device "$1"; sleep 1; sg_reset --device "$1"; }
# The machine stands still, twice.
paused() { during pause; }
pause() { outside pause 2s; sleep 1; outside pause 2s; }

# What Linux's drivers of tapes and robots, and programs above them, do with a library.
tape() {
  units "$(hba)"
  checked "$tools" tools
}
# A disc is read, taken out and changed.
optical() {
  local d; d=$(at 1 3)
  has "$d" first
  attended "$d"
  lunette unit load cd second --force
  told "$d" 'medium may have changed'
  within 20 sg_turs "$d"
  has "$d" second
  eject "$d"
  told "$d" 'Medium not present'
}
# has DEVICE DISC: it is mounted, and has the file of that disc
has() {
  mount -r "$1" /mnt
  local status=0
  cmp "$here/$2.txt" /mnt/line.txt || status=$?
  umount /mnt
  return "$status"
}
# told DEVICE WHAT: TEST UNIT READY says so next
told() {
  { sg_turs -v "/dev/$(basename /sys/block/"${1#/dev/}"/device/scsi_generic/sg*)" 2>&1 || true; } | tr '\n' '|' | tee /run/told
  grep -qi "$2" /run/told
}

# One unit, of this guest, of the second, and by iSCSI.
reserve() { local d=$1 how=$2; shift 2; sg_persist --no-inquiry --out "--$how" "$@" "$d"; }
writes() { dd if=/dev/zero of="$1" bs=4k count=1 oflag=direct status=none; }
reads() { dd if="$1" of=/dev/null bs=4k count=1 iflag=direct status=none; }
reservations() {
  local a c; a=$(at 0 2) c=$(disk main 2)
  attended "$a"
  attended "$c"
  reserve "$a" register --param-sark=0xa
  reserve "$c" register --param-sark=0xc
  outside meet registered
  sg_persist --no-inquiry --in --read-full-status "$a" | tee /run/keys
  [ "$(grep -c 'Key=0x[abc]$' /run/keys)" = 3 ]
  local each; for each in first second guest; do grep "$iqn.test:$each" /run/keys; done
  reserve "$a" reserve --param-rk=0xa --prout-type=1 # write exclusive
  writes "$a"
  no writes "$c"
  outside meet reserved
  outside meet refused
  reserve "$a" release --param-rk=0xa --prout-type=1
  reserve "$c" reserve --param-rk=0xc --prout-type=3 # exclusive access
  no reads "$a"
  reads "$c"
  outside meet taken
  outside meet preempted
  no reads "$a"
  no reads "$c"
  reserve "$a" clear --param-rk=0xa
  writes "$a"
  writes "$c"
  outside meet cleared
  logout main "$tcp"
  logout same "$tcp"
}
# The same, as the second sees it.
reservations_too() {
  local b; b=$(at 0 2)
  attended "$b"
  reserve "$b" register --param-sark=0xb
  outside meet registered
  outside meet reserved
  no writes "$b"
  reads "$b"
  outside meet refused
  outside meet taken
  no reads "$b"
  reserve "$b" preempt --param-rk=0xb --param-sark=0xc --prout-type=3
  reads "$b"
  outside meet preempted
  outside meet cleared
  writes "$b"
}

# From here on the daemon may die, since no other guest has it.
alone() { outside alone; }
# It is killed under load, twice: nothing fails, and what was written is there.
killed() { during crash; during crash; }
crash() { outside kill; sleep 1; outside start; }
restarted() { during restart; }
restart() { outside end; sleep 1; outside start; }
# What is written to a tape when the daemon dies is not written twice: the command fails, and what is on the tape is the beginning of what was written.
tape_killed() {
  local t size; units "$(hba)"
  t=${drives[0]}
  mtx -f "$changer" load 5 0
  mt -f "$t" setblk 0
  mt -f "$t" rewind
  head -c 24M /dev/urandom >/run/written
  dd if=/run/written of="$t" bs=32k count=64 status=none
  mt -f "$t" bsf 1 # over the mark that the driver has written
  no write_and_crash "$t"
  attended "${generic[0]}"
  mt -f "$t" rewind
  dd if="$t" of=/run/read bs=32k || true # behind the last block there is no mark, and so an error
  size=$(stat -c %s /run/read)
  echo "$size bytes are there"
  ((size >= 64 * 32768))
  cmp -n "$size" /run/read /run/written
  mtx -f "$changer" unload 5 0
}
# write_and_crash TAPE: the blocks behind those that are there, without an end
write_and_crash() {
  local status=0 pid
  (dd if=/run/written bs=32k skip=64 status=none; sleep 2; cat /run/written) | dd of="$1" bs=32k iflag=fullblock & pid=$!
  sleep 1
  crash
  wait "$pid" || status=$?
  return "$status"
}

# The machine's button is pressed, under load; what was written before is there.
button() {
  head -c 8M /dev/urandom >"$here/kept"
  dd if="$here/kept" of="$(at 0 0)" bs=1M oflag=direct status=none
  echo 2 >"$here/life"
  sync
  (mix "$(at 0 1)") &
  sleep 2
  outside reset
}
machine_reset() {
  setup
  attach
  calm
  cmp -n $((8 << 20)) "$here/kept" "$(at 0 0)"
  mix "$(at 0 1)"
  quiet
}
finish() {
  no dmesg_has 'I/O error|BUG|WARNING|Oops'
  lunette sessions
}

before=() after=()
case $role in
  first)
    before=(setup attach far file_system raw results plugged grown unplugged unit_reset paused tape optical reservations)
    after=(machine_reset finish)
    ;;
  second) before=(setup attach raw reservations_too alone killed restarted finish) ;;
  third)
    before=(setup attach killed tape_killed finish)
    ;;
esac

(($# == 0)) || run_steps "$@"
echo "1..$((${#before[@]} + ${#after[@]}))"
if [ ! -e "$here/life" ]; then
  for s in "${before[@]}"; do step "$s"; done
  ((${#after[@]} > 0)) || exit "$failed"
  button
  echo "the machine was not reset"
  exit 1
fi
for s in "${after[@]}"; do step "$s"; done
exit "$failed"
