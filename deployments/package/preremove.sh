#!/bin/sh
# Stops the service when the package goes, not when another version takes its place. The queue stays; whether anything waits in
# it is noted for a purge, as long as there is a program that can tell.
set -e
case "$1" in
    upgrade | 1) exit 0 ;; # dpkg, rpm
esac
if [ -d /run/systemd/system ]; then
    # The socket first, which would start the service again.
    systemctl disable --now aggregator.socket aggregator.service
fi
state=/var/lib/aggregator
rm -f "$state/nothing-waits"
if [ -d "$state/queue" ] && waiting=$(runuser -u aggregator -- /usr/bin/aggregator queue --data-dir "$state/queue" --json) &&
    ! printf '%s' "$waiting" | grep -q '"events": *[1-9]'; then
    : >"$state/nothing-waits"
fi
