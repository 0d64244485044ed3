// Loads the engine into this worker and says how far it is; what goes wrong is said too, so that nobody waits for ever.
const failed = (error) =>
  postMessage({ type: "failed", message: `the engine could not be loaded: ${error instanceof Error ? error.message : error}` });

async function download(file) {
  const response = await fetch(file, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${file} answered ${response.status}`);
  // A compressed answer tells its compressed length, which is no measure of what arrives here; some servers tell the other.
  const packed = response.headers.get("content-encoding") !== null;
  const length = response.headers.get(packed ? "x-unpacked-length" : "content-length");
  const total = length === null ? undefined : Number(length);
  let received = 0;
  let told = 0;
  const count = new TransformStream({
    transform(chunk, controller) {
      received += chunk.length;
      if (received - told > 250_000) {
        told = received;
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
