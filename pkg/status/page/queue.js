// The queue: what fills it, how long there is room, and whether it commits.

import { append, attr, fill, h, mark, name, s, spark } from "./dom.js";
import { counted, number, size, span } from "./format.js";
import { trouble } from "./verdict.js";

const farAhead = 30 * 86400; // seconds; what is farther than that is not foreseen
const box = document.getElementById("queue-body");
const line = { bytes: spark("Bytes on disk"), events: spark("Events that wait") };
const text = h("p", { class: "lead" });
const bar = h("div", {});
const legend = h("ul", { class: "legend" });
const lines = h("dl", { class: "facts" }, fact("On disk, 15 minutes", line.bytes.el), fact("Waiting, 15 minutes", line.events.el));
const facts = h("dl", { class: "facts" });
const most = 6;

function fact(term, ...value) {
  return h("div", {}, h("dt", {}, term), h("dd", {}, value));
}

export function show(page) {
  if (!box.firstChild) append(box, [text, bar, legend, lines, facts]);
  const q = page.state.queue;
  attr(box, "class", trouble(page, "queue"));
  const percent = q.max > 0 ? Math.round((100 * q.disk) / q.max) : 0;
  fill(text, q.full ? [mark("critical"), " ", h("strong", {}, "Full: "), q.full, ". "] : "", `${counted(q.events, "event")} in ${counted(q.chunks, "chunk")} wait${Object.keys(page.state.outputs).length > 1 ? ", each counted for every output that wants it" : ""}. `,
    q.max > 0 ? `${size(q.disk)} of ${size(q.max)} on disk, ${percent} %` : size(q.disk) + " on disk", q.full ? "." : q.full_in && q.full_in < farAhead ? `: full in about ${span(q.full_in)} if it goes on like this.` : page.line("queue.bytes").length < 7 ? "." : ", and it does not grow.");
  const all = Object.entries(page.state.clusters).filter(([, c]) => c.queue > 0).sort((a, b) => b[1].queue - a[1].queue);
  const parts = all.slice(0, most).map(([key, c]) => ({ key, bytes: c.queue }));
  const rest = all.slice(most).reduce((sum, [, c]) => sum + c.queue, 0);
  if (rest > 0) parts.push({ bytes: rest, others: all.length - most });
  stack(parts, q);
  fill(legend, parts.map((part, i) => h("li", {}, s("svg", { width: 12, height: 12, "aria-hidden": "true" }, s("rect", { width: 12, height: 12, rx: 2, class: "part" + (i % 7) })), " ",
    part.others ? counted(part.others, "other cluster") : name(part.key), " " + size(part.bytes))));
  line.bytes.update(page.line("queue.bytes"), (n) => size(Math.round(n)), page.slots);
  line.events.update(page.line("queue.events"), number, page.slots);
  const fillers = Object.entries(page.state.outputs).filter(([, o]) => o.bytes > 0).sort((a, b) => b[1].bytes - a[1].bytes).slice(0, 3);
  const values = [
    ["Oldest event", q.oldest > 0 ? span(q.oldest) + " old" : "none waits"],
    ["Last commit", q.commit_age > 0 || q.commit_p99 > 0 ? `${span(q.commit_age)} ago, slow ones take ${span(q.commit_p99)}` : "none yet"],
    ["Free on its disk", q.free > 0 ? `${size(q.free)}, and ${size(q.min_free)} must stay free` : "not known"],
    ["Memory before it", `${size(q.memory)} of ${size(q.memory_max)}`],
  ];
  if (fillers.length > 0) values.push(["Outputs that it waits for", fillers.map(([key, o], i) => [i ? ", " : "", h("a", { href: "#" + encodeURIComponent("output/" + key) }, name(key)), " " + size(o.bytes)])]);
  if (q.damaged) values.push(["Damaged files set aside", number(q.damaged)]);
  fill(facts, values.map(([term, value]) => fact(term, value)));
}

// stack draws what of the limit is whose.
function stack(parts, q) {
  const limit = Math.max(q.max, q.disk, 1);
  let x = 0;
  const svg = s("svg", { class: "stack", viewBox: "0 0 1000 18", preserveAspectRatio: "none", width: "100%", height: 18, role: "img", "aria-label": `The queue: ${Math.round((100 * q.disk) / limit)} % used` }, s("rect", { width: 1000, height: 18, class: "room" }));
  parts.forEach((part, i) => {
    const width = (1000 * part.bytes) / limit;
    svg.append(s("rect", { x: x.toFixed(1), width: Math.max(1, width).toFixed(1), height: 18, class: "part" + (i % 7) }));
    x += width;
  });
  fill(bar, svg);
}
