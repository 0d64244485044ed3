// Starts the page's module; the address of this script names its two files, whose names have hashes.
const query = new URL(import.meta.url).searchParams;
try {
  const { default: init } = await import(new URL(query.get("js"), import.meta.url));
  await init({ module_or_path: new URL(query.get("wasm"), import.meta.url) });
} catch (error) {
  const boot = document.getElementById("boot");
  if (!boot) throw error;
  boot.querySelector("p").textContent =
    `The page could not start: ${error instanceof Error ? error.message : error}. It needs a browser with WebAssembly.`;
  console.error(error);
}

// Cache everything for use without a server, except for a page served by the command line.
if ("serviceWorker" in navigator && !document.querySelector("meta[name^=darts-]")) {
  try {
    await navigator.serviceWorker.register("offline.js");
    const { active } = await navigator.serviceWorker.ready;
    const loaded = [...document.querySelectorAll("link[href], script[src]")].map((element) => element.href || element.src);
    const modules = [query.get("js"), query.get("wasm"), "browser.js"];
    const engine = ["engine.js", "worker.js", "worker_bg.wasm", "data/cifar10.packed", "data/moonstone.txt"];
    active.postMessage(["./", ...loaded, ...modules, ...engine].map((file) => new URL(file, location.href).href));
  } catch (error) {
    console.info(`This page will not start without its server: ${error}`);
  }
}
