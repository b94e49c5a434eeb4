#!/bin/bash
# Runs in a lab guest: what providers of RDMA have to do, by adapters that this kernel is. The tests are those of the program verbs; each adapter with each way to receive is a
# step, and each test a check.
# shellcheck disable=SC2317 # steps are called by name
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"

setup() {
  local adapter n=0
  modprobe -a siw rdma_rxe ib_uverbs rdma_ucm
  for adapter in siw rxe; do
    ip link add "$adapter" type veth peer name "${adapter}-end"
    ip addr add "10.99.$n.1/24" dev "$adapter"
    ip link set "$adapter" up && ip link set "${adapter}-end" up
    rdma link add "${adapter}0" type "$adapter" netdev "$adapter"
    n=$((n + 1))
  done
  rdma link
  [ "$(rdma link | grep -c 'state ACTIVE')" = 2 ]
}

# suite ADAPTER ADDRESS WAY: the suite by an adapter, with buffers that are shared, or each connection's own
suite() {
  local status=0
  LUNETTE_VERBS="$1=$2" timeout 500 "$here/verbs" -test.v -test.timeout 480s -test.run "^TestAdapters\$/$3\$" >/run/out 2>&1 || status=$?
  sed -nE 's/^ {8}--- (PASS|FAIL): [^/]*\/[^/]*\/([^ ]*) .*/\1 \2/p' /run/out | sed 's/^PASS/ok/; s/^FAIL/BAD/' >/run/checks
  if ((status != 0)) || no grep -q '^--- PASS' /run/out; then cut -c1-300 /run/out | grep -v '^=== '; return 1; fi
}
siw_own() { suite siw0 10.99.0.1 own; }
rxe_own() { suite rxe0 10.99.1.1 own; }
rxe_shared() { suite rxe0 10.99.1.1 shared; }
finish() { no dmesg_has 'BUG|WARNING|Oops|general protection|blocked for more than'; }

# Connections by iWARP do not share buffers, unless the document wants it.
steps=(setup siw_own rxe_own rxe_shared finish)
run_steps "$@"
