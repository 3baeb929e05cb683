#!/bin/sh
# Builds a real NATS server for tests from its published module, once, as bin/nats-server beside this file.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
version=v2.15.3
[ "$(cat "$here/bin/version" 2>/dev/null)" = "$version" ] && exit 0
mkdir -p "$here/bin"
GOBIN="$here/bin" go install "github.com/nats-io/nats-server/v2@$version"
echo "$version" >"$here/bin/version"
