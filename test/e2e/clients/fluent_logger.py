"""Sends COUNT events {n, text} with fluent-logger: python fluent_logger.py PORT TAG COUNT"""

import sys

from fluent import sender

port, tag, count = sys.argv[1:]
logger = sender.FluentSender(tag, host="127.0.0.1", port=int(port), timeout=60, nanosecond_precision=True)
for n in range(int(count)):
    if not logger.emit(None, {"n": n, "text": f"이벤트 {n}"}):
        sys.exit(f"event {n} was not sent: {logger.last_error}")
logger.close()
