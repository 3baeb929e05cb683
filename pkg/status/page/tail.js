// The live tail: events as they arrive, or on their way by a route or to an output. It asks for nothing until somebody starts
// it, and sleeps while the page is hidden.

import { append, fill, h, mark, name, plain, set } from "./dom.js";
import { clock, number, otherClock, size } from "./format.js";

const section = document.getElementById("tail");
const box = document.getElementById("tail-body");
const link = document.querySelector("header nav a[href='#tail']");
const most = 200; // events that are kept
const gap = 300; // ms between two changes of the list

const field = (label, input) => h("label", {}, label + " ", input);
const at = h("select", { name: "at" });
const cluster = h("select", { name: "cluster" });
const tag = h("input", { name: "tag", size: 16, placeholder: "kube.**", autocomplete: "off", spellcheck: "false" });
const grep = h("input", { name: "grep", size: 16, placeholder: "error|panic", autocomplete: "off", spellcheck: "false" });
const sample = h("input", { name: "sample", type: "number", min: 1, max: 1000000, value: 1 });
const rate = h("input", { name: "rate", type: "number", min: 1, max: 100, value: 20 });
const startStop = h("button", { type: "submit" }, "Start");
const pause = h("button", { type: "button", class: "quiet", "aria-pressed": "false" }, "Pause");
const clear = h("button", { type: "button", class: "quiet" }, "Clear");
const note = h("p", { class: "facts" });
const state = h("p", { class: "facts" });
const whose = h("p", { class: "facts" });
const said = h("p", { class: "hidden", role: "status" });
const list = h("ol", { class: "tailed" });
const region = h("div", { class: "scroll tall", role: "region", "aria-label": "Events, the newest first", tabindex: "0" }, list);
const form = h("form", { class: "asks", "aria-label": "What the tail shows" }, field("At", at), field("Cluster", cluster), field("Tag", tag), field("Record matches", grep), field("One of", sample), field("At most a second", rate), h("span", { class: "tools" }, startStop, pause, clear));

let page = null;
let running = null; // an AbortController
let wanted = false; // somebody has started it
let paused = false;
let waiting = []; // events that are not in the list yet, the oldest first
let counts = { shown: 0, missed: 0, passed: 0 };
let pods = []; // aggregators of a group that are asked
let problem = "";
let tries = 0;
let timer = 0;

const results = {
  delivered: ["ok", "delivered"],
  retry: ["warning", "sent again"],
  waits: ["paused", "waits for its target"],
  dropped: ["idle", "dropped"],
  dead_letter: ["critical", "dead letter"],
  joined: ["idle", "joined to another event"],
};

// because says why an event has come to what it has.
function because(e) {
  if (e.step) return " by " + e.step;
  if (e.result === "delivered" || e.result === "joined" || !e.result) return "";
  const code = [e.status || "", e.kind].filter(Boolean).join(" ");
  if (e.result === "waits") return code ? ": " + code : "";
  return `: ${e.answer ?? ""}${code ? ` (${code})` : ""}`;
}

const signs = { added: "+", gone: "−", altered: "~" };

function change(c) {
  const kind = c.from === undefined && c.to !== undefined ? "added" : c.to === undefined && c.from !== undefined ? "gone" : "altered";
  const value = (v) => plain(JSON.stringify(v), 400);
  const values = c.from === undefined && c.to === undefined ? "" : kind === "altered" ? [": ", value(c.from), " → ", value(c.to)] : [": ", value(kind === "added" ? c.to : c.from)];
  return h("li", { class: kind }, signs[kind] + " ", name(c.field, 300), values);
}

const effects = { kept: "unchanged", changed: "", dropped: "dropped", dead_letter: "dead letter", held: "held back", skipped: "skipped: when is false", made: "made it" };

function stepOf(s) {
  const words = [s.error ? "failed: " + s.error : "", effects[s.effect] ?? s.effect, s.unseen ? "too large for its changes to be shown" : ""].filter(Boolean).join(", ");
  return h("li", {}, h("strong", {}, name(`${s.filter}[${s.index}] ${s.kind}`)), words ? ": " + plain(words, 400) : "", s.changes ? h("ul", { class: "plain diff" }, s.changes.map(change)) : "");
}

