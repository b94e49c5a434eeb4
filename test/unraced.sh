#!/bin/bash
# Runs without the race detector what does more there: tests that count allocations, or have more rounds. For all others the run with it is the harder one. These are the tests from which
# raceEnabled is read, those of files that are not built with the detector, and whole packages of which a part is another one without it.
#
#   unraced.sh [go test's arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

# tests prints the names of the tests of a package that read raceEnabled, themselves or by functions of the package.
tests() {
  awk '
    FNR == 1 { apart = 0; name = "" }
    /^}/ { name = "" }
    /^\/\/go:build .*!race/ { apart = 1 }
    /^func / {
      name = $0
      sub(/^func (\([^)]*\) )?/, "", name)
      sub(/[^A-Za-z0-9_].*/, "", name)
      if (apart) marked[name] = 1
      next
    }
    /raceEnabled/ && name != "" { marked[name] = 1 }
    { body[name] = body[name] "\n" $0 }
    END {
      do {
        more = 0
        for (f in body) {
          if (f in marked) continue
          for (m in marked) if (m !~ /^Test/ && body[f] ~ ("(^|[^A-Za-z0-9_])" m "\\(")) { marked[f] = 1; more = 1; break }
        }
      } while (more)
      for (m in marked) if (m ~ /^Test/) print m
    }' "$1"/*_test.go | sort
}

status=0
for dir in $(grep -rlE --include='*.go' '^//go:build .*!race' . | xargs -n1 dirname | sort -u); do
  only=.
  if ! grep -lE '^//go:build .*!race' "$dir"/*.go | grep -qv '_test\.go$'; then
    only="^($(tests "$dir" | paste -sd '|'))\$"
    [ "$only" != '^()$' ] || { echo "$dir: no test reads raceEnabled" >&2; exit 1; }
  fi
  test/loud.sh -run "$only" "$@" "$dir" || status=1
done
exit $status
