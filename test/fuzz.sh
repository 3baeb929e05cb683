#!/usr/bin/env bash
# Runs every fuzz target: test/fuzz.sh [TIMES], 10000x each by default, or for a while, such as 1m. New findings land in
# testdata/fuzz. A number of runs rather than a time: when the time is up, go test now and then fails for just that.
set -euo pipefail
cd "$(dirname "$0")/.."
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
        echo "-- $(dirname "$file") $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-10000x}" "./$(dirname "$file")"
    done
done
