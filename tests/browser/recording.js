// Synthetic logs of searches, in the engine's format, so that every moment of them is known.
import { writeFile, open } from "node:fs/promises";

const OPS = 8;
const EDGES = 14;

/** Alphas at a step: every edge drifts towards an op of its own, which changes half way through the run. */
function alphas(step, steps) {
  const late = step > steps / 2;
  const rows = (shift) =>
    Array.from({ length: EDGES }, (_, edge) =>
      Array.from({ length: OPS }, (_, op) => {
        const favourite = 1 + ((edge + shift + (late ? 2 : 0)) % (OPS - 1));
        return Number((((op === favourite ? 1 : 0) * step) / steps + 0.001 * ((edge * 7 + op * 3) % 5)).toFixed(6));
      }),
    );
  return { normal: rows(0), reduce: rows(3) };
}

const SEARCH = {
  order: "first", epochs: 3, batch_size: 16, init_channels: 4, layers: 3, train_images: 320, train_portion: 0.5, seed: 3,
  learning_rate: 0.025, learning_rate_min: 0.001, momentum: 0.9, weight_decay: 0.0003, grad_clip: 5, arch_learning_rate: 0.01,
  arch_betas: [0.5, 0.999], arch_weight_decay: 0.001, kernels: "fused", report_every: 1,
};

/** The derived cells, as the engine has them. */
function genotype({ normal, reduce }) {
  const cell = (rows) => {
    const names = ["none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"];
    const ops = [];
    for (let node = 0, first = 0; node < 4; first += node + 2, node += 1) {
      const ranked = rows.slice(first, first + node + 2).map((row, state) => {
        const total = row.reduce((sum, alpha) => sum + Math.exp(alpha), 0);
        const best = row.reduce((known, alpha, op) => (op > 0 && (known === 0 || alpha > row[known]) ? op : known), 0);
        return [names[best], state, Math.exp(row[best]) / total];
      });
      ranked.sort((a, b) => b[2] - a[2]);
      ops.push(...ranked.slice(0, 2).map(([name, state]) => [name, state]));
    }
    return ops;
  };
  return { normal: cell(normal), normal_concat: [2, 3, 4, 5], reduce: cell(reduce), reduce_concat: [2, 3, 4, 5] };
}

/** The lines of a log. */
export function* lines(epochs, stepsPerEpoch, { every = 1 } = {}) {
  const steps = epochs * stepsPerEpoch;
  const config = { space: "convolutional", ...SEARCH, epochs };
  yield JSON.stringify({
    type: "started", version: 2, config, adapter: "an <img src=x onerror=alert(1)> adapter", backend: "Vulkan", parameters: 72854,
    train_examples: 160, valid_examples: 160, steps_per_epoch: stepsPerEpoch, alphas: alphas(0, steps),
  });
  for (let step = 0; step < steps; step += 1) {
    const share = step / steps;
    const train = { loss: 2.4 - share, accuracy: 0.1 + 0.5 * share };
    const valid = { loss: 2.45 - 0.8 * share, accuracy: 0.1 + 0.4 * share };
    const epoch = Math.floor(step / stepsPerEpoch);
    const event = { type: "step", epoch, step, examples: 16, train, valid, gradient_norm: 1.5, seconds: 0.2 };
    if (step % every === 0) event.alphas = alphas(step + 1, steps);
    yield JSON.stringify(event);
    if (step === Math.floor(steps / 4)) {
      yield JSON.stringify({
        type: "intervention", step: step + 1, intervention: { change: "rates", weights: 0.02, alphas: 0.02 }, alphas: alphas(step + 1, steps),
      });
    }
    if ((step + 1) % stepsPerEpoch === 0) {
      const now = alphas(step + 1, steps);
      yield JSON.stringify({
        type: "epoch", epoch, learning_rate: 0.02, train, valid, examples_per_second: 160, seconds: step * 0.2, alphas: now,
        genotype: genotype(now),
      });
    }
  }
  const last = alphas(steps, steps);
  yield JSON.stringify({ type: "finished", genotype: genotype(last), alphas: last, epochs, seconds: steps * 0.2 });
}

