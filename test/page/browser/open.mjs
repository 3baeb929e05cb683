// What check.mjs and shots.mjs share: a browser, and a page that shows a day.

import { existsSync } from "node:fs";
import puppeteer from "puppeteer-core";

const executable = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));

// Bounds every wait; it is no measure of speed.
export const patience = { timeout: 180000 };

export async function browse() {
  return puppeteer.launch({ ...patience, protocolTimeout: patience.timeout, executablePath: executable, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
}

// open returns a page that shows everything, and what has gone wrong in it.
export async function open(browser, url, width, height, scheme) {
  const page = await browser.newPage();
  const faults = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error.stack)));
  page.on("dialog", (dialog) => {
    faults.push("a dialog: " + dialog.message());
    dialog.dismiss();
  });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }, { name: "prefers-reduced-motion", value: "reduce" }]);
  await page.setViewport({ width, height });
  await page.goto(url, { ...patience, waitUntil: "domcontentloaded" });
  await page.waitForSelector("#outputs-table tr.details", patience);
  await page.waitForFunction(() => document.querySelector("#flow svg"), patience);
  return { page, faults };
}
