// A search that the browser saves: resumed after a reload, bit for bit.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { artefacts, built, held, ready, saved, stepped, steps, tale, text, until, withPage } from "./browser.js";
import { serve } from "./server.js";

const SMALL = "#channels=2&cells=3&batch=4&images=32&epochs=4&alr=0.02&seed=4";

let server;
before(async () => {
  built();
  server = await serve();
});
after(() => server?.close());

/** All losses, accuracies and shares of ops so far. */
const curves = async (page) => {
  const { bytes } = await saved(page, async () => {
    await page.click("#loss .menu summary");
    await page.getByRole("button", { name: "All curves as CSV" }).click();
  });
  return bytes.toString();
};

async function step(page, count) {
  for (let i = 0; i < count; i += 1) {
    const done = await steps(page);
    await page.click("#step");
    await stepped(page, done + 1);
  }
  await held(page);
}

test("after a reload a search resumes as if nothing had happened, with its interventions", async () => {
  // On the CPU, which has no shaders to compile after each reload.
  await withPage(server.url + SMALL, { flags: "", webgpu: false }, async (page, errors) => {
    await ready(page);
    assert.equal(await page.locator("#kept").count(), 0, "nothing is saved yet");
    await step(page, 2);
    await page.fill("#alr", "0.3");
    await page.press("#alr", "Tab");
    await until(page, () => /rates 0.025 and 0.3/.test(document.querySelector(".time-label").textContent));
    await step(page, 1);
    const early = await curves(page);
    await step(page, 3);
    const whole = await curves(page);

    // The same up to the third step; then the page is gone.
    await page.click("#reset");
    await step(page, 2);
    await page.fill("#alr", "0.3");
    await page.press("#alr", "Tab");
    await until(page, () => /rates 0.025 and 0.3/.test(document.querySelector(".time-label").textContent));
    await step(page, 1);
    assert.equal(await curves(page), early, "a seed fixes the search");
    await page.waitForTimeout(500);
    await page.reload();
    await ready(page);
    await page.waitForSelector("#kept");
    assert.match(await text(page, "#kept"), /Saved search: 3 cells of 2 channels, seed 4, at step 3 of 16\./);
    await page.screenshot({ path: `${artefacts}/kept-1440.png` });
    await page.click("#take-up");
    await held(page);
    assert.equal(await steps(page), 3);
    assert.equal(await curves(page), early, "the page shows the same again");
    await step(page, 3);
    assert.equal(await curves(page), whole, "it resumed bit for bit");
    assert.equal(await page.inputValue("#alr"), "0.3");

    // A damaged search is refused in a sentence, and a deleted one is gone.
    await page.waitForTimeout(500);
    await page.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const opening = indexedDB.open("darts-search");
          opening.onerror = reject;
          opening.onsuccess = () => {
            const store = opening.result.transaction("checkpoint", "readwrite").objectStore("checkpoint");
            store.openCursor().onsuccess = ({ target: { result: cursor } }) => {
              const bytes = cursor.value;
              bytes[bytes.length >> 1] ^= 1;
              cursor.update(bytes).onsuccess = () => {
                opening.result.close();
                resolve();
              };
            };
          };
        }),
    );
    await page.reload();
    await ready(page);
    await page.click("#take-up");
    await until(page, () => /its checkpoint is truncated or corrupt/.test(document.querySelector(".notices").textContent));
    await page.reload();
    await ready(page);
    await page.click("#forget-kept");
    await page.waitForTimeout(300);
    await page.reload();
    await ready(page);
    await page.waitForTimeout(300);
    assert.equal(await page.locator("#kept").count(), 0);
    assert.deepEqual(errors, []);
  });
});

test("so does a search on the user's own text, which is saved with it", async () => {
  await withPage(`${server.url}#task=recurrent&words=60&units=4&bptt=4&batch=2&epochs=50&seed=4`, { flags: "", webgpu: false }, async (page, errors) => {
    await ready(page);
    await page.setInputFiles("#text-file", { name: "mine.txt", mimeType: "text/plain", buffer: Buffer.from(tale("cat")) });
    await until(page, () => /The next search learns from mine\.txt/.test(document.querySelector(".notices").textContent));
    const begin = async () => {
      await step(page, 1);
      await page.click("#recurrent-row-3");
      await page.locator("#edge tr.op-1").getByRole("button", { name: /Take relu out of this edge/ }).click();
      await until(page, () => document.querySelector("#edge tr.op-1 .number").textContent === "out");
      await step(page, 1);
    };
    await begin();
    const early = await curves(page);
    await step(page, 3);
    const whole = await curves(page);
    await page.click("#reset");
    await begin();
    assert.equal(await curves(page), early, "a seed fixes the search");
    assert.equal(await steps(page), 2, "one step is one, also the first");
    await page.waitForTimeout(500);
    await page.reload();
    await ready(page);
    await page.waitForSelector("#kept");
    assert.match(await text(page, "#kept"), /Saved search: a recurrent cell of 4 units, seed 4, on mine\.txt, at step 2\./);
    await page.click("#take-up");
    await held(page);
    assert.equal(await curves(page), early, "the page shows the same again");
    assert.match(await text(page, "#facts"), /words of mine\.txt$/);
    assert.match(await text(page, "#sample"), /\w/, "so is what it wrote");
    await step(page, 3);
    assert.equal(await curves(page), whole, "it resumed bit for bit, with its interventions");
    await page.click("#reset");
    await step(page, 2);
    assert.notEqual(await curves(page), early, "the text is there for another search, too");
    assert.deepEqual(errors, []);
  });
});
