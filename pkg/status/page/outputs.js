// The table of outputs: those in trouble first, then the busiest.

import { attr, fill, h, mark, name, plain, rows, set, spark } from "./dom.js";
import { clock, counted, number, otherClock, size, span } from "./format.js";
import { get, controlOutput } from "./actions.js";
import { place, trouble } from "./verdict.js";

const box = document.getElementById("outputs-table");
export const late = 60; // seconds that an output may be behind, of which nothing is found, to be shown as in order
const heads = ["Output", "State", "Behind", "Waiting", "Delivers", "Do"];
let body = null;

function table() {
  body = h("tbody", { role: "rowgroup" });
  box.append(h("table", { role: "table", class: "wide" },
    h("caption", { class: "hidden" }, "Outputs: those in trouble first, then the busiest. The lines are of the last 15 minutes."),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))), body));
}

function cell(head, ...children) {
  return h("td", { role: "cell", "data-head": head }, children);
}

function make(page, key) {
  const sign = h("span", { class: "sign" });
  const kind = h("small", {});
  const state = h("span", {});
  const lag = h("span", { class: "figure" });
  const waiting = h("span", { class: "figure" });
  const rate = h("span", { class: "figure" });
  const lines = { lag: spark("Behind"), waiting: spark("Waiting"), rate: spark("Delivered") };
  const pause = h("button", { type: "button" });
  const retry = h("button", { type: "button", class: "quiet" }, "Retry now");
  const open = h("button", { type: "button", class: "quiet more", "aria-expanded": "false" }, "Details");
  const details = h("td", { role: "cell", colspan: String(heads.length) });
  const row = h("tr", { role: "row", id: "output/" + key, tabindex: "-1", "data-row": true },
    h("th", { scope: "row", role: "rowheader" }, sign, " ", h("strong", {}, name(key)), " ", kind),
    cell("State", state), cell("Behind", lag, " ", lines.lag.el), cell("Waiting", waiting, " ", lines.waiting.el), cell("Delivers", rate, " ", lines.rate.el), cell("Do", h("div", { class: "buttons" }, pause, " ", retry, " ", open)));
  const more = h("tr", { role: "row", class: "details", hidden: true }, details);
  const item = { elements: [row, more], sign, kind, state, lag, waiting, rate, lines, pause, retry, open, details, opened: null, last: "" };
  const toggle = (on) => {
    item.opened = on;
    more.hidden = !on;
    attr(open, "aria-expanded", String(on));
  };
  item.toggle = toggle;
  open.addEventListener("click", () => {
    toggle(more.hidden);
    item.byHand = true;
    detail(page, key, item);
  });
  row.addEventListener("show-row", () => {
    toggle(true);
    item.byHand = true;
    detail(page, key, item);
  });
  pause.addEventListener("click", () => controlOutput(page, key, page.state.outputs[key].state === "paused" ? "resume" : "pause"));
  retry.addEventListener("click", () => controlOutput(page, key, "retry"));
  for (const button of [pause, retry, open]) button.append(h("span", { class: "hidden" }, " output " + plain(key)));
  return item;
}

const signs = { critical: "critical", warning: "warning" };

function update(page, key, item) {
  const o = page.state.outputs[key];
  const kind = trouble(page, "output/" + key);
  const [row] = item.elements;
  attr(row, "class", kind);
  fill(item.sign, mark(o.state === "paused" ? "paused" : kind ? signs[kind] : o.lag > late ? "behind" : o.state === "idle" && !o.rate ? "idle" : "ok"));
  set(item.kind, o.type + (o.server ? ", " + o.server : ""));
  set(item.state, o.text);
  set(item.lag, o.lag > 0 ? span(o.lag) : "–");
  set(item.waiting, o.pending > 0 ? number(o.pending) + (o.bytes > 0 ? ", " + size(o.bytes) : "") : "–");
  set(item.rate, number(o.rate) + "/s");
  item.lines.lag.update(page.line("output.lag/" + key), span, page.slots);
  item.lines.waiting.update(page.line("output.events/" + key), number, page.slots);
  item.lines.rate.update(page.line("output.rate/" + key), (n) => number(n) + "/s", page.slots);
  const gone = o.state === "unconfigured" || o.state === "removed";
  item.pause.hidden = !page.you.control || gone;
  item.retry.hidden = !page.you.control || gone || !(o.state === "retrying" || o.state === "refused" || o.next || Object.keys(o.targets ?? {}).length > 0);
  set(item.pause.firstChild.nodeType === 3 ? item.pause.firstChild : item.pause.insertBefore(document.createTextNode(""), item.pause.firstChild), o.state === "paused" ? "Resume" : "Pause");
  if (!item.byHand && item.opened !== Boolean(kind)) item.toggle(Boolean(kind));
  if (item.opened) detail(page, key, item);
}

// problem shows an error whole, with its age; one that is over is grey and says so.
export function problem(page, label, error) {
  if (!error) return "";
  const over = error.ended ? [" It is over since ", h("time", { datetime: new Date(error.ended).toISOString(), title: otherClock(error.ended) }, clock(error.ended)), "."] : "";
  return h("p", { class: error.ended ? "error over" : "error" }, h("strong", {}, label + ": "), h("span", { class: "words" }, plain(error.text)), " ", page.when(error.at), ".", over);
}

