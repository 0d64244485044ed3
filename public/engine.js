// Loads the engine into this worker and reports progress and errors, so that the page never waits in vain.
const failed = (error) =>
  postMessage({ type: "failed", message: `the engine could not be loaded: ${error instanceof Error ? error.message : error}` });

async function download(file) {
  const response = await fetch(file, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${file} answered ${response.status}`);
  // The content-length of a compressed response counts compressed bytes; some servers also report the other length.
  const packed = response.headers.get("content-encoding") !== null;
  const length = response.headers.get(packed ? "x-unpacked-length" : "content-length");
  const total = length === null ? undefined : Number(length);
  let received = 0;
  let reported = 0;
  const count = new TransformStream({
    transform(chunk, controller) {
      received += chunk.length;
      if (received - reported > 250_000) {
        reported = received;
        postMessage({ type: "loading", received, total });
      }
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(count), { headers: { "content-type": "application/wasm" } });
}

try {
  importScripts("worker.js");
  download("worker_bg.wasm")
    .then((response) => wasm_bindgen({ module_or_path: response }))
    .catch(failed);
} catch (error) {
  failed(error);
}
