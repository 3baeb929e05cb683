// Listeners and whom they turned away, certificates, the configuration, and memory.

import { append, attr, fill, h, mark, meter, name, plain, spark } from "./dom.js";
import { clock, counted, number, otherClock, size, span } from "./format.js";
import { problem } from "./outputs.js";
import { who } from "./clusters.js";
import { trouble } from "./verdict.js";

const box = document.getElementById("server-body");
const parts = { configuration: h("div", { id: "configuration", tabindex: "-1" }), listeners: h("div", {}), certificates: h("div", {}), memory: h("div", {}) };
const used = meter("Memory");
const line = spark("Memory");
const memoryText = h("span", {});

function date(ms) {
  return h("time", { datetime: new Date(ms).toISOString(), title: otherClock(ms) }, clock(ms));
}

function configuration(page) {
  const c = page.state.config;
  attr(parts.configuration, "class", trouble(page, "configuration"));
  fill(parts.configuration, h("h3", {}, "Configuration"),
    c.failing && [h("p", {}, mark("warning"), h("strong", {}, " The newest is refused"), ", the one before stays in force. Since ", page.when(c.failing.at), ":"), h("pre", { class: "lines", tabindex: "0" }, plain(c.failing.text))],
    c.restart?.length > 0 && h("p", {}, mark("warning"), " Not in force before a restart: ", c.restart.map((text, i) => [i ? ", " : "", name(text)]), "."),
    h("p", {}, c.source ? name(c.source, 300) : "the defaults", c.hash ? ` (${c.hash})` : "", ", in force since ", date(c.loaded), "."),
    c.warnings?.map((text) => h("p", {}, "Warning: ", plain(text))));
}

function listeners(page) {
  const all = Object.entries(page.state.listeners).sort(([a], [b]) => (a < b ? -1 : 1));
  fill(parts.listeners, h("h3", {}, "Listeners"), all.map(([key, l]) => h("div", { id: "listener/" + key, tabindex: "-1", "data-row": true, class: trouble(page, "listener/" + key) },
    h("p", {}, h("strong", {}, name(key)), " ", name(l.address), `: ${counted(l.conns, "connection")}, acks after ${span(l.p50)}, slow ones ${span(l.p99)}, ${number(l.refused)} refused since the start.`),
    l.away?.length > 0 && h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Whom listener " + key + " turned away" }, h("table", {}, h("caption", {}, "Whom it turned away, the last first"),
      h("thead", {}, h("tr", {}, ["Who", "Reason", "Why", "Times", "Last"].map((head) => h("th", { scope: "col" }, head)))),
      h("tbody", {}, l.away.map((r) => h("tr", {}, h("th", { scope: "row" }, who(r)), h("td", {}, name(r.reason)), h("td", { class: "words" }, plain(r.text)), h("td", { class: "figure" }, number(r.times)), h("td", {}, page.ago(r.seen) + " ago")))))),
    problem(page, "Last error", l.error))));
}

function certificates(page) {
  const all = Object.entries(page.state.certs).sort((a, b) => (a[1].until || Infinity) - (b[1].until || Infinity));
  fill(parts.certificates, h("h3", {}, "Certificates"), all.length === 0 ? h("p", {}, "None is in use.") : h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Certificates" }, h("table", {}, h("caption", { class: "hidden" }, "Certificates, those that end first at the top"),
    h("thead", {}, h("tr", {}, ["Of", "Ends", "Names", "Files"].map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, all.map(([owner, c]) => {
      const left = (c.until - page.now()) / 1000;
      const kind = trouble(page, "certificate/" + owner);
      return h("tr", { id: "certificate/" + owner, tabindex: "-1", class: kind }, h("th", { scope: "row" }, kind ? [mark(kind), " "] : "", name(owner)), h("td", {}, !c.until ? "–" : left < 0 ? ["has ended ", date(c.until)] : ["in " + span(left) + ", ", date(c.until)]),
        h("td", {}, name((c.names ?? []).join(", "))), h("td", {}, name(c.file), c.failing && [": ", h("span", { class: "words" }, plain(c.failing.text))]));
    })))));
}

export function show(page) {
  if (!box.firstChild) {
    append(box, Object.values(parts));
    append(parts.memory, [h("h3", {}, "Memory"), h("p", {}, used.el, " ", line.el), h("p", {}, memoryText)]);
  }
  configuration(page);
  listeners(page);
  certificates(page);
  const m = page.state.memory;
  used.update(m.used_bytes, m.limit_bytes, `${size(m.used_bytes)} of ${size(m.limit_bytes)}`);
  line.update(page.line("memory"), (n) => size(Math.round(n)), page.slots);
  fill(memoryText, `The limit is set by ${m.source || "nobody"}; at full load the configuration has use for ${size(m.need_bytes)}`, m.group_bytes ? `, and the control group allows ${size(m.group_bytes)}` : "", ".", m.limit_bytes < m.need_bytes ? [" ", mark("warning"), " That is less than full load can need."] : "");
}
