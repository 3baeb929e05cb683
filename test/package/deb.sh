#!/usr/bin/env bash
# Installs a deb in an overlay of this machine's own files, as root: deb.sh PACKAGE. It sees that the service's unit is right, that
# the program runs as its user, that removing keeps the queue, and that purging refuses while an event waits in it.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "needs root, for mounts and chroot" >&2; exit 1; }
if [ "${2:-}" != inside ]; then exec unshare -m "$0" "$(realpath "$1")" inside; fi
top=$(mktemp -d)
mount -t tmpfs tmpfs "$top"
mkdir "$top/upper" "$top/work" "$top/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$top/upper,workdir=$top/work" "$top/root"
mount -t proc proc "$top/root/proc"
mount --bind /dev "$top/root/dev"
cp "$1" "$top/root/root/aggregator.deb"
chroot "$top/root" /bin/bash -euxo pipefail <<'IN'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg -i /root/aggregator.deb
systemd-analyze verify /usr/lib/systemd/system/aggregator.service /usr/lib/systemd/system/aggregator.socket
runuser -u aggregator -- aggregator check /etc/aggregator/aggregator.yaml
man -w aggregator-run >/dev/null
cat >/tmp/waits.yaml <<'YAML'
buffer: {path: /var/lib/aggregator/queue}
outputs: {es: {type: elasticsearch, hosts: ["http://127.0.0.1:1"], index: x}}
listeners: [{name: forward, address: "unix:/tmp/forward.sock"}]
status: {address: "127.0.0.1:0"}
YAML
chmod 644 /tmp/waits.yaml
cd /var/lib/aggregator
runuser -u aggregator -- aggregator run -c /tmp/waits.yaml &
server=$!
until [ -S /tmp/forward.sock ]; do kill -0 "$server"; done
echo '{"message":"hello"}' | aggregator send --address unix:/tmp/forward.sock
pkill -TERM -P "$server" aggregator
wait "$server" || true
# As aggregator.socket does it: who connects is served, and the program starts at the first connection.
printf 'listeners: [{name: forward, address: "127.0.0.1:24999"}]\nstatus: {address: "127.0.0.1:0"}\nbuffer: {path: /tmp/activated}\n' >/tmp/activated.yaml
systemd-socket-activate -l 127.0.0.1:24999 --fdname=forward aggregator run -c /tmp/activated.yaml &
activated=$!
until echo '{"message":"hello"}' | aggregator send --address 127.0.0.1:24999; do kill -0 "$activated"; done
kill "$activated"
wait "$activated" || true
cd /
# Somebody has a directory of files instead, and a systemd that knows no such service; the upgrade succeeds nevertheless.
mkdir -p /run/systemd/system /tmp/fake
printf '#!/bin/sh\necho "$@" >>/tmp/systemctl\n[ "$1" != try-restart ]\n' >/tmp/fake/systemctl
chmod 755 /tmp/fake/systemctl
export PATH=/tmp/fake:$PATH
mv /etc/aggregator/aggregator.yaml /etc/aggregator/kept
dpkg -i /root/aggregator.deb
mv /etc/aggregator/kept /etc/aggregator/aggregator.yaml
grep -q '^try-restart aggregator.service' /tmp/systemctl
ls /var/lib/aggregator/queue/seg-*
dpkg -r aggregator
# A socket that stays would start the service again.
grep -q '^disable --now aggregator.socket aggregator.service' /tmp/systemctl
rm -r /run/systemd/system
# Looking into the queue has left nothing in it that the service may not write.
test -z "$(find /var/lib/aggregator/queue ! -user aggregator)"
test -f /etc/aggregator/aggregator.yaml
ls /var/lib/aggregator/queue/seg-*
if dpkg -P aggregator; then echo "purged although an event waits" >&2; exit 1; fi
ls /var/lib/aggregator/queue/seg-*
dpkg -i /root/aggregator.deb
rm /var/lib/aggregator/queue/seg-*
mkdir /var/lib/aggregator/archive
echo '{}' >/var/lib/aggregator/archive/delivered.ndjson
dpkg -r aggregator
dpkg -P aggregator
test ! -e /var/lib/aggregator/queue
# What was delivered is the user's.
test -f /var/lib/aggregator/archive/delivered.ndjson
rm -r /var/lib/aggregator
dpkg -i /root/aggregator.deb
dpkg -P aggregator
test ! -e /var/lib/aggregator
IN
echo "the package is right"
