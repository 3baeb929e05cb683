#!/bin/sh
# Gives the directories to the user, and starts a service anew that was running. A new one is started by hand.
set -e
mkdir -p /var/lib/aggregator /etc/aggregator/secrets
chown aggregator:aggregator /var/lib/aggregator
chown root:aggregator /etc/aggregator /etc/aggregator/secrets
chmod 0750 /var/lib/aggregator /etc/aggregator /etc/aggregator/secrets
# Not there where somebody removed it, such as for a directory of files.
if [ -e /etc/aggregator/aggregator.yaml ]; then
    chown root:aggregator /etc/aggregator/aggregator.yaml
    chmod 0640 /etc/aggregator/aggregator.yaml
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    # The package is installed nevertheless: what is wrong is the configuration's, and the queue is as it was.
    systemctl try-restart aggregator.service ||
        echo "aggregator: the service does not start anew: journalctl -u aggregator says why, aggregator check names mistakes" >&2
fi
