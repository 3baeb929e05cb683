// Dead letters by cause, with an example, and sending them again.

import { append, fill, h, name, plain, rows, set } from "./dom.js";
import { counted, number, size } from "./format.js";
import { ask, example, offers, resend } from "./actions.js";

const box = document.getElementById("letters-body");
const lead = h("p", { class: "lead" });
const heads = ["Refused by", "Reason", "Events", "Of", "Do"];
const body = h("tbody", { role: "rowgroup" });
const table = h("table", { role: "table", class: "wide" }, h("caption", { class: "hidden" }, "Dead letters by cause, those with the most events first"),
  h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads.map((head) => h("th", { scope: "col", role: "columnheader" }, head)))), body);

function make(page, key) {
  const cause = () => page.state.letters.causes[key];
  const c = cause();
  const item = { events: h("span", { class: "figure" }), of: h("span", {}), show: h("button", { type: "button", class: "quiet" }, "Example"), again: h("button", { type: "button" }, "Send again…") };
  for (const button of [item.show, item.again]) button.append(h("span", { class: "hidden" }, ` of ${plain(c.reason)}${c.output ? " by " + plain(c.output) : ""}`));
  item.show.addEventListener("click", () => showExample(page, cause() ?? c));
  item.again.addEventListener("click", () => resend(page, cause() ?? c));
  const cell = (head, ...children) => h("td", { role: "cell", "data-head": head }, children);
  item.elements = [h("tr", { role: "row" }, h("th", { scope: "row", role: "rowheader" }, c.output ? name(c.output) : "no output: on arrival"), cell("Reason", name(c.reason)), cell("Events", item.events), cell("Of", item.of), cell("Do", h("div", { class: "buttons" }, item.show, " ", item.again)))];
  return item;
}

function update(page, key, item) {
  const c = page.state.letters.causes[key];
  set(item.events, number(c.events));
  const clusters = Object.entries(c.clusters).sort((a, b) => b[1] - a[1]);
  fill(item.of, clusters.slice(0, 4).map(([cluster, n], i) => [i ? ", " : "", name(cluster), clusters.length > 1 ? " " + number(n) : ""]), clusters.length > 4 ? ` and ${clusters.length - 4} more` : "");
  item.show.hidden = item.again.hidden = !page.you.control;
}

// showExample shows the newest of a cause: what was refused, why, and where in it; a destination's words only to who may see them.
async function showExample(page, c) {
  const into = h("div", {}, h("p", {}, "Asking the server…"));
  ask(["An example: ", name(c.reason), c.output ? [" by ", name(c.output)] : ""], into, "", null);
  document.getElementById("ask-do").hidden = true;
  try {
    const letter = await example(new URLSearchParams({ output: c.output || "-", reason: c.reason }));
    if (!letter) {
      into.replaceChildren(h("p", {}, "None is there any more."));
      return;
    }
    const records = letter.records ?? (letter.record === undefined ? [] : [letter.record]);
    into.replaceChildren(
      h("p", {}, `Letter ${letter.id}, ${counted(letter.events, "event")} of cluster `, name(letter.cluster), ", tag ", name(letter.tag), ", refused ", page.when(Date.parse(letter.time)), letter.attempts > 1 ? `, after ${letter.attempts} attempts` : "", letter.status ? `, status ${letter.status}` : "", "."),
      h("p", {}, h("strong", {}, "Where and why: "), h("span", { class: "words" }, !letter.detail ? plain(letter.reason) : page.you.words ? plain(letter.detail) : "the destination's own words are shown to who has signed in.")),
      records.length > 0 ? h("pre", { tabindex: "0" }, plain(JSON.stringify(records[0], null, 1), 20000)) : letter.raw ? h("p", {}, "It is no readable event: the command aggregator dead show " + letter.id + " has its bytes.") : "",
      ...offers(page, letter),
    );
  } catch (error) {
    into.replaceChildren(h("p", {}, plain(error.message)));
  }
}

export function show(page) {
  if (!box.firstChild) append(box, [lead, table]);
  const l = page.state.letters;
  const keys = Object.keys(l.causes).sort((a, b) => l.causes[b].events - l.causes[a].events || (a < b ? -1 : 1));
  table.hidden = keys.length === 0;
  fill(lead, l.events === 0 ? "None: nothing was refused for good." : [`${counted(l.events, "event")} in ${counted(l.letters, "letter")} refused for good and kept, ${size(l.bytes)}; the newest `, page.when(l.newest), ".",
    l.evicted ? ` ${counted(l.evicted, "event")} deleted in the last hour by max_size or max_age.` : "", page.you.control ? "" : " Who may see records can look at them here."]);
  rows(body, keys, (key) => make(page, key), (key, item) => update(page, key, item));
}
