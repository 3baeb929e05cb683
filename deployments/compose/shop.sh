#!/bin/sh
# A web server's container, as its node sees it: lines of JSON in a file that the container runtime writes. Some hundred
# bytes five times a second; the file begins anew at 10 MB.
log=/var/log/containers/web-0_shop_web-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.log
n=0
while true; do
  for path in / /cart /healthcheck /search /checkout; do
    n=$((n + 1))
    printf '%s stdout F {"seq":%d,"method":"GET","path":"%s","status":200,"user":"user-%d","message":"GET %s"}\n' \
      "$(date -u +%Y-%m-%dT%H:%M:%S.000000000Z)" "$n" "$path" "$((n % 97))" "$path" >> "$log"
    sleep 0.2
  done
  if [ "$(wc -c < "$log")" -gt 10000000 ]; then mv "$log" "$log.old"; fi
done
