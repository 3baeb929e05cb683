#!/usr/bin/env bash
# Runs every fuzz target for a while: test/fuzz.sh [TIME], 10s each by default. New findings land in testdata/fuzz.
set -euo pipefail
cd "$(dirname "$0")/.."
for file in $(git ls-files '*_test.go' | xargs grep -l '^func Fuzz'); do
    for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file"); do
        echo "-- $(dirname "$file") $target"
        go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-10s}" "./$(dirname "$file")"
    done
done
