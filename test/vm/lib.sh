# What the scripts that run in a lab guest share: steps, servers in network namespace "target" behind a veth pair, and load.
# A script prints "1..N" and then one line a step: "ok NAME SECONDS", or "not ok NAME SECONDS" after what the step, the
# kernel and the servers said, or "skip NAME SECONDS" after why; before it are the checks that the step has left in /run/checks, as "  ok - WHAT" or "  BAD - WHAT".
# With arguments it runs only the steps they name.
# shellcheck shell=bash disable=SC2154,SC2317 # address, user, iqn and steps are the script's; steps are called by name

# --- steps ----------------------------------------------------------------------------------------------------------

failed=0
not_tested=77 # the status of a step that could not test what it is about, and has said why
step() {
  local start=$SECONDS status log
  local -A said=()
  for log in /run/*.log; do [ ! -e "$log" ] || said[$log]=$(stat -c %s "$log"); done
  log=$(mktemp)
  rm -f /run/checks
  (set -e; "$1") >"$log" 2>&1
  status=$?
  [ ! -e /run/checks ] || sed -n 's/^\(ok\|BAD\) /  \1 - /p' /run/checks
  ((status != 0)) || { echo "ok $1 $((SECONDS - start))"; return; }
  ((status != not_tested)) || { sed 's/^/    /' "$log"; echo "skip $1 $((SECONDS - start))"; return; }
  failed=1
  sed 's/^/    /' "$log"
  dmesg | tail -n 10 | sed 's/^/    dmesg: /'
  for log in /run/*.log; do
    [ -e "$log" ] || continue
    # what the servers said during this step
    tail -c +$((${said[$log]:-0} + 1)) "$log" | tail -n 20 | sed "s#^#    ${log##*/}: #"
    echo
  done
  echo "not ok $1 $((SECONDS - start))"
}

# within SECONDS COMMAND...: repeats it until it succeeds
within() {
  local deadline=$((SECONDS + 4 * $1)); shift # guests are slow where others run beside them
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "not in time: $*"; return 1; }
    sleep 0.1
  done
}

no() { ! "$@"; }
inside() { ip netns exec target "$@"; }

