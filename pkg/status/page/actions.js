// What the page can have the server do. Each says before what it will do, and after what the server answered.

import { append, fill, h, name, plain, set } from "./dom.js";
import { counted, number, span } from "./format.js";

const at = (id) => document.getElementById(id);
const dialog = at("ask");
let act = null;

at("ask-close").addEventListener("click", () => dialog.close());
at("ask-do").addEventListener("click", async () => {
  if (!act) return;
  const doing = act;
  act = null;
  at("ask-do").hidden = true;
  set(at("ask-answer"), "Asking the server…");
  try {
    set(at("ask-answer"), await doing());
  } catch (error) {
    set(at("ask-answer"), "Not done: " + error.message);
  }
  set(at("ask-close"), "Close");
});

// ask opens the dialog: title and body say what will be done, and doing does it and returns what was said.
export function ask(title, body, verb, doing) {
  fill(at("ask-title"), title);
  at("ask-body").replaceChildren();
  append(at("ask-body"), body);
  set(at("ask-answer"), "");
  set(at("ask-do"), verb);
  set(at("ask-close"), "Cancel");
  at("ask-do").hidden = false;
  act = doing;
  dialog.showModal();
}

// post asks for a change and returns the server's words; each is called with a reply's lines as they come.
export async function post(path, each) {
  const reply = await fetch(path, { method: "POST", cache: "no-store" });
  if (!reply.ok) throw new Error((await reply.text()).trim() || "the server said " + reply.status);
  if (!each) return (await reply.text()).trim();
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) each(JSON.parse(line));
  }
  return "";
}

export async function get(path) {
  const reply = await fetch(path, { cache: "no-store" });
  if (!reply.ok) throw new Error((await reply.text()).trim() || "the server said " + reply.status);
  return reply.json();
}

// controlOutput has an output paused, resumed, or tried again.
export function controlOutput(page, output, what) {
  const o = page.state.outputs[output];
  const q = page.state.queue;
  const say = {
    pause: [
      `What waits for it (${counted(o.pending, "event")}) and what comes stays in the queue until somebody resumes it. Nothing is lost, and the other outputs go on.`,
      o.rate > 0 ? `It delivers ${number(o.rate)} events/s now, which the queue will hold instead.` : "",
      q.max > 0 ? `The queue is ${Math.round((100 * q.disk) / q.max)} % full: when it is full, agents get no acks, of whatever output.` : "",
    ],
    resume: [`What waits for it (${counted(o.pending, "event")}) is delivered, the oldest first, as fast as the destination takes it.`],
    retry: [`It waits no longer${o.next ? " (the next try would be in " + span((o.next - page.now()) / 1000) + ")" : ""}: what the destination did not take is sent again now. If it is refused again, the wait begins anew.`],
  }[what];
  const verb = { pause: "Pause", resume: "Resume", retry: "Retry now" }[what];
  ask([verb + ": output ", name(output)], say.filter(Boolean).map((text) => h("p", {}, text)), verb, () => post("outputs/" + encodeURIComponent(output) + "/" + what));
}

export function reload(page) {
  const c = page.state.config;
  ask("Reload the configuration", [
    h("p", {}, "The server reads ", c.source ? name(c.source, 300) : "its configuration", " again and puts it in force if it has no mistakes. Connections stay; what is refused changes nothing, and is said here."),
  ], "Reload", () => post("reload"));
}

// resend sends dead letters again, after it has shown where one of them would go.
export function resend(page, cause, cluster) {
  const query = new URLSearchParams({ output: cause.output || "-", reason: cause.reason });
  if (cluster) query.set("cluster", cluster);
  const events = cluster ? cause.clusters[cluster] : cause.events;
  const preview = h("div", { class: "preview" }, h("p", {}, "Looking where the newest of them would go…"));
  ask(["Send again: ", counted(events, "event"), cause.output ? [" to output ", name(cause.output)] : " by the routes as they are now"], [
    h("p", {}, cause.output ? "They go back into the queue for the output that refused them" : "They go through the routes", ", with the filters and names of the configuration in force. Those that are refused again become dead letters again."),
    preview,
  ], "Send again", async () => {
    let last = {};
    await post("dead-letters/retry?" + query, (step) => {
      last = step;
      if (step.error) throw new Error(step.error);
      set(at("ask-answer"), counted(step.events, "event") + " sent again so far…");
    });
    const left = Object.entries(last.skipped ?? {}).map(([why, n]) => `${number(n)} stayed: ${plain(why)}`);
    return [`${counted(last.events ?? 0, "event")} in ${counted(last.letters ?? 0, "letter")} sent again.`, last.why, ...left].filter(Boolean).join(" ");
  });
  example(query).then(
    (letter) => preview.replaceChildren(...(letter ? offers(page, letter) : [h("p", {}, "None is there any more.")])),
    (error) => preview.replaceChildren(h("p", {}, "It can't be told where they would go: " + plain(error.message))),
  );
}

// example returns the newest letter of a cause, with what would be made of it.
export async function example(query) {
  const list = await get("dead-letters?" + new URLSearchParams([...query, ["limit", "1"], ["newest", "true"]]));
  const [first] = list.letters;
  return first ? get("dead-letters/" + first.id) : null;
}

export function offers(page, letter) {
  const offered = letter.would_offer ?? [];
  const list = offered.map((o) => h("li", {}, o.output ? ["output ", name(o.output)] : "nowhere", o.target ? [", as ", name(o.target)] : "", o.reason ? ": nothing, " + o.reason : "",
    o.document !== undefined || o.text ? h("pre", { tabindex: "0" }, plain(o.document !== undefined ? JSON.stringify(o.document, null, 1) : o.text, 20000)) : ""));
  return [h("p", {}, "The newest, of ", page.when(Date.parse(letter.time)), ", would go to:"), list.length ? h("ul", {}, list) : h("p", {}, "nowhere: see the command aggregator dead show " + letter.id)];
}
