#!/bin/sh
# dpkg --purge: the queue goes only when nothing waits in it, and there are no dead letters. rpm knows no purge, and leaves it.
set -e
[ "$1" = purge ] || exit 0
state=/var/lib/aggregator
if [ -d "$state/queue" ] && { [ ! -e "$state/nothing-waits" ] || ls "$state"/queue/dead/dead-*.db >/dev/null 2>&1; }; then
    echo "aggregator: events or dead letters wait in $state/queue: nothing is removed." >&2
    echo "aggregator: install the package again and deliver them (aggregator drain, aggregator dead), or remove it by hand." >&2
    exit 1
fi
rm -rf "$state/queue" "$state/nothing-waits"
# What outputs wrote, such as the archive, is not the package's to remove.
[ ! -d "$state" ] || rmdir "$state" 2>/dev/null ||
    echo "aggregator: $state stays, with what outputs have written there." >&2
