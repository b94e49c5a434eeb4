#!/bin/bash
# Installs what a stage of the tests needs on Debian, and nothing that is already there:
#
#   debian.sh STAGE...     interop  libiscsi's tools and its conformance suite
#                          vm       QEMU, with its own initiator, and what builds the guest that runs those of Linux
#                          bench    the targets and load generators that lunette is compared with
#                          fio      what builds fio with the engine libiscsi: fio-libiscsi.sh
#                          lint     what checks the shell scripts
#                          network  what makes interfaces of network namespaces, for Ethernet
#                          verbs    what builds a program that uses adapters for RDMA
#
# Needs root, or sudo. No service that comes with a package is started.
set -euo pipefail

packages_of() {
  case $1 in
    interop) echo libiscsi-bin ;;
    vm) echo qemu-system-x86 qemu-block-extra mmdebstrap e2fsprogs kmod cpio xz-utils zstd make gcc-12 binutils ;;
    bench) echo tgt istgt libiscsi-bin fio gcc libc6-dev ;;
    fio) echo gcc libc6-dev make dpkg-dev libiscsi-dev libaio-dev zlib1g-dev ;;
    lint) echo shellcheck ;;
    network) echo iproute2 ;;
    verbs) echo gcc libc6-dev libibverbs-dev librdmacm-dev ;;
    *) echo "debian.sh: no stage $1: interop, vm, bench, fio, lint, network or verbs" >&2; return 2 ;;
  esac
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

(($# > 0)) || { sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2; }
wanted=
for stage in "$@"; do wanted+=" $(packages_of "$stage")"; done
missing=()
for package in $wanted; do installed "$package" || missing+=("$package"); done
((${#missing[@]} > 0)) || exit 0

command -v apt-get >/dev/null || { echo "debian.sh: no apt-get here; install by hand what has these: ${missing[*]}" >&2; exit 1; }
root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || { echo "debian.sh: not root and no sudo: as root, run apt-get install ${missing[*]}" >&2; exit 1; }
  root=(sudo)
fi

echo "installing ${missing[*]}" >&2
# Packages ask policy-rc.d before they start a service: 101 is no. One that is there already is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap '"${root[@]}" rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
  "${root[@]}" chmod 755 "$policy"
fi
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" >&2; }
install() { apt install -y --no-install-recommends "${missing[@]}"; }
# The package lists may be missing or old: fetched once when the first attempt fails.
install || { apt update || true; install; }
