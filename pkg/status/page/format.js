// Numbers, sizes and times as people read them. All texts are English, so numbers are too.

const thousands = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

// number: 7, 0.4, 12,400, 1.24 M.
export function number(n) {
  if (n >= 999_950_000) return (n / 1e9).toPrecision(3).replace(/\.?0+$/, "") + " G";
  if (n >= 999_950) return (n / 1e6).toPrecision(3).replace(/\.?0+$/, "") + " M";
  if (n > 0 && n < 9.95 && n % 1 !== 0) return n.toFixed(1).replace(".0", "");
  return thousands.format(n);
}

// counted: "1 event", "12,400 events".
export function counted(n, one) {
  return number(n) + " " + one + (n === 1 ? "" : "s");
}

// size: 512 B, 1.4 GiB.
export function size(bytes) {
  let unit = -1;
  let n = bytes;
  while (n >= 999.5 && unit < 5) {
    n /= 1024;
    unit++;
  }
  return unit < 0 ? n + " B" : Number(n.toPrecision(3)) + " " + "KMGTPE"[unit] + "iB";
}

// span: 41 ms, 1.2 s, 12 min, 3.5 h, 2 d.
export function span(seconds) {
  const s = Math.max(0, seconds);
  if (s < 0.0995) return Math.round(s * 1000) + " ms";
  if (s < 9.95) return Number(s.toFixed(1)) + " s";
  if (s < 119.5) return Math.round(s) + " s";
  if (s < 119.5 * 60) return Math.round(s / 60) + " min";
  if (s < 48 * 3600) return Number((s / 3600).toFixed(1)) + " h";
  return Math.round(s / 86400) + " d";
}

let utc = false;

export function setUTC(on) {
  utc = on;
}

function write(ms, inUTC) {
  const date = new Date(ms);
  const options = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: inUTC ? "UTC" : undefined };
  if (Math.abs(Date.now() - ms) > 12 * 3600e3) Object.assign(options, { year: "numeric", month: "short", day: "numeric" });
  return date.toLocaleString("en-GB", options) + (inUTC ? " UTC" : "");
}

// clock is a time of day, with the date where it is not today's, in the zone that the reader has chosen.
export function clock(ms) {
  return write(ms, utc);
}

// otherClock is the same in the other zone.
export function otherClock(ms) {
  return write(ms, !utc) + (utc ? " here" : "");
}
