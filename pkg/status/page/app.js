// The page's beginning: it asks the server what there is, and has each part show it.

import { attr, fill, h, plain, set } from "./dom.js";
import { clock, otherClock, setUTC, span } from "./format.js";
import * as verdict from "./verdict.js";
import * as picture from "./picture.js";
import * as outputs from "./outputs.js";
import * as clusters from "./clusters.js";
import * as pods from "./pods.js";
import * as queue from "./queue.js";
import * as letters from "./letters.js";
import * as tail from "./tail.js";
import * as server from "./server.js";
import { reload } from "./actions.js";

// Each part has show(page); one more is a line here and a section in index.html.
const parts = [verdict, picture, outputs, clusters, pods, queue, letters, tail, server];

const own = document.querySelector("meta[name=page]").content;
const slots = 90;
const silence = 15e3; // ms without an event, after which contact is lost
const at = (id) => document.getElementById(id);

// page is what the parts show: state is the server's view, lines has up to 90 points a line.
export const page = {
  state: null,
  you: { control: false, words: false, sign_in: false },
  lines: {},
  slots,
  skew: 0, // ms that the server's clock is ahead
  now: () => Date.now() + page.skew,
  ago: (ms) => span((page.now() - ms) / 1000),
  when: (ms) => h("span", { class: "when" }, h("time", { datetime: new Date(ms).toISOString(), title: otherClock(ms) }, clock(ms)), " (" + page.ago(ms) + " ago)"),
  line: (name) => page.lines[name] ?? [],
};

// merge applies a merge patch (RFC 7396).
export function merge(target, patch) {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const out = target !== null && typeof target === "object" && !Array.isArray(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = merge(Object.hasOwn(out, key) ? out[key] : undefined, value);
  }
  return out;
}

let source = null;
let heard = 0; // when the last event came
let lost = 0; // since when there is no contact
let tries = 0;
let retry = 0;

function show() {
  if (!page.state) return;
  const s = page.state;
  set(at("host"), s.host);
  document.title = ({ critical: "✕ ", warning: "▲ " }[s.verdict.severity] ?? "") + "aggregator " + plain(s.host, 60);
  fill(at("facts"), "version " + s.version + ", up " + span((page.now() - s.started) / 1000) + (s.ready ? "" : ", not ready"));
  at("reload").hidden = !page.you.control;
  at("sign").hidden = !page.you.sign_in || page.you.words;
  for (const part of parts) part.show(page);
}

function contact() {
  const box = at("contact");
  const since = lost ? clock(lost) : "";
  attr(box, "class", lost ? "lost" : source ? "" : "asleep");
  set(at("contact-text"), lost ? `No contact with the server since ${since}: what is shown is from then. Trying again` : page.state ? "Live, " + clock(page.now()) : "Connecting");
  attr(document.body, "data-lost", lost ? "" : undefined);
}

function missed() {
  if (!lost) {
    lost = heard || Date.now();
    set(at("announce"), "Contact with the server is lost.");
  }
  stop();
  contact();
  if (document.hidden) return;
  clearTimeout(retry);
  retry = setTimeout(start, Math.min(15e3, 500 * 2 ** tries++) * (0.7 + 0.6 * Math.random()));
}

function stop() {
  source?.close();
  source = null;
  clearTimeout(retry);
}

function receive(event, use) {
  source.addEventListener(event, (message) => {
    heard = Date.now();
    tries = 0;
    const value = JSON.parse(message.data);
    if (value.time) page.skew = value.time - heard;
    use(value);
    if (lost) {
      lost = 0;
      set(at("announce"), "Contact with the server is back.");
    }
    contact();
  });
}

function start() {
  stop();
  heard = Date.now();
  source = new EventSource("live");
  source.onerror = missed;
  receive("hello", (value) => {
    // Another version of the server has another page; once is enough, should something in between keep an old one.
    if (value.page !== own && sessionStorage.getItem("page") !== value.page) {
      sessionStorage.setItem("page", value.page);
      location.reload();
    }
    page.you = value.you;
  });
  receive("all", (value) => {
    page.state = value.all;
    page.lines = value.lines;
    show();
  });
  receive("patch", (value) => {
    page.state = merge(page.state, value.patch);
    show();
  });
  receive("point", (value) => {
    for (const name of new Set([...Object.keys(page.lines), ...Object.keys(value.points)])) {
      const line = (page.lines[name] ??= []);
      line.push(value.points[name] ?? -1);
      if (line.length > slots) line.shift();
      if (line.every((point) => point < 0)) delete page.lines[name];
    }
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stop();
  } else {
    tries = 0;
    start();
  }
  contact();
});

setInterval(() => {
  if (document.hidden) return;
  if (source && Date.now() - heard > silence) missed();
  else contact();
}, 1000);

at("zone").addEventListener("click", () => zone(localStorage.getItem("zone") !== "utc"));
function zone(utc) {
  localStorage.setItem("zone", utc ? "utc" : "local");
  setUTC(utc);
  set(at("zone"), utc ? "Local time" : "UTC");
  attr(at("zone"), "aria-label", utc ? "Show times in local time" : "Show times in UTC");
  contact();
  show();
}
zone(localStorage.getItem("zone") === "utc");
at("reload").addEventListener("click", () => reload(page));

// A link to a row opens it and takes the focus there.
function follow() {
  const row = at(decodeURIComponent(location.hash.slice(1)));
  if (!row || !row.dataset.row) return;
  row.dispatchEvent(new CustomEvent("show-row"));
  row.focus();
}
addEventListener("hashchange", follow);

if (!document.hidden) start();
