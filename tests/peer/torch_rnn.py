"""PyTorch yardstick: times one weight step and one first- or second-order architecture step of the recurrent supernet.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tests/peer/torch_rnn.py --units 300 --batch-size 64 --bptt 35 --steps 3 [--order 2] [--json]

Written from the paper (sections 2.1, 3.1.2 and A.1.2). Random words: only speed and memory are of interest here, and
`darts bench recurrent` times the same. Prints seconds a step (median) and peak resident memory.
"""
import argparse, json, resource, statistics, time
import torch
from torch import nn
import torch.nn.functional as F

NODES, EPSILON = 8, 1e-5
OPS = [torch.tanh, torch.relu, torch.sigmoid, lambda x: x]
# Learning rate, weight decay, largest norm of a gradient, weight of the slowness penalty.
RATE, DECAY, CLIP, SLOWNESS = 20.0, 5e-7, 0.25, 1e-3
# Shares dropped: word vectors and cell input, states, output.
DROPPED = dict(input=(0.2, 0.75), hidden=(0.25,), output=(0.75,))


class Supernet(nn.Module):
    def __init__(self, vocabulary, units):
        super().__init__()
        within = lambda *shape: nn.Parameter(torch.empty(*shape).uniform_(-0.04, 0.04))
        self.words, self.offsets = within(vocabulary, units), nn.Parameter(torch.zeros(vocabulary))
        self.first = within(2 * units, 2 * units)
        self.nodes = nn.ParameterList(within(units, 2 * units) for _ in range(NODES))
        self.alphas = (1e-3 * torch.randn(NODES * (NODES + 1) // 2, 1 + len(OPS))).requires_grad_()

    def masks(self, batch):
        """What a pass drops, the same for all words of a column."""
        units = self.words.shape[1]
        drop = lambda shares: torch.stack([F.dropout(torch.ones(batch, units), share) for share in shares]).prod(0)
        return {name: drop(shares) for name, shares in DROPPED.items()}

    def cell(self, word, hidden, masks, mixing):
        gate, candidate = torch.cat([word, hidden * masks["hidden"]], 1).mm(self.first).chunk(2, 1)
        states = [norm(hidden + gate.sigmoid() * (candidate.tanh() - hidden))]
        edge = 0
        for matrix in self.nodes:
            before = torch.stack(states)
            gate, candidate = (before * masks["hidden"]).matmul(matrix).chunk(2, 2)
            gate = gate.sigmoid()
            shares = mixing[edge:edge + len(states)]
            edge += len(states)
            # The zero op adds nothing.
            state = sum((shares[:, k + 1, None, None] * (before + gate * (op(candidate) - before))).sum(0)
                        for k, op in enumerate(OPS))
            states.append(norm(state))
        return torch.stack(states[1:]).mean(0)

    def forward(self, text, hidden, masks, slowness):
        """Loss of a window of words [length, batch] and those that follow, and the state after it."""
        tokens, targets = text
        words = F.embedding(tokens, self.words) * masks["input"]
        mixing, outputs = F.softmax(self.alphas, 1), []
        for word in words:
            hidden = self.cell(word, hidden, masks, mixing)
            outputs.append(hidden)
        raw = torch.stack(outputs)
        scores = F.linear(raw * masks["output"], self.words, self.offsets)
        loss = F.cross_entropy(scores.flatten(0, 1), targets.flatten())
        return loss + slowness * (raw[1:] - raw[:-1]).pow(2).mean(), hidden.detach()


def norm(state):
    return (state - state.mean(0)) / (state.var(0, unbiased=False) + EPSILON).sqrt()


def main():
    p = argparse.ArgumentParser()
    for name, default in dict(units=300, batch_size=64, bptt=35, vocabulary=10000, steps=3, order=1, threads=0).items():
        p.add_argument("--" + name.replace("_", "-"), type=int, default=default)
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = Supernet(a.vocabulary, a.units)
    params = list(net.parameters())
    sgd = torch.optim.SGD(params, RATE, weight_decay=DECAY)
    adam = torch.optim.Adam([net.alphas], 3e-3, betas=(0.9, 0.999), weight_decay=1e-3)
    window = lambda: torch.randint(0, a.vocabulary, (a.bptt, a.batch_size))
    texts = [(window(), window()) for _ in range(2)]
    hidden = [torch.zeros(a.batch_size, a.units) for _ in range(2)]

    def loss(half, masks, slowness=0.0, keep=False):
        value, after = net(texts[half], hidden[half], masks, slowness)
        if keep:
            hidden[half] = after
        return value

    def weight_step():
        sgd.zero_grad()
        loss(0, net.masks(a.batch_size), SLOWNESS, True).backward()
        nn.utils.clip_grad_norm_(params, CLIP)
        sgd.step()

    def clip(gradients):
        size = torch.sqrt(sum((g * g).sum() for g in gradients))
        return size, torch.clamp(CLIP / (size + 1e-6), max=1.0)

    def architecture_step():
        adam.zero_grad()
        masks = [net.masks(a.batch_size) for _ in range(2)]
        if a.order == 1:
            net.alphas.grad, = torch.autograd.grad(loss(1, masks[1], keep=True), [net.alphas])
        else:
            weights = [w.detach().clone() for w in params]
            gradient = torch.autograd.grad(loss(0, masks[0]), params)
            scale = clip(gradient)[1]
            with torch.no_grad():
                for w, g in zip(params, gradient):
                    w -= RATE * (scale * g + DECAY * w)
            *vector, of_alphas = torch.autograd.grad(loss(1, masks[1], keep=True), params + [net.alphas])
            size, scale_of_vector = clip(vector)
            radius = 1e-2 / (size * scale_of_vector)
            sides = []
            for sign in (1, -1):
                with torch.no_grad():
                    for w, before, v in zip(params, weights, vector):
                        w.copy_(before + sign * radius * scale_of_vector * v)
                sides.append(torch.autograd.grad(loss(0, masks[0]), [net.alphas])[0])
            with torch.no_grad():
                for w, before in zip(params, weights):
                    w.copy_(before)
            net.alphas.grad = of_alphas - RATE * scale * (sides[0] - sides[1]) / (2 * radius)
        adam.step()

    out = dict(torch=torch.__version__, threads=torch.get_num_threads(), parameters=sum(w.numel() for w in params),
               **{name: getattr(a, name) for name in ("units", "batch_size", "bptt", "vocabulary", "order")})
    for name, step in (("weight_step_s", weight_step), ("architecture_step_s", architecture_step)):
        step()
        times = []
        for _ in range(a.steps):
            began = time.perf_counter()
            step()
            times.append(time.perf_counter() - began)
        out[name] = round(statistics.median(times), 3)
    out["peak_resident_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps(out) if a.json else "\n".join(f"{name}: {value}" for name, value in out.items()))


main()
