#!/usr/bin/env bash
# Writes the software bill of materials of a binary, CycloneDX as JSON: test/sbom.sh [BINARY [FILE]], by default of
# bin/aggregator to bin/aggregator.cdx.json; and checks that it names just the modules which the linker put there.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-bin/aggregator} sbom=${2:-bin/aggregator.cdx.json}
go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0 bin \
    -json -std -version "$(git describe --tags --always)" -output "$sbom" "$binary"
diff <(go version -m "$binary" | awk '$1 == "dep" {print $2 "@" $3}' | sort) \
    <(sed -n 's|^ *"purl": "pkg:golang/\([^?"]*\).*|\1|p' "$sbom" | sort -u | grep -v "^$(go list -m)@" | grep -v '^std@') || {
    echo "$sbom names other modules than $binary has" >&2
    exit 1
}
echo "$sbom: $(grep -c '"type": "library"' "$sbom") components"
