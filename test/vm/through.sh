#!/bin/bash
# Runs in a lab guest, and prints a table of throughput and processor time for the same reads and writes of the same disk (scsi_debug's, which is
# memory and answers at once): directly by the kernel's sd; through lunette's bridge, from Linux's own iSCSI initiator, by each way to the
# kernel that there is; and of memory that lunette serves to the same initiator, which is what the network alone costs.
#
#   make through, or lab -i backports -t 1800 -m 2048 DIR "bash through.sh [ROUNDS [SECONDS]]"
#
# The figures say how they stand to each other in an emulated guest, and no more.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rounds=${1:-3} seconds=${2:-4}
address=10.98.0.1 iqn=iqn.2026-11.io.lunette.through size=64
cases=("read 4k 8" "read 64k 8" "read 1m 2" "write 64k 8")

setup() {
  ip link add v0 type veth peer name v1
  ip link set v0 up
  ip link set v1 up
  ip addr add "$address/24" dev v0
  modprobe -a iscsi_tcp sd_mod sg
  modprobe scsi_debug dev_size_mb="$size" delay=0 opts=0
  udevadm settle
  echo "InitiatorName=iqn.2026-11.io.lunette.test:guest" >/etc/iscsi/initiatorname.iscsi
  mkdir -p /run/lock/iscsi
  iscsid -p /run/iscsid.pid
  direct=$(basename /sys/bus/pseudo/drivers/scsi_debug/adapter0/host*/target*/*:*/block/*)
  direct=/dev/$direct
  dd if=/dev/urandom of="$direct" bs=1M count="$size" oflag=direct status=none
}

# serve IO: the disk as LUN 0, memory as LUN 1
serve() {
  cat >/run/through.yaml <<-YAML
	version: 1
	portals: ["iscsi+tcp://$address:3260"]
	units:
	- {name: disk, device: {kind: passthrough, id: $direct, io: $1}}
	- {name: memory, store: {kind: memory, size: ${size}M}}
	targets: [{name: '$iqn', luns: {0: disk, 1: memory}}]
	YAML
  : >/run/lunette.log
  "$here/lunette" serve --config /run/through.yaml --socket /run/lunette.sock >/run/lunette.log 2>&1 & server=$!
  local i
  for i in {1..300}; do
    ! grep -q '^to attach' /run/lunette.log || break
    kill -0 "$server" || { cat /run/lunette.log; exit 1; }
    sleep 0.1
  done
  iscsiadm -m node -T "$iqn" -p "$address:3260,1" -o new >/dev/null
  iscsiadm -m node -T "$iqn" -p "$address:3260" --login >/dev/null
  udevadm settle
  bridged=$(disk 0) memory=$(disk 1)
}
disk() {
  local block i
  for i in {1..100}; do
    for block in /sys/class/iscsi_session/session*/device/target*/*:*:*:"$1"/block/*; do
      if [ -b "/dev/${block##*/}" ]; then echo "/dev/${block##*/}" && return; fi
    done
    sleep 0.1
  done
  echo "no disk at LUN $1 after $i tries" >&2
  return 1
}
leave() {
  "$here/lunette" units -o json --socket /run/lunette.sock | awk -v io="$1" '
    /"name": "disk"/ {on = 1} /"name": "memory"/ {on = 0}
    on && /"(bytesMoved|bytesCopied|kernelCopies|commandsPassed)"/ {gsub(/[",]/, ""); line = line " " $1 " " $2}
    END {print "#", io ":" line}'
  iscsiadm -m node -u >/dev/null
  kill "$server" && wait "$server"
}

busy() { awk '/^cpu / {print $2 + $3 + $4 + $7 + $8}' /proc/stat; } # hundredths of seconds, of all processors
own() { awk '{print $14 + $15}' "/proc/$server/stat"; }             # of lunette

# measure NAME DEVICE OPERATION BLOCK DEPTH: a line of KiB/s, busy and own time in ms a MiB
measure() {
  local out b0 b1 o0 o1
  b0=$(busy) o0=$(own)
  out=$(timeout $((seconds * 5 + 30)) fio --name=m --filename="$2" --rw="rand$3" --bs="$4" --iodepth="$5" --direct=1 --ioengine=libaio \
    --time_based --runtime="$seconds" --size="${size}m" --randrepeat=1 --terse-version=3 --minimal)
  b1=$(busy) o1=$(own)
  echo "$out" | awk -F';' -v op="$3" -v name="$1" -v load="$3 $4 $5" -v busy=$((b1 - b0)) -v own=$((o1 - o0)) '{
    total = op == "read" ? $6 : $47; rate = op == "read" ? $7 : $48
    printf "%s|%s|%d|%.2f|%.2f\n", load, name, rate, busy * 10240 / total, own * 10240 / total }'
}

setup
ways=(threads sg)
[ ! -e /proc/config.gz ] && [ "$(uname -r | cut -d. -f1)" -lt 7 ] || ways=(uring threads sg)
for io in "${ways[@]}"; do
  serve "$io"
  dd if=/dev/urandom of="$memory" bs=1M count="$size" oflag=direct status=none
  for ((round = 1; round <= rounds; round++)); do
    for c in "${cases[@]}"; do
      read -r op bs depth <<<"$c"
      measure device "$direct" "$op" "$bs" "$depth"
      measure "bridge $io" "$bridged" "$op" "$bs" "$depth"
      measure memory "$memory" "$op" "$bs" "$depth"
    done
  done
  leave "$io" >&2
done 2>/run/copies | tee /run/figures | sed 's/^/# /'
cat /run/copies

# Medians, and how the bridge stands to the others.
awk -F'|' -v ways="${ways[*]}" '
  function median(list, n, a, i, j, t) {
    n = split(list, a, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && a[j] + 0 < a[j - 1] + 0; j--) { t = a[j]; a[j] = a[j - 1]; a[j - 1] = t }
    return a[int((n + 1) / 2)]
  }
  { if (!($1 in seen)) { seen[$1]; order[++cases] = $1 }
    rate[$1, $2] = rate[$1, $2] " " $3; busy[$1, $2] = busy[$1, $2] " " $4; own[$1, $2] = own[$1, $2] " " $5 }
  END {
    n = split("device memory", names, " ")
    m = split(ways, w, " ")
    for (i = 1; i <= m; i++) names[++n] = "bridge " w[i]
    printf "%-14s %-15s %10s %14s %14s %16s %16s\n", "load", "what", "MiB/s", "guest ms/MiB", "lunette ms/MiB", "x of the device", "x of memory"
    for (c = 1; c <= cases; c++) for (i = 1; i <= n; i++) {
      k = order[c]
      printf "%-14s %-15s %10.1f %14.1f %14.1f %16.2f %16.2f\n", k, names[i], median(rate[k, names[i]]) / 1024, median(busy[k, names[i]]), median(own[k, names[i]]),
        median(rate[k, names[i]]) / median(rate[k, "device"]), median(rate[k, names[i]]) / median(rate[k, "memory"])
    }
  }' /run/figures
