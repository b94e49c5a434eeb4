#!/bin/bash
# Runs in a lab guest: devices of the guest (scsi_debug's disk, QEMU's CD drive and disk, and a tape library that it has by iSCSI) go through
# a lunette in network namespace "target" back to the same guest, by iscsi_tcp and ib_srp, in steps (lib.sh).
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

address=10.99.0.2 user=alice iqn=iqn.2026-11.io.lunette
other=iqn.2026-11.io.lunette.test:other # the second initiator's name
store=/var/tmp/vtl
tcp=3260 iser='' srp=5555 library=3270 # ports

# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
# shellcheck source-path=SCRIPTDIR source=attach.sh
. "$here/attach.sh"
# shellcheck source-path=SCRIPTDIR source=tape/library.sh
. "$here/tape/library.sh"
# shellcheck source-path=SCRIPTDIR source=bridge/devices.sh
. "$here/bridge/devices.sh"
load_size=4

# --- the servers ----------------------------------------------------------------------------------------------------

# LUNs of the bridge, and what is behind them
# (mtx writes the number into its commands, where nothing may be)
declare -A lun=([changer]=0 [cd]=1 [hd]=2 [disk]=3 [tape]=4 [other]=5)

document() {
  local each luns=
  echo "version: 1"
  echo "portals: ['iscsi+tcp://$address:$tcp', 'srp+iwarp://$address:$srp']"
  echo "network: {engine: $1}"
  echo "units:"
  for each in "${!id[@]}"; do
    echo "- {name: $each, device: {kind: passthrough, id: '${id[$each]}', detach-driver: $([[ " $detached " != *" $each "* ]] && echo false || echo true)}}"
    luns+="${luns:+, }${lun[$each]}: $each"
  done
  echo "targets: [{name: '$iqn:main', luns: {$luns}}]"
}
detached='cd' # which devices are taken from their drivers
# Both engines: it begins with goroutines, and goes on with reactors when it has been restarted.
bridge() {
  local -A id; ids
  local engine=reactors
  [ -e /run/main.log ] || engine=goroutines
  document "$engine" >/run/main.yaml
  daemon main "$srp" "$here/lunette" serve --config /run/main.yaml --socket "$socket"
}

# fact UNIT NAME: what lunette says of a unit, without quotation marks
fact() { ask units -o json | sed -n "/\"name\": \"$1\",/,/^  }/s/^ *\"$2\": \"*\([^\",]*\).*/\1/p"; }

# --- what is the same -----------------------------------------------------------------------------------------------

