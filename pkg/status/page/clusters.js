// The table of clusters: who sends, how much, and which limits are near.

import { attr, fill, h, mark, meter, name, plain, rows, set, spark } from "./dom.js";
import { clock, counted, number, otherClock, size, span } from "./format.js";
import { get } from "./actions.js";
import { coarse } from "./outputs.js";
import { place, trouble } from "./verdict.js";

const box = document.getElementById("clusters-table");
const heads = ["Cluster", "Sends", "Connections", "In the queue", "Last seen", "More"];
const rank = { critical: 0, warning: 1, "": 2 };
const silent = 30 * 60; // seconds, as the alert has it
let body = null;

function table() {
  body = h("tbody", { role: "rowgroup" });
  box.append(h("table", { role: "table", class: "wide" },
    h("caption", { class: "hidden" }, "Clusters: those in trouble first, then the busiest. The lines are of the last 15 minutes."),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))), body));
}

function cell(head, ...children) {
  return h("td", { role: "cell", "data-head": head }, children);
}

function make(page, key) {
  const item = {
    sign: h("span", { class: "sign" }), rate: h("span", { class: "figure" }), line: spark("Events sent"), limit: meter("Rate limit"), conns: h("span", { class: "figure" }), queue: meter("Limit of the queue"),
    seen: h("span", {}), open: h("button", { type: "button", class: "quiet more", "aria-expanded": "false" }, "Agents", h("span", { class: "hidden" }, " of cluster " + plain(key))),
    notes: h("div", {}), agents: h("div", {}), byHand: false,
  };
  const row = h("tr", { role: "row", id: "cluster/" + key, tabindex: "-1", "data-row": true }, h("th", { scope: "row", role: "rowheader" }, item.sign, " ", h("strong", {}, name(key))),
    cell("Sends", item.rate, " ", item.line.el, " ", item.limit.el), cell("Connections", item.conns), cell("In the queue", item.queue.el), cell("Last seen", item.seen), cell("More", h("div", { class: "buttons" }, item.open)));
  const more = h("tr", { role: "row", class: "details", hidden: true }, h("td", { role: "cell", colspan: String(heads.length) }, item.notes, item.agents));
  item.elements = [row, more];
  item.toggle = (on) => {
    more.hidden = !on;
    attr(item.open, "aria-expanded", String(on && item.byHand));
  };
  item.open.addEventListener("click", () => {
    item.byHand = !item.byHand;
    item.toggle(item.byHand || item.notes.childNodes.length > 0);
    if (item.byHand) agents(page, key, item.agents);
    else item.agents.replaceChildren();
  });
  row.addEventListener("show-row", () => {
    if (!item.byHand) item.open.click();
  });
  return item;
}

// kindOf is what is wrong with a cluster: what the verdict has found, or what is noted below its row.
function kindOf(page, key) {
  const c = page.state.clusters[key];
  return trouble(page, "cluster/" + key) || (c.waiting || c.no_acks || c.dropped ? "warning" : "");
}

function update(page, key, item) {
  const c = page.state.clusters[key];
  const kind = kindOf(page, key);
  const quiet = c.seen && (page.now() - c.seen) / 1000 > silent;
  attr(item.elements[0], "class", kind);
  fill(item.sign, mark(kind || (c.rate > 0 ? "ok" : "idle")));
  set(item.rate, number(c.rate) + "/s");
  item.line.update(page.line("cluster.rate/" + key), (n) => number(n) + "/s", page.slots);
  item.limit.el.hidden = !c.limit;
  item.limit.update(c.bytes, c.limit ?? 0, `${size(Math.round(c.bytes))}/s of ${size(c.limit ?? 0)}/s`);
  set(item.conns, number(c.conns) + (c.max_conns ? ` of ${number(c.max_conns)}` : "") + (c.agents ? `, ${counted(c.agents, "agent")}` : ""));
  item.queue.update(c.queue, c.queue_max ?? 0, c.queue || c.queue_max ? size(c.queue) + (c.queue_max ? " of " + size(c.queue_max) : "") : "–");
  fill(item.seen, c.seen ? [h("time", { datetime: new Date(c.seen).toISOString(), title: otherClock(c.seen) }, (page.now() - c.seen) / 1000 < 25 ? "now" : page.ago(c.seen) + " ago"), quiet ? ", silent" : ""] : "never");
  const notes = [
    c.waiting && h("p", {}, mark("warning"), " Its messages wait: ", plain(c.waiting)),
    c.no_acks && noAcks(page, c.no_acks),
    c.dropped && h("p", {}, mark("warning"), ` ${counted(c.dropped, "event")} dropped on arrival in the last 15 minutes, as a rule says.`),
    c.dead && h("p", {}, counted(c.dead, "event") + " became dead letters on arrival since the start."),
  ];
  fill(item.notes, notes);
  item.toggle(item.byHand || Boolean(c.waiting || c.no_acks || c.dropped));
}

// noAcks names who asks for no acks, and the line to add.
function noAcks(page, agents) {
  return h("div", {}, h("p", {}, mark("warning"), " These agents ask for no acks, so what is on its way when a connection breaks is lost: ",
    agents.map((a, i) => [i ? ", " : "", who(a), ` (${page.ago(a.seen)} ago)`]), "."),
    h("p", {}, h("strong", {}, "The line to add: "), "in fluentd's forward output ", h("code", {}, "require_ack_response true"), ", in Fluent Bit's ", h("code", {}, "Require_ack_response On"), "."));
}

export function who(a) {
  return a.hostname ? [name(a.hostname), " at ", name(a.peer || "a Unix socket")] : name(a.peer || "a Unix socket");
}

// agents lists all of a cluster's agents, as the server knows them now.
async function agents(page, key, into) {
  try {
    const status = await get("status");
    const all = status.listeners.flatMap((l) => l.agents.filter((a) => a.cluster === key).map((a) => ({ ...a, listener: l.name })));
    const most = 200;
    into.replaceChildren(all.length === 0 ? h("p", {}, "No agent has been seen since the start.") : h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Agents of " + key }, h("table", {},
      h("caption", {}, `${counted(all.length, "agent")}${all.length > most ? `, the ${most} seen last` : ""}, as of ${clock(Date.now())}`),
      h("thead", {}, h("tr", {}, ["Hostname", "Address", "Listener", "Connections", "Messages", "Asks for acks", "Last seen"].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, all.slice(0, most).map((a) => h("tr", {}, h("th", { scope: "row" }, a.hostname ? name(a.hostname) : "not told"), h("td", {}, name(a.peer || "a Unix socket")), h("td", {}, name(a.listener)),
        h("td", { class: "figure" }, number(a.connections)), h("td", { class: "figure" }, number(a.messages)), h("td", {}, a.asks_acks ? "yes" : [mark("warning"), " no"]), h("td", {}, span((page.now() - Date.parse(a.last_seen)) / 1000) + " ago")))))));
  } catch (error) {
    into.replaceChildren(h("p", {}, "The server does not tell: " + plain(error.message)));
  }
}

export function show(page) {
  if (!body) table();
  const all = page.state.clusters;
  const keys = Object.keys(all).sort((a, b) => rank[kindOf(page, a)] - rank[kindOf(page, b)] || place(page, "cluster/" + a) - place(page, "cluster/" + b) || coarse(all[b].rate) - coarse(all[a].rate) || (a < b ? -1 : 1));
  rows(body, keys, (key) => make(page, key), (key, item) => update(page, key, item));
}
