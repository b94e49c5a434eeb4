#!/bin/bash
# Runs every fuzz target of the tree for a short time, one after the other:
#
#   fuzz.sh [TIME [PATTERN [PART/OF]]]     TIME for each, 3s by default; PATTERN of their names, all by default; the targets of every OFth package
#                                          only, from number PART on, which is counted from 0
#
# What fails is written to the package's testdata/fuzz, from where "go test" runs it from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:-3s}
pattern=${2:-.}
part=${3:-0/1}
go=${GO:-go}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
count=0
packages=0
while read -r dir; do
  packages=$((packages + 1))
  (((packages - 1) % ${part#*/} == ${part%/*} % ${part#*/})) || continue
  mapfile -t names < <(sed -nE 's/^func (Fuzz[A-Za-z0-9_]+)\(.*/\1/p' "$dir"/*_test.go | sort -u | grep -E -- "$pattern" || true)
  ((${#names[@]} > 0)) || continue
  # One instrumented binary for all targets of a package: each run would link it anew.
  "$go" test -c -fuzz=. -o "$work/fuzz.test" "./$dir"
  for name in "${names[@]}"; do
    count=$((count + 1))
    start=$(date +%s.%N)
    status=0
    # Minimizing what is merely interesting takes up to a minute each unless it is bounded.
    (cd "$dir" && "$work/fuzz.test" -test.run='^$' -test.fuzz="^$name\$" -test.fuzztime="$time" \
      -test.fuzzminimizetime=20x -test.fuzzcachedir="$work/cache") >"$work/log" 2>&1 || status=$?
    # The engine's own deadline, when a worker is slow to stop, is no finding.
    if ((status != 0)) && ! grep -q 'Failing input' "$work/log" && grep -q 'context deadline exceeded' "$work/log"; then
      status=0
    fi
    took=$(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }')
    if ((status == 0)); then
      echo "ok   fuzz $dir $name ${took}s"
    else
      failed=$((failed + 1))
      cat "$work/log"
      echo "FAIL fuzz $dir $name ${took}s"
    fi
  done
done < <(grep -rlE '^func Fuzz[A-Za-z0-9_]+\(' --include='*_test.go' . | xargs -r -n1 dirname | sed 's|^\./||' | sort -u)

if ((count == 0)); then
  echo "fuzz.sh: no fuzz target has a name like $pattern" >&2
  exit 1
fi
echo "$count fuzz targets, $failed failed"
((failed == 0))