# run_steps [NAME...]: those, or all of $steps; ends the script
run_steps() {
  (($# == 0)) || steps=("$@")
  echo "1..${#steps[@]}"
  local s; for s in "${steps[@]}"; do step "$s"; done
  exit "$failed"
}

# monitor COMMAND...: QEMU's monitor does it
monitor() {
  local name; name=$(grep -lx monitor /sys/class/virtio-ports/*/name)
  name=${name%/name}
  echo "$*" >"/dev/${name##*/}"
}

# --- servers --------------------------------------------------------------------------------------------------------

# daemon NAME PORT COMMAND...: runs it in netns target, waits until it listens
daemon() {
  local name=$1 port=$2; shift 2
  rm -f "/run/$name.status"
  # shellcheck disable=SC2016 # expanded by the inner shell
  setsid bash -c 'name=$1; shift; bash -c "echo \$\$ >/run/$name.pid; exec \"\$@\"" - "$@" >>"/run/$name.log" 2>&1 </dev/null
    echo $? >"/run/$name.status"' - "$name" ip netns exec target "$@" </dev/null >/dev/null 2>&1 &
  { within 60 began "$name" "$port" && listens "$port"; } || { cat "/run/$name.log"; return 1; }
}
began() { listens "$2" || [ -s "/run/$1.status" ]; }
listens() { inside ss -Hltn "sport = :$1" | grep -q .; }

# end NAME SIGNAL: sends it, waits, returns the exit status
end() {
  kill -s "$2" "$(cat "/run/$1.pid")"
  within 15 test -s "/run/$1.status"
  return "$(cat "/run/$1.status")"
}

# --- the initiator's side ------------------------------------------------------------------------------------------

# network: the initiator has 10.99.0.1 at v0, the servers have $address at v1
network() {
  ip netns add target
  ip link add v0 type veth peer name v1 netns target
  ip addr add 10.99.0.1/24 dev v0 && ip link set v0 up
  inside ip addr add "$address/24" dev v1 && inside ip link set v1 up && inside ip link set lo up
}

# open_iscsi: the secret that $user has, in /run/secret, and an initiator that knows it for discovery
open_iscsi() {
  printf %s 'correct horse battery' >/run/secret && chmod 600 /run/secret
  echo "InitiatorName=iqn.2026-11.io.lunette.test:guest" >/etc/iscsi/initiatorname.iscsi
  cat >/etc/iscsi/iscsid.conf <<-CONF
	iscsid.startup = /sbin/iscsid
	node.startup = manual
	node.session.timeo.replacement_timeout = 240
	node.conn[0].timeo.login_timeout = 5
	node.conn[0].timeo.logout_timeout = 5
	node.conn[0].timeo.noop_out_interval = 2
	node.conn[0].timeo.noop_out_timeout = 2
	node.session.err_timeo.abort_timeout = 5
	node.session.err_timeo.lu_reset_timeout = 5
	node.session.err_timeo.tgt_reset_timeout = 5
	node.session.initial_login_retry_max = 1
	node.session.iscsi.InitialR2T = No
	node.session.iscsi.ImmediateData = Yes
	node.session.nr_sessions = 1
	node.session.scan = auto
	discovery.sendtargets.auth.authmethod = CHAP
	discovery.sendtargets.auth.username = $user
	discovery.sendtargets.auth.password = correct horse battery
	discovery.sendtargets.timeo.login_timeout = 5
	discovery.sendtargets.reopen_max = 0
	CONF
  iscsid -p /run/iscsid.pid
}

admin() { timeout 60 iscsiadm "$@"; }
node() { admin -m node -T "$iqn:$1" -p "$address:$2" "${@:3}"; }
login() { node "$1" "$2" -I "${3:-default}" --login; }
logout() { node "$1" "$2" -I "${3:-default}" --logout; }
set_node() { local name=$1 port=$2; shift 2; while (($#)); do node "$name" "$port" -o update -n "$1" -v "$2"; shift 2; done; }

# find NAME LUN [IFACE]: the disk's path, if the kernel has it
find() {
  local s block
  for s in /sys/class/iscsi_session/session*; do
    if [ "$(cat "$s/targetname")" != "$iqn:$1" ] || [ "$(cat "$s/ifacename")" != "${3:-default}" ]; then continue; fi
    for block in "$s"/device/target*/*:*:*:"$2"/block/*; do
      [ -b "/dev/${block##*/}" ] && echo "/dev/${block##*/}" && return
    done
  done
  return 1
}
disk() { within 10 find "$@" && find "$@"; }

# undisturbed: nor was the connection lost and made anew, nor a command timed out and aborted
undisturbed() {
  quiet
  no dmesg_has 'detected conn error'
  admin -m session -s >/run/statistics
  no grep 'tmfcmd_pdus: [^0]' /run/statistics
}

load_size=16 # MiB
# load DEVICE SECONDS: direct writes all over $load_size for about that long, read back and checked
load() {
  timeout 500 fio --name=load --filename="$1" --size="${load_size}m" --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
    --rate_iops=$((load_size * 256 / $2)) --verify=crc32c --verify_fatal=1 --randseed=7 --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}
# check DEVICE: what load wrote is still there
check() {
  timeout 240 fio --name=load --filename="$1" --size="${load_size}m" --rw=randwrite --bs=4k --direct=1 --ioengine=libaio --iodepth=8 \
    --verify=crc32c --verify_fatal=1 --randseed=7 --verify_only --minimal >/run/fio.out || { cat /run/fio.out; return 1; }
}

calm() { dmesg -C; }
# quiet: no error has reached a block device since calm
quiet() { no dmesg_has 'I/O error|critical (target|medium|nexus) error|rejecting I/O|Buffer I/O|offlined|EXT4-fs error'; }
dmesg_has() { dmesg | grep -E "$1"; }

# scribble DEVICE: random bytes on its first 8 MiB, in large writes, in a time that allows no stall
scribble() { timeout 80 dd if=/dev/urandom of="$1" bs=1M count=8 oflag=direct status=none; }
zeros() { cmp -n "$3" -i "$2:0" "$1" /dev/zero; }
