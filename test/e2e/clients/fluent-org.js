// Sends COUNT events {n, text} with @fluent-org/logger: node fluent-org.js PORT TAG COUNT MODE ACK(true|false)
const { FluentClient } = require("@fluent-org/logger");

const [port, tag, count, eventMode, ack] = process.argv.slice(2);
const client = new FluentClient(tag, {
  eventMode,
  socket: { host: "127.0.0.1", port: Number(port), timeout: 60000, disableReconnect: true },
  ...(ack === "true" ? { ack: { ackTimeout: 60000 } } : {}),
});

(async () => {
  await client.connect();
  const emits = [];
  for (let n = 0; n < Number(count); n++) {
    emits.push(client.emit({ n, text: `이벤트 ${n}` }));
  }
  await Promise.all(emits);
  await client.shutdown();
})().catch((err) => {
  console.error(err);
  process.exit(1);
});
