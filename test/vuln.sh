#!/usr/bin/env bash
# Looks for known vulnerabilities in what the binary calls: test/vuln.sh [pinned]. By default it asks the live database,
# https://vuln.go.dev. With "pinned" it takes the database as it was on the day below, which comes as a Go module through
# the same proxy as everything else: then the answer for a commit never changes, and nothing else need be reached.
# What is judged is the program as it is shipped: built with the toolchain that go.mod names, as the image and the releases
# are, and stripped. BINARY=FILE judges that file instead, such as the one of an image.
set -euo pipefail
cd "$(dirname "$0")/.."
govulncheck=golang.org/x/vuln/cmd/govulncheck@v1.9.0
database=golang.org/x/vulndb@v0.0.0-20261105234957-e22db6528018 # 2026-11-05; a newer one: go list -m golang.org/x/vulndb@latest

db=()
if [ "${1:-}" = pinned ]; then
    dir=${TMPDIR:-/tmp}/vulndb-${database##*-}
    if [ ! -d "$dir" ]; then
        # Only the database's own tool writes the index that govulncheck reads.
        osv=$(cd / && go mod download -json "$database" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')/data/osv
        fresh=$(mktemp -d "$dir.XXXXXX")
        (cd / && go run "${database%@*}/cmd/indexdb@${database#*@}" -vulns "$osv" -out "$fresh")
        mv "$fresh" "$dir"
    fi
    db=(-db "file://$dir")
fi
toolchain=$(sed -n 's/^toolchain //p' go.mod)
binary=${BINARY:-}
if [ -z "$binary" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    binary=$work/aggregator
    GOTOOLCHAIN=$toolchain CGO_ENABLED=0 GOFLAGS=-buildvcs=false go build -trimpath -ldflags '-s -w' -o "$binary" ./cmd/aggregator
fi
go version "$binary"
GOTOOLCHAIN=$toolchain go run "$govulncheck" "${db[@]}" -mode=binary "$binary"
