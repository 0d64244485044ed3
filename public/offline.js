// Caches the files of the page, so that it also starts without its server. The server comes first, then the cache.
const KEPT = "darts-page";

self.addEventListener("install", (event) => event.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// The page lists its files once it runs; those not needed so far are fetched now.
self.addEventListener("message", (event) => {
  const files = Array.isArray(event.data) ? event.data.filter((file) => ours(file)) : [];
  event.waitUntil(keep(files));
});

const ours = (address) => {
  try {
    return new URL(address, self.location).href.startsWith(new URL("./", self.location).href);
  } catch {
    return false;
  }
};

async function keep(files) {
  const cache = await caches.open(KEPT);
  const wanted = new Set(files.map((file) => new URL(file, self.location).href));
  // Files of an older page are deleted: their names have hashes.
  for (const request of await cache.keys()) if (!wanted.has(request.url)) await cache.delete(request);
  for (const file of wanted) {
    if (await cache.match(file)) continue;
    try {
      const response = await fetch(file);
      if (response.ok) await cache.put(file, response);
    } catch {
      // A missing file may be there next time.
    }
  }
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !ours(request.url)) return;
  const page = request.mode === "navigate";
  event.respondWith(
    fetch(request).then(
      async (response) => {
        const cache = await caches.open(KEPT);
        const known = page ? new URL("./", self.location).href : request.url;
        if (response.ok && (await cache.match(known))) event.waitUntil(cache.put(known, response.clone()));
        return response;
      },
      async (error) => {
        const cache = await caches.open(KEPT);
        const kept = await cache.match(page ? new URL("./", self.location).href : request.url);
        if (kept) return kept;
        throw error;
      },
    ),
  );
});
