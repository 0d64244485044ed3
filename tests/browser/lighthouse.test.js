// Lighthouse: its scores, and the findings that lower them.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch } from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";
import { CHROMIUM, QUIET, SOFTWARE, built } from "./browser.js";
import { serve } from "./server.js";

let server;
before(async () => {
  built();
  server = await serve();
});
after(() => server?.close());

for (const [form, config] of [["desktop", desktopConfig], ["mobile", undefined]]) {
  test(`Lighthouse, ${form}`, async () => {
    const chrome = await launch({ chromePath: CHROMIUM, chromeFlags: `${QUIET} ${SOFTWARE}`.split(" ") });
    try {
      const onlyCategories = ["performance", "accessibility", "best-practices"];
      const { lhr } = await lighthouse(server.url, { port: chrome.port, logLevel: "error", onlyCategories }, config);
      const scores = Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, Math.round(100 * score)]));
      console.log(`${form}: ${Object.entries(scores).map(([id, score]) => `${id} ${score}`).join(", ")}`);
      const measured = lhr.categories.performance.auditRefs.filter(({ weight }) => weight > 0).map(({ id }) => lhr.audits[id]);
      console.log(measured.map(({ title, displayValue }) => `${title} ${displayValue}`).join(", "));
      const missed = ["accessibility", "best-practices"].flatMap((id) =>
        lhr.categories[id].auditRefs.filter((ref) => ref.weight > 0 && (lhr.audits[ref.id].score ?? 1) < 1).map((ref) => ref.id),
      );
      assert.deepEqual(missed, [], "nothing to mend");
      // Speed depends on the load of the machine; layout shifts do not.
      assert.ok(lhr.audits["cumulative-layout-shift"].numericValue < 0.1, "nothing moves while it loads");
    } finally {
      chrome.kill();
    }
  });
}
