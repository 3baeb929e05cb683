// The picture: clusters, the queue and outputs, with what flows between them as wide as it is much. Those in trouble and
// the busiest have a name, the rest is summed.

import { plain, s } from "./dom.js";
import { late } from "./outputs.js";
import { number, size, span } from "./format.js";
import { place, trouble } from "./verdict.js";

const box = document.getElementById("flow");
let last = null;

// chosen are those with a name, and the sum of the rest.
function chosen(items, most) {
  items.sort((a, b) => a.place - b.place || b.rate - a.rate || (a.name < b.name ? -1 : 1));
  if (items.length <= most) return items;
  const rest = items.slice(most - 1);
  return [
    ...items.slice(0, most - 1),
    { name: `${rest.length} others`, other: true, rate: rest.reduce((sum, i) => sum + i.rate, 0), pending: rest.reduce((sum, i) => sum + (i.pending ?? 0), 0), trouble: "", note: "" },
  ];
}

// fit cuts a name to about so many pixels.
function fit(text, pixels) {
  const letters = Math.max(4, Math.floor(pixels / 7.4));
  const clean = plain(text).replaceAll("\n", " ");
  return clean.length > letters ? clean.slice(0, letters - 1) + "…" : clean;
}

const shapes = { critical: "M-4-4l8 8M4-4l-8 8", warning: "M0-5L5.5 4.5h-11z", paused: "M-3-4v8M3-4v8", "": "" };

export function show(page) {
  last = page;
  const width = box.clientWidth;
  if (width === 0) return;
  const state = page.state;
  const narrow = width < 560;
  const rowHeight = narrow ? 31 : 27;
  const most = narrow ? 6 : 8;
  const left = chosen(
    Object.entries(state.clusters).map(([name, c]) => ({ name, rate: c.rate, place: place(page, "cluster/" + name), trouble: trouble(page, "cluster/" + name), href: "#" + encodeURIComponent("cluster/" + name) })),
    most,
  );
  const right = chosen(
    Object.entries(state.outputs).map(([name, o]) => ({
      name, rate: o.rate, pending: o.pending, paused: o.state === "paused", lag: o.lag, place: place(page, "output/" + name), trouble: trouble(page, "output/" + name), href: "#" + encodeURIComponent("output/" + name),
    })),
    most,
  );
  const height = Math.max(left.length, right.length, 3) * rowHeight + 26;
  const side = narrow ? Math.floor(width * 0.34) : Math.min(300, Math.floor(width * 0.3));
  const mid = narrow ? 64 : 130;
  const x = { left: side, queue: Math.floor((width - mid) / 2), right: width - side };
  const total = Math.max(1, left.reduce((sum, i) => sum + i.rate, 0), right.reduce((sum, i) => sum + i.rate, 0));
  const wide = (rate) => (rate > 0 ? Math.max(1.2, (rate / total) * Math.min(60, height * 0.4)) : 1);
  const y = (list, i) => 22 + (height - 26 - list.length * rowHeight) / 2 + (i + 0.5) * rowHeight;
  const middle = 22 + (height - 26) / 2;

  const edges = s("g", {});
  const labels = s("g", {});
  const spread = (list) => {
    const sum = list.reduce((all, item) => all + wide(item.rate), 0);
    let from = middle - sum / 2;
    return list.map((item) => {
      const w = wide(item.rate);
      from += w;
      return from - w / 2;
    });
  };
  const joinsLeft = spread(left);
  const joinsRight = spread(right);
  const edge = (x1, y1, x2, y2, item) => {
    const bend = (x2 - x1) / 2;
    const kind = item.trouble || (item.paused ? "warning" : "");
    edges.append(s("path", {
      class: "edge " + kind, d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, "stroke-width": wide(item.rate).toFixed(1), "stroke-dasharray": item.rate > 0 ? undefined : "3 4",
    }));
  };
  const label = (item, px, py, anchor, note) => {
    const kind = item.paused ? "paused" : item.trouble;
    const room = side - 24;
    const figures = narrow ? "" : " " + note;
    const text = s("text", { x: px, y: py + 4, "text-anchor": anchor, class: "label " + (item.trouble || "") },
      s("tspan", { class: "name" }, fit(item.name, room - figures.length * 6.6)), s("tspan", { class: "figure" }, figures));
    if (narrow) text.append(s("tspan", { class: "figure", x: px, dy: 12 }, note));
    if (narrow) text.setAttribute("y", py - 1);
    const sign = s("path", { class: "sign " + (item.trouble || ""), d: shapes[kind], transform: `translate(${anchor === "end" ? px + 9 : px - 9} ${py})` });
    const link = item.href ? s("a", { href: item.href }, text, sign) : s("g", {}, text, sign);
    labels.append(link);
  };
  left.forEach((item, i) => {
    edge(x.left, y(left, i), x.queue, joinsLeft[i], item);
    label(item, x.left - 16, y(left, i), "end", number(item.rate) + "/s");
  });
  right.forEach((item, i) => {
    edge(x.queue + mid, joinsRight[i], x.right, y(right, i), item);
    const behind = item.lag > (item.trouble ? 5 : late) ? `, ${span(item.lag)} behind` : "";
    label(item, x.right + 16, y(right, i), "start", narrow && behind ? span(item.lag) + " behind" : number(item.rate) + "/s" + behind);
  });
  box.replaceChildren(s("svg", { class: narrow ? "narrow" : "", width, height, viewBox: `0 0 ${width} ${height}`, role: "group", "aria-labelledby": "picture-title" },
    s("g", { class: "heads", "aria-hidden": "true" },
      s("text", { x: x.left - 16, y: 12, "text-anchor": "end" }, "Clusters"), s("text", { x: width / 2, y: 12, "text-anchor": "middle" }, "Queue"), s("text", { x: x.right + 16, y: 12 }, "Outputs")),
    edges, store(state, trouble(page, "queue"), x.queue, mid, height, narrow), labels));
}

// store is the queue: how full it is, and how much waits.
function store(state, kind, x, width, height, narrow) {
  const q = state.queue;
  const share = q.max > 0 ? Math.min(1, q.disk / q.max) : 0;
  const top = 20;
  const tall = height - top - 4;
  const full = Math.round(tall * share);
  const center = x + width / 2;
  const line = (text, dy, cls) => s("text", { x: center, y: top + tall / 2 + dy, "text-anchor": "middle", class: cls }, text);
  return s("a", { href: "#queue", class: "store " + kind },
    s("rect", { x, y: top, width, height: tall, rx: 6, class: "room" }),
    s("rect", { x, y: top + tall - full, width, height: full, rx: Math.min(6, full / 2), class: "used" }),
    line(number(q.events), -8, "big"), line(q.events === 1 ? "event waits" : "events wait", 6, "small"),
    line(narrow ? Math.round(share * 100) + " % full" : size(q.disk) + ", " + Math.round(share * 100) + " %", 22, "small"));
}

new ResizeObserver(() => {
  const width = box.clientWidth;
  if (last && width !== Number(box.firstElementChild?.getAttribute("width"))) show(last);
}).observe(box);