// row is an event: a line, and what more there is of it below, which is made when somebody opens it.
function row(e) {
  const ms = Date.parse(e.time);
  const record = e.record === undefined ? "" : JSON.stringify(e.record);
  const [kind, word] = results[e.result] ?? ["", ""];
  const more = h("div", {});
  const details = h("details", {}, h("summary", {}, h("time", { datetime: e.time, title: otherClock(ms) }, clock(ms)), " ", e.pod ? [h("span", { class: "pod" }, name(e.pod, 60)), " "] : "", name(e.cluster, 60), " ", name(e.tag, 120), ` ${size(e.bytes)} `, word ? h("span", { class: "result " + kind }, e.output && e.at !== e.output ? [name(e.output, 60), ": "] : "", word + plain(because(e), 160), " ") : "", h("code", {}, plain(record, 240))), more);
  details.addEventListener("toggle", () => {
    if (!details.open || more.firstChild) return;
    const way = [e.route ? ["by ", name(e.route)] : "", e.output ? [e.route ? " to " : "to ", name(e.output)] : "", e.target ? [", as ", name(e.target)] : "", e.joined ? `, ${e.joined} events joined` : ""];
    append(more, [
      e.output ? h("p", { class: "facts" }, way) : "",
      e.remedy ? h("p", {}, h("strong", {}, "To do: "), plain(e.remedy)) : "",
      e.detail ? h("p", { class: "words" }, plain(e.detail, 4000)) : "",
      e.steps?.length ? h("ol", { class: "steps" }, e.steps.map(stepOf)) : "",
      record ? h("pre", { tabindex: "0" }, plain(JSON.stringify(e.record, null, 1), 20000)) : "",
      e.id ? h("p", { class: "facts" }, "Id ", h("code", {}, plain(e.id, 100))) : "",
    ]);
  });
  return h("li", {}, details);
}

function paint() {
  timer = 0;
  const busy = list.querySelector("details[open]");
  for (const e of waiting.splice(0)) list.prepend(row(e));
  // What somebody has open stays, as long as there is room for it.
  while (list.children.length > most) {
    const last = list.lastElementChild;
    if (last.contains(busy) && list.children.length < 2 * most) last.previousElementSibling.remove();
    else last.remove();
  }
  tell();
}

function tell() {
  const left = [counts.missed ? `${number(counts.missed)} more were not shown: over the bound, or faster than they are read` : "", counts.passed ? `${number(counts.passed)} came while this was paused and are not shown` : ""].filter(Boolean);
  set(state, problem || (!wanted ? (counts.shown ? "Stopped. " : "") : paused ? "Paused. " : counts.shown ? "Live. " : "Live: nothing has come yet. ") + (counts.shown ? `${number(counts.shown)} shown${list.children.length < counts.shown ? `, the newest ${list.children.length} are here` : ""}. ` : "") + left.join("; ") + (left.length ? "." : ""));
  const live = pods.filter((p) => p.state === "live").map((p) => name(p.host, 60));
  const silent = pods.filter((p) => p.state !== "live").map((p) => [" ", mark("warning"), " Nothing of ", name(p.host, 60), " is shown: ", p.state === "refused" ? plain(p.why, 300) : "it does not answer", "."]);
  fill(whose, wanted && pods.length ? ["Events of ", live.map((p, i) => [i ? ", " : "", p]), ".", silent] : "");
  set(startStop, wanted ? "Stop" : "Start");
  pause.disabled = !wanted;
  pause.setAttribute("aria-pressed", String(paused));
  region.hidden = list.children.length === 0;
}

function take(kind, data) {
  tries = 0;
  if (kind === "missed") counts.missed += data.events;
  else if (kind === "pods") pods = data.pods;
  else if (paused) counts.passed++;
  else {
    counts.shown++;
    waiting.push(data);
    if (waiting.length > most) waiting.shift();
  }
  timer ||= setTimeout(paint, gap);
}

