// What check.mjs and shots.mjs share: a browser, and a page that shows a day.

import { existsSync } from "node:fs";
import puppeteer from "puppeteer-core";

const executable = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));

export async function browse() {
  return puppeteer.launch({ executablePath: executable, headless: true, args: ["--no-sandbox", "--disable-gpu"] });
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
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await page.waitForSelector("#outputs-table tr.details", { timeout: 60000 });
  await page.waitForFunction(() => document.querySelector("#flow svg"), { timeout: 60000 });
  return { page, faults };
}
