#!/usr/bin/env bash
# Starts one real Kafka broker for tests, in the foreground, on 127.0.0.1: KRaft, broker and controller in one.
#
#   start.sh PORT DATADIR [setting=value ...]
#
# The first start takes the jars from the Maven repository; later ones need neither mvn nor the network. Once the broker
# takes requests it prints "kafka VERSION ready on 127.0.0.1:PORT". PORT is where clients connect, and must be free as the
# controller's must be. It stops on SIGTERM or Ctrl-C. Needs a JDK 17, mvn and flock.
#
#   KAFKA_HEAP        the largest heap, 384m by default
#   KAFKA_BUILD_DIR   where the jars go, target/ beside this file by default
#   KAFKA_BUILD_ONLY  if set: take the jars, and do not start
#   KAFKA_CONTROLLER  the controller's port, PORT+1 by default; the same at each start with the same DATADIR
#   KAFKA_USER        NAME:PASSWORD that may log in with SCRAM-SHA-256, made before the first start
#   KAFKA_JAVA        more options of the JVM, such as the file of JAAS
set -eu

[ $# -ge 2 ] || { echo "usage: $0 PORT DATADIR [setting=value ...]" >&2; exit 2; }
port=$1
mkdir -p "$2"
data=$(cd "$2" && pwd)
shift 2
here=$(cd "$(dirname "$0")" && pwd)
build=${KAFKA_BUILD_DIR:-$here/target}
mkdir -p "$build"
build=$(cd "$build" && pwd)
controller=${KAFKA_CONTROLLER:-$((port + 1))}
version=$(sed -n 's:.*<kafka.version>\(.*\)</.*:\1:p' "$here/pom.xml")

(
    flock 9
    if [ ! -e "$build/stamp" ] || [ -n "$(find "$here/pom.xml" "$0" -newer "$build/stamp")" ]; then
        rm -rf "$build/stamp" "$build/lib"
        mvn -q -B -f "$here/pom.xml" -DbuildDir="$build" package >&2
        touch "$build/stamp"
    fi
) 9>"$build/lock"
[ -z "${KAFKA_BUILD_ONLY:-}" ] || exit 0

{
    cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=CLIENTS://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller
advertised.listeners=CLIENTS://127.0.0.1:$port
listener.security.protocol.map=CLIENTS:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=CLIENTS
log.dirs=$data/log
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
num.network.threads=2
num.io.threads=4
auto.create.topics.enable=false
END
    for setting in "$@"; do printf '%s\n' "$setting"; done
} >"$data/server.properties"

run() {
    exec java -Xmx"${KAFKA_HEAP:-384m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ActiveProcessorCount=2 -XX:-UsePerfData \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Djava.awt.headless=true -Djava.io.tmpdir="$data" ${KAFKA_JAVA:-} -cp "$build/lib/*" "$@"
}

if [ ! -e "$data/log/meta.properties" ]; then
    set -- -t AAAAAAAAQAGAAAAAAAAAAQ -c "$data/server.properties"
    [ -z "${KAFKA_USER:-}" ] || set -- "$@" -S "SCRAM-SHA-256=[name=${KAFKA_USER%%:*},password=${KAFKA_USER#*:}]"
    (run kafka.tools.StorageTool format "$@") >&2
fi
# The port is bound when the broker takes requests.
(
    while ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 $$ 2>/dev/null || exit 0
        sleep 0.2
    done
    echo "kafka $version ready on 127.0.0.1:$port"
) &
run kafka.Kafka "$data/server.properties"
