#!/bin/sh
# Gives the directories to the user, and starts a service anew that was running. A new one is started by hand.
set -e
mkdir -p /var/lib/aggregator /etc/aggregator/secrets
chown aggregator:aggregator /var/lib/aggregator
chown root:aggregator /etc/aggregator /etc/aggregator/secrets /etc/aggregator/aggregator.yaml
chmod 0750 /var/lib/aggregator /etc/aggregator /etc/aggregator/secrets
chmod 0640 /etc/aggregator/aggregator.yaml
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl try-restart aggregator.service
fi
