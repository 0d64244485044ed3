// Load of the page's main thread, from Chromium's trace.

/** A task that takes longer than this many milliseconds keeps the page from answering. */
export const LONG = 50;

/**
 * Traces the page while `use` runs. Other processes may take the CPU in the middle of a task, so each has two
 * lengths: wall time and CPU time.
 * @returns {Promise<{ wall: number[], cpu: number[], count: number, busy: number, longest: string[] }>} milliseconds of the
 *   long tasks by either measure; the number of tasks and their total CPU time; the work of the longest
 */
export async function traced(page, use) {
  const browser = page.context().browser();
  await browser.startTracing(page, { categories: ["devtools.timeline", "toplevel", "v8.execute", "blink.user_timing"] });
  await use();
  const { traceEvents: events } = JSON.parse((await browser.stopTracing()).toString());
  const { pid, tid } = mainThread(events);
  const ours = events.filter((event) => event.pid === pid && event.tid === tid && event.ph === "X");
  const tasks = ours.filter((event) => event.name === "RunTask" || event.name === "ThreadControllerImpl::RunTask");
  const long = (field) => tasks.map((task) => (task[field] ?? 0) / 1000).filter((length) => length > LONG).map(Math.round);
  const inside = (task) => {
    const parts = new Map();
    for (const event of ours) {
      if (event === task || event.ts < task.ts || event.ts + (event.dur ?? 0) > task.ts + task.dur) continue;
      parts.set(event.name, (parts.get(event.name) ?? 0) + (event.tdur ?? event.dur ?? 0) / 1000);
    }
    const named = [...parts].sort((a, b) => b[1] - a[1]).slice(0, 8);
    return `${((task.tdur ?? 0) / 1000).toFixed(0)} of ${(task.dur / 1000).toFixed(0)} ms: ${named.map(([name, ms]) => `${name} ${ms.toFixed(0)}`).join(", ")}`;
  };
  const longest = tasks.sort((a, b) => (b.tdur ?? 0) - (a.tdur ?? 0)).slice(0, 6).map(inside);
  const busy = tasks.reduce((sum, task) => sum + (task.tdur ?? 0) / 1000, 0);
  return { wall: long("dur"), cpu: long("tdur"), count: tasks.length, busy, longest };
}

/** The result in words. */
export const timing = ({ wall, cpu, count, busy }) =>
  `${count} tasks with ${(busy / 1000).toFixed(1)} s of work; above ${LONG} ms by the clock: [${wall}], of work: [${cpu}]`;

/** Whether no task was far too long: on a busy CPU, the same work takes up to several times as long. */
export const answers = ({ cpu }) => cpu.every((length) => length < 4 * LONG);

/** The main thread of the process that runs the page: the one with most to do, if there are several. */
function mainThread(events) {
  const threads = events.filter((event) => event.name === "thread_name" && event.args.name === "CrRendererMain");
  const work = ({ pid, tid }) => events.filter((event) => event.pid === pid && event.tid === tid).length;
  return threads.sort((a, b) => work(b) - work(a))[0];
}