# said NAME COMMAND...: the outcome as one line
said() {
  local what=$1 out status; shift
  out=$("$@" 2>&1) && status=0 || status=$?
  echo "$what: status $status $(tr '\n' '|' <<<"$out")"
}
# pages BSG: the codes of its VPD pages
pages() { sg_inq -p 0 --raw "$1" | od -An -v -tx1 -j4; }
# text KIND BSG: what tools show of a device; the name of the file is not a part of it
text() {
  local page d=$2
  said 'sg_inq' sg_inq -H "$d"
  for page in $(pages "$d"); do
    said "sg_vpd $page" sg_vpd -H -p "0x$page" "$d"
  done
  said 'sg_modes' sg_modes -a -HH "$d"
  said 'sg_logs' sg_logs -a -HH "$d"
  said 'sg_opcodes' sg_opcodes -H "$d"
  said 'sg_opcodes --tmf' sg_opcodes --tmf -H "$d"
  said 'sg_luns' sg_luns -H "$d"
  said 'sg_turs' sg_turs "$d"
  said 'sg_requests' sg_requests -H "$d"
  case $1 in
    disk | hd)
      said 'sg_readcap' sg_readcap "$d"
      said 'sg_readcap --long' sg_readcap --long -H "$d"
      ;;
    cd)
      said 'sg_get_config' sg_get_config -H "$d"
      said 'sg_readcap' sg_readcap "$d"
      ;;
    changer)
      said 'mtx inquiry' mtx -f "$(generic_of "$d")" inquiry
      said 'mtx status' mtx -f "$(generic_of "$d")" status
      ;;
    tape)
      said 'sg_read_block_limits' sg_read_block_limits -H "$d"
      said 'sg_read_attr' sg_read_attr -HH "$d"
      said 'mt status' mt -f "$(tape_of "$d")" status
      ;;
  esac | sed "s#$d#DEVICE#g; s#$(generic_of "$d")#DEVICE#g"
}
commands() {
  local as=$1
  case $1 in disk | hd) as=512 ;; esac
  timeout 300 "$here/results" "$2" "$as"
}
# everything KIND BSG: what tools show of it, and what it answers to commands of all kinds
everything() {
  attended "$2"
  [ "$1" != tape ] || mt -f "$(tape_of "$2")" rewind
  text "$1" "$2" && commands "$1" "$2"
}
# attended BSG: attentions from before have been told
attended() { sg_turs --num=8 "$1" >/dev/null 2>&1 || true; }
# same KIND DIRECT BRIDGED: what is in the two files differs where bridge/differences says so, and nowhere else
same() {
  awk -v kind="$1" '
    function name(line) { return substr(line, 1, index(line, ": ") - 1) }
    FILENAME == ARGV[1] { if (index("," $1 ",", "," kind ",")) { sub(/^[^ ]+ /, ""); known[$0] = 1 } next }
    FILENAME == ARGV[2] { direct[name($0)] = $0; order[++n] = name($0); next }
    { bridged[name($0)] = $0; if (!(name($0) in direct) && !(name($0) in known)) print "BAD " kind ": " name($0) ": only by the bridge" }
    END {
      for (i = 1; i <= n; i++) {
        w = order[i]
        if (!(w in bridged)) print ((w in known) ? "ok " kind ": " w ", which is not there" : "BAD " kind ": " w ": not by the bridge")
        else if ((direct[w] == bridged[w]) == (w in known)) {
          print "BAD " kind ": " w ": " ((w in known) ? "the same" : "it differs")
          print "  directly " direct[w]; print "  bridged  " bridged[w]
        } else print "ok " kind ": " w ((w in known) ? ", which differs" : "")
      }
    }' "$here/bridge/differences" "$2" "$3"
}
# answers FUNCTION WHAT: to everything, or to commands alone, they are what the devices said themselves
answers() {
  local kind
  for kind in "${kinds[@]}"; do
    "$2" "$kind" "$("$1" "$kind")" >"/run/$1.$kind"
    [ "$2" = everything ] || sed '1,/^TEST UNIT READY/{/^TEST UNIT READY/!d}' "/run/direct.$kind" >/run/expected
    [ "$2" = commands ] || cp "/run/direct.$kind" /run/expected
    same "$kind" /run/expected "/run/$1.$kind" >>/run/checks
  done
  cat /run/checks
  no grep -q '^BAD' /run/checks
}

# --- once, and not lost ---------------------------------------------------------------------------------------------

dispatched=events/scsi/scsi_dispatch_cmd_start