/** The lines of the log of a recurrent search. */
export function* recurrentLines(epochs, stepsPerEpoch) {
  const steps = epochs * stepsPerEpoch;
  const alphas = (step) => ({
    recurrent: Array.from({ length: 36 }, (_, edge) =>
      Array.from({ length: 5 }, (_, op) => {
        const favourite = 1 + ((edge + (step > steps / 2 ? 2 : 0)) % 4);
        return Number((((op === favourite ? 1 + (edge % 3) / 9 : 0) * step) / steps + 0.001 * ((edge * 7 + op * 3) % 5)).toFixed(6));
      }),
    ),
  });
  const names = ["none", "tanh", "relu", "sigmoid", "identity"];
  const genotype = ({ recurrent: rows }) => {
    const recurrent = [];
    for (let node = 0, first = 0; node < 8; first += node + 1, node += 1) {
      let best = [0, 1, -1];
      for (let state = 0; state <= node; state += 1) {
        const total = rows[first + state].reduce((sum, alpha) => sum + Math.exp(alpha), 0);
        for (let op = 1; op < 5; op += 1) {
          const weight = Math.exp(rows[first + state][op]) / total;
          if (weight > best[2]) best = [state, op, weight];
        }
      }
      recurrent.push([names[best[1]], best[0]]);
    }
    return { recurrent, concat: [1, 2, 3, 4, 5, 6, 7, 8] };
  };
  const measure = (loss) => ({ loss, perplexity: Math.exp(loss) });
  const config = { space: "recurrent", epochs, batch_size: 16, hidden: 32, bptt: 10, seed: 3, report_every: 1 };
  yield JSON.stringify({
    type: "started", version: 2, config, adapter: "an adapter", backend: "Vulkan", parameters: 22000, train_examples: 900,
    valid_examples: 100, rows: 100, vocabulary: 50, alphas: alphas(0),
  });
  for (let step = 0; step < steps; step += 1) {
    const [train, valid] = [measure(4 - step / steps), measure(4.2 - (0.8 * step) / steps)];
    const epoch = Math.floor(step / stepsPerEpoch);
    yield JSON.stringify({
      type: "step", epoch, step, row: 10 * ((step % stepsPerEpoch) + 1), examples: 160, train, valid, gradient_norm: 1.5, seconds: 0.2,
      alphas: alphas(step + 1),
    });
    if ((step + 1) % stepsPerEpoch === 0) {
      const now = alphas(step + 1);
      yield JSON.stringify({
        type: "epoch", epoch, train, valid, evaluation: valid, examples_per_second: 1600, seconds: step * 0.2, alphas: now,
        genotype: genotype(now),
      });
      yield JSON.stringify({
        type: "sampled", step: step + 1, temperature: 0.8, seed: epoch, text: `the <img src=x onerror=alert(1)> cat\nafter ${step + 1}`,
      });
    }
  }
  const last = alphas(steps);
  yield JSON.stringify({ type: "finished", genotype: genotype(last), alphas: last, evaluation: measure(3.4), epochs, seconds: steps * 0.2 });
}

/** Writes the lines of a log. */
export const writeLines = (file, lines) => writeFile(file, [...lines].map((line) => `${line}\n`).join(""));

/** Writes a small log. */
export const writeLog = (file, ...run) => writeLines(file, lines(...run));

/** Writes a log of at least so many bytes, and returns its number of steps. */
export async function writeLongLog(file, bytes) {
  const each = [...lines(10, 50)].join("\n").length / 500;
  const stepsPerEpoch = Math.ceil(bytes / each / 1000);
  const out = await open(file, "w");
  let part = "";
  for (const line of lines(1000, stepsPerEpoch)) {
    part += `${line}\n`;
    if (part.length > 1 << 22) {
      await out.write(part);
      part = "";
    }
  }
  await out.write(part);
  await out.close();
  return 1000 * stepsPerEpoch;
}
