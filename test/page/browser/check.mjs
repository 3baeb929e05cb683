// Looks at the page as a real browser shows it: node check.mjs DAY URL. It prints a line for each fault, and nothing where all is well.

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { browse, open, patience } from "./open.mjs";

const [, , day, url] = process.argv;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await browse();
const say = (...words) => console.log(day + ":", ...words);

// press works an element by the keyboard: a click goes to a place, from which an update may just have moved it.
async function press(page, selector) {
  await page.focus(selector);
  await page.keyboard.press("Enter");
}

// tail has the live view show events of every kind, opened, and looks at it.
async function tail(page, world, where) {
  const first = await page.$$eval("#tail select", (all) => all.map((el) => el.value));
  if (first[0] !== "arrival" || first[1] !== "") say(`${where}: at first the tail shows ${first}`);
  await page.select("#tail select[name=at]", await page.$eval("#tail optgroup option", (el) => el.value));
  await press(page, "#tail button[type=submit]");
  await page.waitForFunction(() => document.querySelectorAll(".tailed > li").length >= 8, patience);
  await press(page, "#tail button[aria-pressed]");
  await page.waitForFunction(() => /Paused/.test(document.querySelector("#tail-body").textContent), patience);
  await page.evaluate(() => {
    for (const el of [...document.querySelectorAll(".tailed details")].slice(0, 8)) el.open = true;
  });
  await page.waitForFunction(() => document.querySelector(".tailed .diff") && /more were not shown/.test(document.querySelector("#tail-body").textContent), patience);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) say(`${where}: with a tail it scrolls sideways by ${over} px`);
  const { violations } = await world.evaluate(() => globalThis.axe.run("#tail", { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
  for (const v of violations) say(`${where}: tail: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
  await page.$eval("#tail input[name=tag]", (el) => (el.value = "["));
  await press(page, "#tail button[type=submit]"); // stops
  await press(page, "#tail button[type=submit]");
  await page.waitForFunction(() => /is not closed/.test(document.querySelector("#tail-body").textContent), patience);
  if (!(await page.$eval("#tail button[type=submit]", (el) => el.textContent === "Start"))) say(`${where}: a refused tail seems to go on`);
}

for (const scheme of ["light", "dark"]) {
  for (const width of [360, 1000, 2560]) {
    const { page, faults } = await open(browser, url, width, 800, scheme);
    const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) say(`at ${width} px it scrolls sideways by ${over} px`);
    // The page's policy keeps scripts out of its own world; axe runs beside it.
    const world = await page.mainFrame().isolatedRealm();
    await world.evaluate(axe);
    const { violations } = await world.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }));
    for (const v of violations) say(`at ${width} px, ${scheme}: ${v.id}: ${v.help}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(" | ")}`);
    if (day !== "new" && day !== "hostile" && width >= 1000) {
      const seen = await page.evaluate(() => [...document.querySelectorAll("#verdict-text, #first, #flow svg")].map((el) => el.getBoundingClientRect().bottom));
      if (seen.some((bottom) => bottom > 800)) say(`at ${width} px the verdict and the picture end at ${seen} px, beyond what is seen without scrolling`);
    }
    // What the verdict says is read whole, and a cluster with a note is not shown as in order.
    if (day !== "hostile") {
      const cut = await page.$$eval("#verdict .clamp", (all) => all.filter((el) => el.scrollHeight > el.clientHeight + 2).map((el) => el.textContent.slice(0, 80)));
      for (const text of cut) say(`at ${width} px the verdict is cut: ${text}`);
    }
    const odd = await page.$$eval("#clusters-table tr.details:not([hidden])", (all) => all.filter((el) => el.querySelector(".mark.warning") && el.previousElementSibling.querySelector(".mark.ok")).length);
    if (odd) say(`at ${width} px ${odd} clusters are shown as in order above what is wrong with them`);
    if (await page.$("#tail form")) await tail(page, world, `at ${width} px, ${scheme}`);
    const owned = await page.evaluate(() => ({ title: document.title, scripts: document.scripts.length, images: document.images.length, handlers: document.querySelectorAll("[onerror],[onload],[onclick]").length }));
    if (owned.title.includes("owned") && day !== "hostile" || owned.title === "owned" || owned.scripts !== 1 || owned.images !== 0 || owned.handlers !== 0) say("a text became more than text:", JSON.stringify(owned));
    const marks = await page.evaluate(() => /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/.exec(document.body.textContent)?.[0].codePointAt(0));
    if (marks !== undefined) say(`a hidden character is shown as it is: U+${marks.toString(16)}`);
    for (const fault of faults) if (!fault.includes("400 (Bad Request)")) say(`at ${width} px: ${fault}`);
    await page.close();
  }
}

// The keyboard reaches the rows' details, and what a button will do is said before it is done.
const { page } = await open(browser, url, 1000, 800, "light");
if (await page.$("#outputs-table tr:not(.details) button:not(.quiet):not([hidden])")) {
  await press(page, "#outputs-table tr:not(.details) button:not(.quiet):not([hidden])");
  const asked = await page.evaluate(() => document.querySelector("dialog").open && document.querySelector("#ask-body").textContent.length > 40);
  if (!asked) say("a button does not say what it will do");
  await page.keyboard.press("Escape");
}
await browser.close();
