#!/bin/sh
# Starts one node of an older Elasticsearch or of OpenSearch for tests, in the foreground, on 127.0.0.1.
#
#   start.sh FLAVOR PORT DATADIR [setting=value ...]      FLAVOR: legacy6, legacy7 or opensearch
#
# As ../start.sh: the first start takes the jars from the Maven repository; "… ready on http://127.0.0.1:PORT …" once
# the node answers; PORT 0 takes a free one; SIGTERM stops it. ES_HEAP, ES_BUILD_DIR and ES_BUILD_ONLY as there.
set -eu

[ $# -ge 3 ] || { echo "usage: $0 FLAVOR PORT DATADIR [setting=value ...]" >&2; exit 2; }
case $1 in
legacy6) product=elasticsearch version=6.4.3 more= ;;
legacy7) product=elasticsearch version=7.10.2 more=", true" ;;
opensearch) product=opensearch version=2.11.1 more=", true" ;;
*) echo "$0: no flavor is called $1" >&2; exit 2 ;;
esac
port=$2
mkdir -p "$3"
data=$(cd "$3" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
build=${ES_BUILD_DIR:-$here/../target}/$1
shift 3
mkdir -p "$build"
build=$(cd "$build" && pwd)

build() {
    rm -rf "$build/stamp" "$build/lib" "$build/classes" "$build/src" "$build/home"
    mkdir -p "$build/home/config" "$build/classes" "$build/src"
    mvn -q -B -f "$here/pom.xml" -Dproduct=$product -DnodeVersion=$version -DbuildDir="$build" package >&2
    sed -e "s/org\.elasticsearch\./org.$product./" -e "s/, true);/$more);/" "$here/src/OlderNode.java" >"$build/src/OlderNode.java"
    javac -proc:none -cp "$build/lib/*" -d "$build/classes" "$build/src/OlderNode.java"
    touch "$build/stamp"
}

(
    flock 9
    if [ ! -e "$build/stamp" ] || [ -n "$(find "$here" -newer "$build/stamp" -type f)" ]; then
        build
    fi
) 9>"$build/lock"
[ -z "${ES_BUILD_ONLY:-}" ] || exit 0

exec java -Xmx"${ES_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ActiveProcessorCount=2 -XX:-UsePerfData \
    -Djava.io.tmpdir="$data" -Djna.tmpdir="$data" -Djava.awt.headless=true -Dfile.encoding=UTF-8 \
    -Djava.locale.providers=SPI,COMPAT \
    -Dio.netty.noUnsafe=true -Dio.netty.noKeySetOptimization=true -Dio.netty.recycler.maxCapacityPerThread=0 \
    --add-opens=java.base/java.lang=ALL-UNNAMED \
    -cp "$build/classes:$build/lib/*" OlderNode "$build/home" "$data" "$port" "$@"
