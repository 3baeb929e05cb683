// The table of the aggregators that share the queue: how each is, and what it does. Without a group there is none.

import { attr, fill, h, mark, meter, name, plain, rows, set } from "./dom.js";
import { clock, counted, number, otherClock, size } from "./format.js";
import { who } from "./clusters.js";
import { coarse } from "./outputs.js";
import { trouble } from "./verdict.js";

const section = document.getElementById("pods");
const link = document.querySelector("header nav a[href='#pods']");
const box = document.getElementById("pods-table");
const heads = ["Pod", "State", "Receives", "Delivers", "Connections", "Memory", "Runs since", "Last heard"];
const rank = { critical: 0, warning: 1, "": 2 };
let body = null;

function table() {
  body = h("tbody", { role: "rowgroup" });
  box.append(h("table", { role: "table", class: "wide" },
    h("caption", { class: "hidden" }, "The aggregators that share the queue: those in trouble first, then the busiest."),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))), body));
}

function cell(head, ...children) {
  return h("td", { role: "cell", "data-head": head }, children);
}

function make(key) {
  const item = {
    sign: h("span", { class: "sign" }), host: h("strong", {}), about: h("small", {}), state: h("span", { class: "words" }), received: h("span", { class: "figure" }), delivered: h("span", { class: "figure" }),
    conns: h("span", { class: "figure" }), memory: meter("Memory"), since: h("span", { class: "figure" }), seen: h("span", {}), notes: h("div", {}),
  };
  const row = h("tr", { role: "row", id: "pod/" + key, tabindex: "-1", "data-row": true }, h("th", { scope: "row", role: "rowheader" }, item.sign, " ", item.host, " ", item.about),
    cell("State", item.state), cell("Receives", item.received), cell("Delivers", item.delivered), cell("Connections", item.conns), cell("Memory", item.memory.el), cell("Runs since", item.since), cell("Last heard", item.seen));
  item.more = h("tr", { role: "row", class: "details", hidden: true }, h("td", { role: "cell", colspan: String(heads.length) }, item.notes));
  item.elements = [row, item.more];
  return item;
}

// kindOf is what is wrong with a pod: what the verdict has found, or what is noted below its row.
function kindOf(page, key) {
  const p = page.state.group.pods[key];
  return trouble(page, "pod/" + key) || (p.state === "not_ready" ? "critical" : p.state === "gone" || p.no_acks ? "warning" : "");
}

function stateOf(p) {
  if (p.state === "gone") return ["has fallen silent: killed, or cut off from the queue. Others deliver what it had in hand."];
  if (p.state === "not_ready") return ["not ready: ", plain(p.why)];
  return ["ready"];
}

function time(ms) {
  return h("time", { datetime: new Date(ms).toISOString(), title: otherClock(ms) }, clock(ms));
}

function update(page, key, item) {
  const p = page.state.group.pods[key];
  const kind = kindOf(page, key);
  const alive = p.state !== "gone";
  attr(item.elements[0], "class", kind);
  fill(item.sign, mark(kind || (p.in > 0 || p.out > 0 ? "ok" : "idle")));
  fill(item.host, name(p.host));
  fill(item.about, p.self ? "this one, " : "", name(p.version));
  fill(item.state, stateOf(p));
  set(item.received, alive ? number(p.in) + "/s" : "–");
  set(item.delivered, alive ? number(p.out) + "/s" : "–");
  set(item.conns, alive ? number(p.conns) + (p.agents ? `, ${counted(p.agents, "agent")}` : "") : "–");
  item.memory.update(p.memory, p.memory ? p.limit : 0, p.memory ? size(p.memory) + (p.limit ? " of " + size(p.limit) : "") : "–");
  fill(item.since, time(p.started));
  fill(item.seen, p.self ? "this is it" : alive && (page.now() - p.seen) / 1000 < 25 ? "now" : [time(p.seen), ", " + page.ago(p.seen) + " ago"]);
  const notes = [
    p.refused ? h("p", {}, mark("warning"), ` ${counted(p.refused, "login")} refused in ten minutes.`) : "",
    p.away ? h("p", {}, "Turned away last: ", p.away.map((r, i) => [i ? "; " : "", who(r), " (", name(r.reason), `, ${number(r.times)} times, ${page.ago(r.seen)} ago): `, h("span", { class: "words" }, plain(r.text, 300))])) : "",
    p.no_acks ? h("p", {}, mark("warning"), " These ask for no acks: ", p.no_acks.map((a, i) => [i ? ", " : "", name(a.peer || "a Unix socket"), " of ", name(a.cluster), ` (${page.ago(a.seen)} ago)`]), ".") : "",
  ].filter(Boolean);
  fill(item.notes, notes);
  item.more.hidden = notes.length === 0;
}

export function show(page) {
  const g = page.state.group;
  section.hidden = link.hidden = !g;
  if (!g) return;
  if (!body) table();
  const all = g.pods;
  const busy = (p) => coarse(p.in + p.out);
  const keys = Object.keys(all).sort((a, b) => rank[kindOf(page, a)] - rank[kindOf(page, b)] || busy(all[b]) - busy(all[a]) || (all[a].host < all[b].host ? -1 : 1));
  rows(body, keys, make, (key, item) => update(page, key, item));
  set(document.getElementById("pods-earlier"), (g.more ? `And ${counted(g.more, "pod")} more, in /status. ` : "") + (g.earlier ? `And ${counted(g.earlier, "pod")} that ended earlier: their figures count, /status has them.` : ""));
}
