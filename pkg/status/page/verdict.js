// Is all well, and if not what is wrong, since when, whose, and what to do.

import { attr, fill, h, mark, name, plain, rows, set } from "./dom.js";
import { counted } from "./format.js";

const docs = "https://github.com/seed-afc6a195/aggregator/blob/main/";
const at = (id) => document.getElementById(id);
const words = { critical: "Critical", warning: "Warning", ok: "All is well" };
const few = 4; // findings beside the first that are shown at once
let announced = "";

// target is where a finding's row is on the page.
export function target(finding) {
  return "#" + encodeURIComponent(finding.row);
}

function subject(finding) {
  return h("a", { href: target(finding) }, name(finding.subject));
}

// how says since when, whose events, and what to do. brief leaves out what the text says.
function how(page, finding) {
  const parts = [];
  if (finding.since) parts.push(["Since ", page.when(Date.parse(finding.since)), ". "]);
  if (finding.remedy) parts.push([h("strong", {}, "What to do: "), finding.remedy, ". "]);
  if (finding.chapter) parts.push(h("a", { href: docs + finding.chapter, rel: "noreferrer" }, "More on this", h("span", { class: "hidden" }, ": " + finding.alert)));
  return parts;
}

export function show(page) {
  const v = page.state.verdict;
  const findings = Object.keys(v.findings).sort((a, b) => a - b).map((key) => v.findings[key]);
  attr(at("verdict"), "class", v.severity);
  if (findings.length === 0) {
    fill(at("verdict-text"), mark("ok"), " ", h("span", {}, v.text));
    fill(at("first"));
  } else {
    const [first] = findings;
    fill(at("verdict-text"), mark(first.severity), " ", h("span", { class: "clamp", title: first.text }, h("span", { class: "hidden" }, words[first.severity] + ": "), subject(first), ": ", first.text, "."));
    fill(at("first"), h("p", {}, how(page, first)));
  }
  const rest = findings.slice(1);
  const beyond = Math.max(0, rest.length - few);
  at("findings-more").hidden = beyond === 0;
  set(at("findings-count"), `${counted(beyond, "more finding")}${v.more ? ", and others in /status" : ""}`);
  list(page, at("findings"), rest.slice(0, few));
  list(page, at("findings-rest"), rest.slice(few));
  announce(v, findings);
}

function list(page, into, findings) {
  rows(
    into,
    findings.map((_, i) => String(i)),
    () => {
      const what = h("p", { class: "what" });
      const why = h("p", { class: "how" });
      return { what, why, elements: [h("li", {}, what, why)] };
    },
    (key, item) => {
      const finding = findings[key];
      attr(item.elements[0], "class", finding.severity);
      fill(item.what, mark(finding.severity), " ", h("span", { class: "clamp", title: finding.text }, h("span", { class: "hidden" }, words[finding.severity] + ": "), subject(finding), ": ", finding.text));
      fill(item.why, how(page, finding));
    },
  );
}

// announce tells who listens when something new is wrong, or nothing any more; not each change of a figure.
function announce(v, findings) {
  const what = findings.map((f) => f.severity + f.subject + (f.alert ?? "")).sort().join();
  if (what === announced) return;
  announced = what;
  set(at("announce"), findings.length === 0 ? "All is well." : `${words[v.severity]}: ${plain(findings[0].subject, 80)}. ${counted(findings.length, "finding")}.`);
}

// trouble tells what is found of a row: "critical", "warning" or "".
export function trouble(page, row) {
  let worst = "";
  for (const finding of Object.values(page.state.verdict.findings)) {
    if (finding.row !== row) continue;
    if (finding.severity === "critical") return "critical";
    worst = finding.severity;
  }
  return worst;
}

// place is a row's among what is found, the worst first; those of which nothing is found have the last.
export function place(page, row) {
  const at = Object.entries(page.state.verdict.findings).filter(([, finding]) => finding.row === row).map(([key]) => Number(key));
  return Math.min(1e6, ...at);
}
