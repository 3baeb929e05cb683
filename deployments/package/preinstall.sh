#!/bin/sh
# The user that the service runs as; it owns the queue, and stays when the package goes.
set -e
getent group aggregator >/dev/null || groupadd --system aggregator
getent passwd aggregator >/dev/null ||
    useradd --system --gid aggregator --home-dir /var/lib/aggregator --no-create-home --shell /usr/sbin/nologin aggregator
