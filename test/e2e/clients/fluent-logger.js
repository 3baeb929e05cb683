// Sends COUNT events {n, text} with fluent-logger: node fluent-logger.js PORT TAG COUNT MODE ACK(true|false)
const { createFluentSender } = require("fluent-logger");

const [port, tag, count, eventMode, ack] = process.argv.slice(2);
const sender = createFluentSender(tag, {
  host: "127.0.0.1",
  port: Number(port),
  timeout: 60,
  eventMode,
  requireAckResponse: ack === "true",
  enableReconnect: false,
});
sender.on("error", (err) => {
  console.error(err);
  process.exit(1);
});

const emits = [];
for (let n = 0; n < Number(count); n++) {
  emits.push(new Promise((resolve) => sender.emit({ n, text: `이벤트 ${n}` }, resolve)));
}
Promise.all(emits).then((results) => {
  const failed = results.find((err) => err instanceof Error);
  if (failed) {
    console.error(failed);
    process.exit(1);
  }
  sender.end(null, null, () => process.exit(0));
});