// read asks for events until the stream ends. It is not an EventSource, so that what the server refuses is told in its words.
async function read() {
  running?.abort();
  const mine = (running = new AbortController());
  const query = new URLSearchParams(Object.entries({ at: at.value, cluster: cluster.value, tag: tag.value.trim(), grep: grep.disabled ? "" : grep.value, sample: sample.value > 1 ? sample.value : "", rate: rate.value || 20 }).filter(([, value]) => value));
  let refused = false;
  try {
    const reply = await fetch("tail?" + query, { cache: "no-store", signal: mine.signal });
    if (!reply.ok) {
      refused = reply.status !== 503;
      throw new Error((await reply.text()).trim() || "the server said " + reply.status);
    }
    problem = "";
    tell();
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    let kind = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        else if (line.startsWith("data: ")) take(kind, JSON.parse(line.slice(6)));
      }
    }
    throw new Error("the server has ended the tail");
  } catch (error) {
    if (mine !== running || mine.signal.aborted) return;
    running = null;
    problem = plain(error.message, 500);
    if (refused) {
      wanted = false;
      set(said, "The tail is refused: " + problem);
    } else {
      problem += ". Trying again";
      if (tries === 0) set(said, "The tail has ended; trying again.");
      setTimeout(() => wanted && !running && !document.hidden && read(), Math.min(15e3, 1000 * 2 ** tries++));
    }
    tell();
  }
}

function stop() {
  const was = running;
  running = null;
  was?.abort();
}

// forget empties the list: what comes next is of another question.
function forget() {
  list.replaceChildren();
  waiting = [];
  pods = [];
  counts = { shown: 0, missed: 0, passed: 0 };
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = !wanted;
  problem = "";
  tries = 0;
  paused = false;
  if (wanted) {
    forget();
    read();
  } else stop();
  set(said, wanted ? "The tail is live." : "The tail has stopped.");
  tell();
});
pause.addEventListener("click", () => {
  paused = !paused;
  set(said, paused ? "The tail is paused." : "The tail goes on.");
  tell();
});
clear.addEventListener("click", () => {
  forget();
  tell();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (wanted && !running) read();
});
at.addEventListener("change", allow);
for (const input of [at, cluster, tag, grep, sample, rate]) {
  input.addEventListener("change", () => {
    if (!wanted) return;
    forget();
    read();
  });
}

// allow says what of records is shown to whom.
function allow() {
  const raw = at.value === "arrival";
  grep.disabled = raw && !page.you.words;
  fill(note, page.you.words ? "" : raw ? "Records as they arrive, of which nothing is taken out yet, are shown to who has signed in." : "What steps changed, records that they dropped and a destination's words are shown to who has signed in.", page.you.words || !page.you.sign_in ? "" : [" ", h("a", { href: "login" }, "Sign in")]);
}

// choices fills a list of choices, and leaves the choice that somebody has made; at first it is the first.
function choices(select, ...children) {
  const was = select.options.length ? select.value : children[0].value;
  fill(select, ...children);
  select.value = was;
  if (select.selectedIndex < 0) select.selectedIndex = 0;
}

const option = (value, text) => h("option", { value }, plain(text, 80));
const group = (label, options) => (options.length ? h("optgroup", { label }, options) : "");

export function show(now) {
  page = now;
  section.hidden = link.hidden = !page.you.control && !page.you.sign_in;
  if (!page.you.control) {
    wanted = false;
    stop();
    fill(box, h("p", {}, "Events as they come and go are shown to who has signed in. ", h("a", { href: "login" }, "Sign in")));
    return;
  }
  if (!form.isConnected) {
    box.replaceChildren(form, note, whose, state, said, region);
    tell();
  }
  const s = page.state;
  choices(at, option("arrival", "arrival"), group("on the way to output", Object.keys(s.outputs).sort().map((o) => option(o, o))), group("on the way by route", Object.entries(s.config.routes ?? {}).map(([r, match]) => option(r, `${r}: ${match}`))));
  choices(cluster, option("", "all"), Object.keys(s.clusters).sort().map((c) => option(c, c)));
  allow();
}