function detail(page, key, item) {
  const o = page.state.outputs[key];
  const targets = Object.entries(o.targets ?? {});
  const down = Object.entries(o.hosts ?? {}).filter(([, why]) => why !== "");
  const facts = [
    `Workers that may send: ${o.workers}.`, o.p99 > 0 ? `Slow requests take ${span(o.p99)} (99 of 100 less).` : "", o.done > 0 && o.lag > 5 ? `Caught up in about ${span(o.done)}.` : "",
    o.next > page.now() ? `Next try in ${span((o.next - page.now()) / 1000)}.` : "", o.dead ? counted(o.dead, "event") + " became dead letters since the start." : "",
    o.dropped ? counted(o.dropped, "event") + " dropped lately, as a rule says." : "",
  ];
  fill(item.details,
    problem(page, "Last error", o.error),
    down.length > 0 && h("ul", { class: "plain" }, down.map(([address, why]) => h("li", {}, mark("warning"), " Server ", name(address), " is down: ", h("span", { class: "words" }, plain(why)), ". ", h("span", {}, `${Object.keys(o.hosts).length - down.length} of ${Object.keys(o.hosts).length} are up.`)))),
    targets.length > 0 && waits(page, targets, o.targets_more ?? 0, o.state === "running" || o.state === "idle"),
    o.held?.length > 0 && h("p", {}, mark("warning"), " Held until what was refused of them is taken: ", o.held.map((c, i) => [i ? ", " : "", name(c)]), "."),
    o.notices?.map((text) => h("p", {}, plain(text))),
    shares(o),
    paces(o),
    h("p", { class: "facts" }, facts.filter(Boolean).join(" ")),
  );
  if (o.filters && !item.steps) {
    item.steps = h("div", {});
    const button = h("button", { type: "button", class: "quiet" }, "What its filters do");
    button.addEventListener("click", () => filters(key, item.steps));
    item.extra = h("div", {}, button, item.steps);
  }
  if (item.extra && item.details.lastChild !== item.extra) item.details.append(item.extra);
}

// waits is the list of targets whose events wait aside.
function waits(page, targets, more, flows) {
  targets.sort((a, b) => b[1].events - a[1].events);
  return h("div", {}, h("p", {}, mark("warning"), ` Events for ${counted(targets.length + more, "target")} wait aside${flows ? "; all others are delivered" : ""}:`),
    h("ul", { class: "plain" }, targets.map(([target, t]) => h("li", {}, h("strong", {}, name(target)), `: ${counted(t.events, "event")}, ${size(t.bytes)}, since `, h("time", { datetime: new Date(t.since).toISOString(), title: otherClock(t.since) }, clock(t.since)), t.why ? [": ", h("span", { class: "words" }, plain(t.why))] : "",
       t.clusters?.length ? [" (of ", t.clusters.map((c, i) => [i ? ", " : "", name(c)]), ")"] : "", t.next > page.now() ? `, next try in ${span((t.next - page.now()) / 1000)}` : "", ".",
      t.remedy ? [" ", h("strong", {}, "What to do: "), plain(t.remedy), "."] : ""))),
    more > 0 && h("p", {}, `And ${number(more)} more.`));
}

// shares says whose events wait, those with the most first.
function shares(o) {
  const all = Object.entries(o.clusters ?? {}).filter(([, c]) => c.n > 0).sort((a, b) => b[1].n - a[1].n);
  if (all.length === 0) return "";
  const named = all.slice(0, 12);
  return h("p", {}, h("strong", {}, "Whose events wait: "), named.map(([cluster, c], i) => [i ? ", " : "", name(cluster), " " + number(c.n) + (c.a > 5 && c.a < 0.8 * o.lag ? ` (the oldest for ${span(c.a)})` : "")]),
    all.length > named.length ? `, and ${number(all.length - named.length)} more clusters ${number(all.slice(12).reduce((sum, [, c]) => sum + c.n, 0))}` : "", ".");
}

function paces(o) {
  const all = Object.entries(o.paces ?? {}).filter(([, p]) => p.throttled > 0 || p.bytes || p.records || p.requests);
  if (all.length === 0) return "";
  return h("p", {}, h("strong", {}, "Pace: "), all.map(([stream, p], i) => [i ? "; " : "", name(stream), " ",
    [p.bytes && size(Math.round(p.bytes)) + "/s", p.records && number(p.records) + " records/s", p.requests && number(p.requests) + " requests/s"].filter(Boolean).join(", ") || "no limit", p.throttled ? `, throttled ${counted(p.throttled, "time")}` : ""]), ".");
}

async function filters(key, into) {
  try {
    const status = await get("status");
    const steps = status.outputs.find((o) => o.name === key)?.steps ?? [];
    into.replaceChildren(h("table", {}, h("caption", {}, "Filters to this output, since they were last changed"),
      h("thead", {}, h("tr", {}, ["Route", "Step", "In", "Out", "Dropped", "Errors", "Time an event"].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, steps.map((step) => h("tr", {}, h("th", { scope: "row" }, name(step.route)), h("td", {}, name(`${step.filter}[${step.index}] ${step.kind}`)),
        [step.in, step.out, step.dropped, step.errors].map((n) => h("td", { class: "figure" }, number(n))), h("td", { class: "figure" }, (step.in ? (1e6 * step.seconds) / step.in : 0).toFixed(1) + " µs"))))));
  } catch (error) {
    into.replaceChildren(h("p", {}, "The server does not tell: " + error.message));
  }
}

export function show(page) {
  if (!body) table();
  const all = page.state.outputs;
  const keys = Object.keys(all).sort((a, b) => place(page, "output/" + a) - place(page, "output/" + b) || coarse(all[b].rate) - coarse(all[a].rate) || (a < b ? -1 : 1));
  rows(body, keys, (key) => make(page, key), (key, item) => update(page, key, item));
}

// coarse keeps rows from changing places for little.
export function coarse(rate) {
  return rate > 0 ? Math.round(Math.log2(rate + 1)) : 0;
}
