// How the page is made of what the server says: every text becomes a text node, and never anything else.

const hidden = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;

// plain makes a stranger's text fit to be shown: what is hidden in it, what turns it around or breaks lines shows as an escape.
export function plain(value, most = 5000) {
  let text = String(value ?? "");
  if (text.length > most) text = text.slice(0, most) + "… (" + text.length + " characters)";
  return text.replace(hidden, (c) => (c === "\n" ? c : "\\u{" + c.codePointAt(0).toString(16) + "}"));
}

// h makes an element. Attributes are set as they are, so they must be the page's own, but for the texts of aria-label and
// title; children are elements, or texts that become text.
export function h(tag, attributes, ...children) {
  const el = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === false) continue;
    el.setAttribute(name, value === true ? "" : name === "title" || name === "aria-label" ? plain(value) : value);
  }
  append(el, children);
  return el;
}

export function append(el, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false || child === "") continue;
    el.append(child instanceof Node ? child : plain(child));
  }
}

// fill replaces what is in el, unless it would be the same: so that neither focus nor selection is lost.
export function fill(el, ...children) {
  const next = document.createElement(el.tagName);
  append(next, children);
  if (el.innerHTML !== next.innerHTML) el.replaceChildren(...next.childNodes);
}

// set changes a text where it differs.
export function set(el, value) {
  const text = plain(value);
  if (el.textContent !== text) el.textContent = text;
}

export function attr(el, name, value) {
  if (value === undefined || value === null || value === false) el.removeAttribute(name);
  else if (el.getAttribute(name) !== String(value)) el.setAttribute(name, value);
}

// name shows a name that others chose: it stands apart from the direction of what surrounds it.
export function name(text, most = 200) {
  return h("bdi", {}, plain(text, most));
}

const kept = new WeakMap();

// rows keeps parent's children in step with keys: make(key) makes the elements of one, update(key, elements) brings them up to
// date. While somebody is at work within, the order stays.
export function rows(parent, keys, make, update) {
  if (!kept.has(parent)) kept.set(parent, new Map());
  const known = kept.get(parent);
  const wanted = new Set(keys);
  for (const [key, item] of known) {
    if (wanted.has(key)) continue;
    for (const el of item.elements) el.remove();
    known.delete(key);
  }
  const busy = parent.contains(document.activeElement);
  let after = null;
  for (const key of keys) {
    let item = known.get(key);
    const fresh = !item;
    if (fresh) {
      item = make(key);
      known.set(key, item);
    }
    update(key, item);
    const first = item.elements[0];
    const before = after ? after.nextSibling : parent.firstChild;
    if (fresh || (first !== before && !busy)) {
      for (const el of item.elements) {
        parent.insertBefore(el, after ? after.nextSibling : parent.firstChild);
        after = el;
      }
    } else {
      after = item.elements.at(-1);
    }
  }
}

const space = "http://www.w3.org/2000/svg";

// s makes an element of SVG.
export function s(tag, attributes, ...children) {
  const el = document.createElementNS(space, tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined) el.setAttribute(name, name === "aria-label" ? plain(value) : value);
  }
  append(el, children);
  return el;
}

const marks = {
  critical: "M3 3l10 10M13 3L3 13",
  warning: "M8 2.5L14.5 13.5H1.5zM8 6.5v3.4M8 11.6v.4",
  paused: "M5 3v10M11 3v10",
  ok: "M2.5 8.5l4 4 7-9",
  idle: "M3 8h10",
  behind: "M8 2a6 6 0 1 1 0 12a6 6 0 1 1 0-12M8 4.8V8l2.4 1.6",
};

// mark is a sign whose shape says what its colour does.
export function mark(kind) {
  return s("svg", { class: "mark " + kind, viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" }, s("path", { d: marks[kind] }));
}

const width = 92;
const height = 22;

// spark draws a line of points, oldest first; a negative one is missing.
export function spark(label) {
  const path = s("path", { class: "line" });
  const area = s("path", { class: "area" });
  const svg = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, width, height, role: "img" }, area, path);
  return {
    el: svg,
    update(points, format, slots) {
      const most = Math.max(...points, 0);
      attr(svg, "aria-label", plain(points.length ? `${label}, last 15 minutes: now ${format(Math.max(0, points.at(-1)))}, at most ${format(most)}` : `${label}: not known yet`));
      let line = "";
      let fill = "";
      let start = null;
      const step = (width - 2) / (slots - 1);
      points.forEach((value, i) => {
        if (value < 0) {
          if (start !== null) fill += `V${height - 1}H${start}z`;
          start = null;
          return;
        }
        const x = Math.round((width - 1 - (points.length - 1 - i) * step) * 10) / 10;
        const y = Math.round((height - 2 - (most > 0 ? (value / most) * (height - 4) : 0)) * 10) / 10;
        line += (start === null ? "M" : "L") + x + " " + y;
        fill += start === null ? `M${x} ${height - 1}L${x} ${y}` : `L${x} ${y}`;
        start ??= x;
      });
      if (start !== null) fill += `V${height - 1}H${start}z`;
      attr(path, "d", line);
      attr(area, "d", fill);
    },
  };
}

// meter shows how much of a limit is used.
export function meter(label) {
  const bar = s("rect", { x: 0, y: 0, height: 6, rx: 2, class: "used" });
  const svg = s("svg", { class: "meter", viewBox: "0 0 100 6", width: 100, height: 6, preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { x: 0, y: 0, width: 100, height: 6, rx: 2, class: "room" }), bar);
  const text = h("span", {});
  return {
    el: h("span", { class: "metered" }, text, " ", svg),
    update(used, limit, words) {
      const share = limit > 0 ? Math.min(1, used / limit) : 0;
      attr(bar, "width", Math.round(share * 100));
      attr(bar, "class", "used" + (share >= 0.9 ? " critical" : share >= 0.7 ? " warning" : ""));
      attr(svg, "hidden", limit > 0 ? undefined : "");
      set(text, words);
      attr(text, "title", plain(label + ": " + words));
    },
  };
}

// moment is a time, in the reader's zone, with the other one as its title.
export function moment(ms, clock, otherClock) {
  const el = h("time", { datetime: new Date(ms).toISOString(), title: otherClock(ms) }, clock(ms));
  return el;
}
