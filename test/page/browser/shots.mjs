// Makes pictures of the page: node shots.mjs DIRECTORY DAY=URL… Each is at the beginning of the page, as it is seen first.

import { browse, open } from "./open.mjs";

const [, , into, ...days] = process.argv;
const browser = await browse();
const all = [["bad", 1000, 800, "light", "page-bad-day.png"], ["normal", 1000, 640, "dark", "page-normal-day-dark.png"], ["bad", 360, 740, "dark", "page-phone-dark.png"], ["normal", 360, 740, "light", "page-phone.png"]];
for (const [day, width, height, scheme, name] of all) {
  const url = days.find((d) => d.startsWith(day + "=")).slice(day.length + 1);
  const { page } = await open(browser, url, width, height, scheme);
  await page.screenshot({ path: `${into}/${name}`, optimizeForSpeed: false });
  await page.close();
}
await browser.close();