# traced FROM TO CODES COMMAND...: of the commands with these codes, each that the host FROM was given, an initiator to the bridge, TO was given, the
# device's host: once, and no other one.
traced() {
  local t=/sys/kernel/tracing from=${1#host} to=${2#host} codes=$3 h; shift 3
  echo "host_no == $from || host_no == $to" >"$t"/$dispatched/filter
  echo >"$t"/trace
  echo 1 >"$t"/tracing_on
  "$@"
  echo 0 >"$t"/tracing_on
  for h in "$from" "$to"; do sed -n "s/.* host_no=$h .*raw=\([0-9a-f ]*\)).*/\1/p" "$t"/trace | grep -E "^($codes) " | sort >"/run/dispatched.$h"; done
  echo "$(wc -l <"/run/dispatched.$from") commands to the bridge, $(wc -l <"/run/dispatched.$to") to the device"
  [ -s "/run/dispatched.$from" ] || return
  diff "/run/dispatched.$from" "/run/dispatched.$to" | grep "^[${taken:-<}>]" >/run/diff || return 0
  head -n 20 /run/diff
  return 1
}
blocks='08|0a|28|2a|88|8a' # READ and WRITE
# between KIND: the hosts of its initiator over TCP, and of the device itself
between() { echo "$(initiator_host default) host$(basename "$(device "$1")" | cut -d: -f1)"; }

# signalled COMMAND...: while it runs, the daemon gets a thousand signals a second
signalled() {
  python3 -c '
import os, signal, sys, time
pid, n = int(sys.argv[1]), 0
while True:
    os.kill(pid, (signal.SIGURG, signal.SIGWINCH)[n % 2]); n += 1; time.sleep(0.0007)' "$(server_pid)" & local signals=$!
  sleep 1
  "$@"
  kill "$signals"
}
server_pid() { pgrep -f -- "lunette serve --config /run/main.yaml" | tail -n 1; }

# during FUNCTION EVENT: it happens two seconds into six of writes to the disk, which must all succeed and read back; what was written is on
# the device
during() {
  meanwhile "$@"
  check "$(block_of "$(device "$disk")")"
}
meanwhile() {
  local d pid; d=$(block_of "$("$1" "$disk")"); shift
  calm
  load "$d" 6 & pid=$!
  trap 'kill "${pid:-}" 2>/dev/null || true' EXIT # when something else fails
  sleep 2
  "$@"
  wait "$pid"
  quiet
}

# --- what is tested -------------------------------------------------------------------------------------------------

kinds=(disk cd hd tape changer) disk=disk

# traces_dispatched: from now on the kernel notes which commands it gives to hosts, whenever it notes anything. That changes the kernel's code, so it is done once,
# and while nobody runs that code, which means before there are devices: see lab's -s.
traces_dispatched() {
  local t=/sys/kernel/tracing
  echo 0 >"$t"/tracing_on
  echo 8192 >"$t"/buffer_size_kb
  echo 1 >"$t"/$dispatched/enable
}

setup() {
  # udev would lock the trays of drives that it sees, also through the bridge, and nobody but its host could open them.
  ln -sf /dev/null /etc/udev/rules.d/60-cdrom_id.rules
  udevadm control --reload
  network
  modprobe -a iscsi_tcp siw
  mount -t tracefs tracefs /sys/kernel/tracing
  traces_dispatched
  modprobe -a virtio_scsi sr_mod sd_mod st ch sg
  modprobe scsi_debug dev_size_mb=32 vpd_use_hostno=0
  # shellcheck disable=SC2119 # its parameters are those of the module
  load_srp
  rdma link add siw0 type siw netdev v0
  open_iscsi
  library_create 32
  library_document reactors | sed "s/$address:$tcp/$address:$library/; s#, 'srp+iwarp[^]]*##" >/run/library.yaml
  daemon library "$library" "$here/lunette" serve --config /run/library.yaml --socket /run/library.sock
  attach tcp vtl "$library"
  mtx -f "$changer" load 1 0
  udevadm settle
  lsscsi -g
}
direct() {
  local kind
  commands tape "$(device tape)" >/dev/null # so that there is on the tape what there will be
  for kind in "${kinds[@]}"; do
    everything "$kind" "$(device "$kind")" >"/run/direct.$kind"
    echo "$kind: $(wc -l <"/run/direct.$kind")"
  done
}
# What somebody uses is not taken, and who it is is said.
in_use() {
  local d; d=$(block_of "$(device hd)")
  mkfs.ext4 -q -F "$d"
  mount "$d" /mnt
  no timeout 20 "$here/lunette" serve --passthrough LUNHD1 --portal "$address:3299" --socket /run/refused.sock >/run/refused 2>&1
  umount /mnt
  cat /run/refused
  grep -q "mounted.*/mnt" /run/refused
}
start() { bridge; ask units; ask targets; }
tcp_attach() { bridge_attach tcp; }
tcp_answers() { answers of_tcp everything; }
srp_attach() { bridge_attach srp; }
srp_answers() { answers of_srp commands; }

# What one initiator writes is what the other one reads, and what is on the device.
disk_io() {
  calm
  load "$(block_of "$(of_tcp disk)")" 1
  check "$(block_of "$(of_srp disk)")"
  check "$(block_of "$(device disk)")"
  load "$(block_of "$(of_srp hd)")" 1
  check "$(block_of "$(device hd)")"
  quiet
}
cd_io() {
  mount -r "$(block_of "$(of_tcp cd)")" /mnt
  cmp "$here/first.txt" /mnt/line.txt
  umount /mnt
}
tape_io() {
  local a b c
  a=$(tape_of "$(of_tcp tape)") b=$(tape_of "$(of_srp tape)") c=$(tape_of "$(device tape)")
  head -c 2000000 /dev/urandom >/run/data
  mt -f "$a" rewind
  mt -f "$a" setblk 0
  dd if=/run/data of="$a" bs=100000 status=none
  dd if=/run/data of="$a" bs=7777 count=20 status=none
  mt -f "$b" rewind
  dd if="$b" bs=256k status=none | cmp - /run/data
  mt -f "$b" fsf 1
  mt -f "$b" bsf 1
  mt -f "$b" bsr 3
  dd if="$b" bs=7777 status=none | cmp - <(dd if=/run/data bs=7777 skip=17 count=3 status=none)
  mt -f "$c" rewind
  dd if="$c" bs=100000 status=none | cmp - /run/data
  mt -f "$c" rewind
}
changer_io() {
  local a; a=$(generic_of "$(of_tcp changer)")
  mtx -f "$a" transfer 3 4 && return 1 # it is full
  mtx -f "$a" transfer 3 9
  mtx -f "$a" status | tee /run/status
  grep -q 'Storage Element 3:Empty' /run/status
  mtx -f "$(generic_of "$(device changer)")" status | diff - <(sed "s#$a#$(generic_of "$(device changer)")#" /run/status)
  mtx -f "$(generic_of "$(of_srp changer)")" transfer 9 3
}

# Each command is dispatched once, whatever happens to lunette's process.
signals_disk() {
  # shellcheck disable=SC2046 # two words
  traced $(between "$disk") "$blocks" signalled load "$(block_of "$(of_tcp "$disk")")" 4
  check "$(block_of "$(device "$disk")")"
}
signals_tape() {
  local t; t=$(tape_of "$(of_tcp tape)")
  mt -f "$t" rewind
  mt -f "$t" setblk 0
  # shellcheck disable=SC2046
  traced $(between tape) '0a|10|11|01' signalled tape_writes "$t"
  mt -f "$t" rewind
  dd if="$t" bs=10000 status=none | cmp - /run/data
}
tape_writes() { dd if=/run/data of="$1" bs=10000 status=none; mt -f "$1" weof 1; mt -f "$1" bsf 1; }

# Two initiators by TCP, with names of their own, and one by SRP.
second_attach() {
  admin -m iface -I second -o new
  admin -m iface -I second -o update -n iface.transport_name -v tcp
  admin -m iface -I second -o update -n iface.initiatorname -v "$other"
  bridge_attach second
}
reservations() {
  local a b c d
  a=$(block_of "$(of_tcp disk)") b=$(block_of "$(of_second disk)") c=$(block_of "$(of_srp disk)")
  for d in "$a" "$b" "$c"; do attended "$d"; done
  sg_persist --no-inquiry --out --register --param-sark=0xa "$a"
  sg_persist --no-inquiry --out --register --param-sark=0xb "$b"
  sg_persist --no-inquiry --in --read-keys "$c" | tee /run/keys
  grep -q '0xa$' /run/keys && grep -q '0xb$' /run/keys
  sg_persist --no-inquiry --out --reserve --param-rk=0xa --prout-type=1 "$a" # write exclusive
  dd if=/dev/zero of="$a" bs=4k count=1 oflag=direct status=none
  no dd if=/dev/zero of="$b" bs=4k count=1 oflag=direct status=none
  no dd if=/dev/zero of="$c" bs=4k count=1 oflag=direct status=none
  dd if="$b" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --preempt --param-rk=0xb --param-sark=0xa --prout-type=3 "$b" # exclusive access
  no dd if="$a" of=/dev/null bs=4k count=1 iflag=direct status=none
  no dd if="$c" of=/dev/null bs=4k count=1 iflag=direct status=none
  dd if=/dev/zero of="$b" bs=4k count=1 oflag=direct status=none
  # The host itself has no part in it.
  dd if="$(block_of "$(device disk)")" of=/dev/null bs=4k count=1 iflag=direct status=none
  sg_persist --no-inquiry --out --clear --param-rk=0xb "$b"
  dd if=/dev/zero of="$c" bs=4k count=1 oflag=direct status=none
}
# A drive that has persistent reservations itself does not hear of them.
reservations_of_tape() {
  local a b
  a=$(of_tcp tape) b=$(of_second tape)
  attended "$a" && attended "$b"
  sg_persist --no-inquiry --out --register --param-sark=0xa "$a"
  sg_persist --no-inquiry --out --reserve --param-rk=0xa --prout-type=3 "$a"
  sg_raw "$a" 01 00 00 00 00 00
  no sg_raw "$b" 01 00 00 00 00 00
  sg_persist --no-inquiry --in --read-keys "$a" | grep '0xa$'
  sg_persist --no-inquiry --in --read-keys "$(device tape)" | tee /run/keys
  grep -q 'NO registered' /run/keys
  sg_persist --no-inquiry --out --clear --param-rk=0xa "$a"
  sg_raw "$b" 01 00 00 00 00 00
}
# One prevents, and the other one does not get it out; who has gone prevents no more.
prevention() {
  local a b
  a=$(of_tcp cd) b=$(of_second cd)
  attended "$a" && attended "$b"
  sg_prevent --prevent=1 "$a"
  sg_prevent --prevent=1 "$b"
  no sg_start --eject "$a"
  sg_prevent --allow "$a"
  no sg_start --eject "$a"
  sg_turs "$b"
  logout main "$tcp" second
  within 10 sg_start --eject "$a"
  no sg_turs "$a"
  sg_start --load "$a"
  within 10 sg_turs "$a"
  login main "$tcp" second
  within 20 of_second cd
  udevadm settle
}
# another DISC: each initiator is told once, and reads what is there now
another() {
  local each
  for each in of_tcp of_second of_srp; do attended "$("$each" cd)"; done
  monitor "change cd -f $1.iso raw read-only"
  for each in of_tcp of_second of_srp; do
    told "$("$each" cd)" 'Not ready to ready change, medium may have changed'
    within 10 sg_turs "$("$each" cd)"
    mount -r "$(block_of "$("$each" cd)")" /mnt
    cmp "$here/$1.txt" /mnt/line.txt
    umount /mnt
  done
}
# told BSG WHAT: it says so before long
told() { within 10 says "$@"; }
says() {
  (sg_turs -v "$1" 2>&1 || true) | tr '\n' '|' | tee /run/told
  grep -qiE "$2" /run/told
}
another_disc() { another second; another first; }
# The tray of the device is opened behind everybody's back.
no_disc() {
  local each
  monitor "eject -f cd"
  for each in of_tcp of_second of_srp; do
    told "$("$each" cd)" 'Not Ready.*Medium not present'
  done
  another first
}

# It goes and returns.
unplug() {
  local d; d=$(device "$disk")
  echo 1 >"$(scsi "$d")/delete"
  within 5 no device "$disk"
  within 5 has_state "$disk" gone
  sleep 1
  plug "$d"
}
plug() {
  local at=${1##*/}; at=${at#*:}
  echo "${at//:/ }" >"/sys/class/scsi_host/host$(basename "$1" | cut -d: -f1)/scan"
  within 10 device "$disk"
  within 10 has_state "$disk" present
}
has_state() { [ "$(fact "$1" state)" = "$2" ]; }
gone_and_back() { during of_tcp unplug; during of_srp unplug; }
slow=/sys/bus/pseudo/drivers/scsi_debug/delay
# abort FUNCTION JIFFIES: a read that takes so long, of which there are 250 in a second, is aborted by its initiator, and nothing else suffers. Linux takes no less than seven seconds for such a
# command, and one to round; the TEST UNIT READY that follows takes as long as the read, and is given more than the ten seconds that are usual.
abort() {
  local d; d=$("$1" disk)
  attended "$d"
  echo 60 >"$(scsi "$d")/eh_timeout"
  # What udev still reads of disks that have come back would take as long, one read after the other.
  udevadm settle --timeout=120
  udevadm control --stop-exec-queue
  calm
  trap 'udevadm control --start-exec-queue; within 30 set_delay 1' EXIT
  within 10 set_delay "$2"
  no sg_raw --timeout=7 -r 512 "$d" 28 00 00 00 00 01 00 00 01 00
  dd if="$(block_of "$("$1" hd)")" of=/dev/null bs=4k count=1 iflag=direct status=none
  within 60 set_delay 1
  trap - EXIT
  udevadm control --start-exec-queue
  sg_turs "$d"
  [ "$(fact disk underWay)" = 0 ] && [ "$(fact disk abandoned)" = 0 ]
  quiet
  no dmesg_has 'detected conn error|reconnect|reset_(device|host)|reset succeeded'
}
set_delay() { echo "$1" >"$slow"; }
# Over iSCSI it is twice as long where the command was sent later than in the jiffy in which it was made: libiscsi takes that for progress.
tcp_abort() {
  # shellcheck disable=SC2046
  traced $(between disk) "$blocks" abort of_tcp 5000
  admin -m session -s | tee /run/statistics
  grep 'tmfcmd_pdus: [1-9]' /run/statistics
}
# ib_srp waits five seconds for the answer to an abort.
srp_abort() {
  abort of_srp 2600
  dmesg_has 'SRP abort called'
}

reset_unit() { sg_reset --device "$(block_of "$("$1" "$disk")")"; }
# Each initiator gets to know of a reset, and no command is lost or sent twice.
resets() {
  local each
  # shellcheck disable=SC2046
  taken='>' traced $(between "$disk") "$blocks" meanwhile of_tcp reset_unit of_tcp
  check "$(block_of "$(device "$disk")")"
  during of_srp reset_unit of_srp
  for each in of_tcp of_srp; do attended "$("$each" "$disk")"; done
  reset_unit of_tcp
  told "$(of_srp "$disk")" 'Unit Attention.*reset'
  sg_turs "$(of_srp "$disk")"
}

restart() { end main TERM; bridge; }
crash() { end main KILL || true; bridge; }
daemon_restarted() { during of_tcp restart; during of_srp restart; }
daemon_killed() { during of_tcp crash; during of_srp crash; }

# Its driver is taken from it, and given back.
driver_taken() {
  [ -e "$(scsi "$(device tape)")/driver" ]
  no test -e "$(scsi "$(device cd)")/driver"
  detached='cd tape'
  restart
  no test -e "$(scsi "$(device tape)")/driver"
  within 20 sg_turs "$(of_tcp tape)"
  mt -f "$(tape_of "$(of_tcp tape)")" rewind
  dd if="$(tape_of "$(of_tcp tape)")" bs=10000 status=none | cmp - /run/data
}
finish() {
  srp_logout main
  logout main "$tcp" second
  logout main "$tcp"
  [ "$(ask sessions -o json)" = '[]' ]
  ask units -o json
  end main TERM
  within 10 test -e "$(scsi "$(device tape)")/driver"
  within 10 test -e "$(scsi "$(device cd)")/driver"
  # What is said of how devices are attached, and of commands that an adapter has not sent, is right.
  awk '/level=(WARN|ERROR)|panic|leak/ && !/is gone|has returned|driver [a-z]+ has it as well|neither a name nor a serial number|has not answered a command/ {
    print; trouble = 1} END {exit trouble}' /run/main.log
}

steps=(setup direct in_use start tcp_attach tcp_answers srp_attach srp_answers disk_io cd_io tape_io changer_io signals_disk signals_tape
  second_attach reservations reservations_of_tape prevention another_disc no_disc gone_and_back tcp_abort srp_abort resets
  daemon_restarted daemon_killed driver_taken finish)
run_steps "$@"
