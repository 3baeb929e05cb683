// Has the page open for a while: node stay.mjs URL SECONDS. It prints a line for each fault.

import { browse, open } from "./open.mjs";

const [, , url, seconds] = process.argv;
const browser = await browse();
const { faults } = await open(browser, url, 1000, 800, "light");
await new Promise((done) => setTimeout(done, 1000 * Number(seconds)));
for (const fault of faults) console.log(fault);
await browser.close();
process.exit(faults.length ? 1 : 0);
