"""PyTorch yardstick: times one training step of a network of DARTS_V2 cells, auxiliary head and drop-path included.

    python3 -m venv venv && venv/bin/pip install torch numpy
    venv/bin/python tests/peer/torch_train.py --batch 96 --channels 36 --layers 20 --steps 3 [--json]

Random images: only speed and memory are of interest here. Prints seconds a step (median) and peak resident memory. With
--weights FILE it checks instead that PyTorch takes the tensors of a weights file by name, none missing and none left
over, and with --images FILE as well it prints the error on CIFAR-10 records, to compare with `darts test cifar10`. Both
need the package safetensors.
"""
import argparse, json, resource, statistics, time
import torch
from torch import nn
import torch.nn.functional as F

NORMAL = [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
          ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)]
REDUCE = [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
          ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)]
MEAN, STD = (0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348499, 0.26158768)


class Wrapped(nn.Module):
    """A sequence whose weights are named `op.N`."""

    def __init__(self, *layers):
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x):
        return self.op(x)


class Halve(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv_1 = nn.Conv2d(cin, cout // 2, 1, stride=2, bias=False)
        self.conv_2 = nn.Conv2d(cin, cout // 2, 1, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x):
        x = F.relu(x)
        return self.bn(torch.cat([self.conv_1(x), self.conv_2(x[:, :, 1:, 1:])], 1))


def squeeze(cin, cout):
    return Wrapped(nn.ReLU(), nn.Conv2d(cin, cout, 1, bias=False), nn.BatchNorm2d(cout))


def separable(c, k, stride, dilation):
    pad = dilation * (k - 1) // 2
    depthwise = nn.Conv2d(c, c, k, stride, pad, dilation, groups=c, bias=False)
    return [nn.ReLU(), depthwise, nn.Conv2d(c, c, 1, bias=False), nn.BatchNorm2d(c)]


def make_op(name, c, stride):
    if name == "max_pool_3x3":
        return nn.MaxPool2d(3, stride, 1)
    if name == "skip_connect":
        return nn.Identity() if stride == 1 else Halve(c, c)
    if name == "sep_conv_3x3":
        return Wrapped(*separable(c, 3, stride, 1), *separable(c, 3, 1, 1))
    return Wrapped(*separable(c, 3, stride, 2))


class Cell(nn.Module):
    def __init__(self, cpp, cp, c, reduction, prev_reduction):
        super().__init__()
        self.ops = REDUCE if reduction else NORMAL
        self.preprocess0 = Halve(cpp, c) if prev_reduction else squeeze(cpp, c)
        self.preprocess1 = squeeze(cp, c)
        self._ops = nn.ModuleList(make_op(name, c, 2 if reduction and i < 2 else 1) for name, i in self.ops)

    def forward(self, s0, s1, drop):
        states = [self.preprocess0(s0), self.preprocess1(s1)]
        for node in range(4):
            total = 0
            for at in (2 * node, 2 * node + 1):
                op, x = self._ops[at], states[self.ops[at][1]]
                y = op(x)
                if self.training and drop > 0 and not isinstance(op, nn.Identity):
                    y = y * (torch.rand(len(y), 1, 1, 1) >= drop).float() / (1 - drop)
                total = total + y
            states.append(total)
        return torch.cat(states[2:], 1)


class Auxiliary(nn.Module):
    def __init__(self, c, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(), nn.AvgPool2d(5, 3, count_include_pad=False), nn.Conv2d(c, 128, 1, bias=False),
            nn.BatchNorm2d(128), nn.ReLU(), nn.Conv2d(128, 768, 2, bias=False), nn.BatchNorm2d(768), nn.ReLU())
        self.classifier = nn.Linear(768, classes)

    def forward(self, x):
        return self.classifier(self.features(x).flatten(1))


class Network(nn.Module):
    def __init__(self, channels, layers, classes=10):
        super().__init__()
        c = channels
        self.stem = nn.Sequential(nn.Conv2d(3, 3 * c, 3, padding=1, bias=False), nn.BatchNorm2d(3 * c))
        cpp, cp, prev, self.cells = 3 * c, 3 * c, False, nn.ModuleList()
        for layer in range(layers):
            reduction = layer in (layers // 3, 2 * layers // 3)
            c *= 2 if reduction else 1
            self.cells.append(Cell(cpp, cp, c, reduction, prev))
            prev, cpp, cp = reduction, cp, 4 * c
            if layer == 2 * layers // 3:
                self.auxiliary_head = Auxiliary(cp, classes)
        self.classifier = nn.Linear(cp, classes)

    def forward(self, x, drop=0.0):
        s0 = s1 = self.stem(x)
        auxiliary = None
        for layer, cell in enumerate(self.cells):
            s0, s1 = s1, cell(s0, s1, drop)
            if self.training and layer == 2 * len(self.cells) // 3:
                auxiliary = self.auxiliary_head(s1)
        return self.classifier(s1.mean((2, 3))), auxiliary


def check(net, a):
    from safetensors.torch import load_file
    net.load_state_dict(load_file(a.weights), strict=True)
    out = dict(weights=a.weights, tensors=len(net.state_dict()))
    if a.images:
        records = torch.frombuffer(bytearray(open(a.images, "rb").read()), dtype=torch.uint8).reshape(-1, 3073)
        records = records[:a.limit] if a.limit else records
        mean, std = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (MEAN, STD))
        net.eval()
        wrong, loss = 0, 0.0
        with torch.no_grad():
            for part in records.split(a.batch):
                logits, _ = net((part[:, 1:].reshape(-1, 3, 32, 32).float() / 255 - mean) / std)
                wrong += int((logits.argmax(1) != part[:, 0]).sum())
                loss += float(F.cross_entropy(logits, part[:, 0].long(), reduction="sum"))
        out.update(images=len(records), wrong=wrong, loss=loss / len(records))
    return out


def time_steps(net, a):
    sgd = torch.optim.SGD(net.parameters(), 0.025, momentum=0.9, weight_decay=3e-4)
    images, labels = torch.randn(a.batch, 3, 32, 32), torch.randint(0, 10, (a.batch,))

    def step():
        sgd.zero_grad()
        logits, auxiliary = net(images, a.drop)
        (F.cross_entropy(logits, labels) + 0.4 * F.cross_entropy(auxiliary, labels)).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        sgd.step()

    step()
    times = []
    for _ in range(a.steps):
        t = time.perf_counter()
        step()
        times.append(time.perf_counter() - t)
    head = sum(q.numel() for q in net.auxiliary_head.parameters())
    return dict(
        torch=torch.__version__, threads=torch.get_num_threads(), batch=a.batch, channels=a.channels, layers=a.layers,
        parameters=sum(q.numel() for q in net.parameters()) - head, auxiliary_parameters=head,
        train_step_s=round(statistics.median(times), 3),
        peak_resident_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def main():
    p = argparse.ArgumentParser()
    for name, default in dict(batch=96, channels=36, layers=20, steps=3, threads=0, limit=0).items():
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--drop", type=float, default=0.1)
    p.add_argument("--weights")
    p.add_argument("--images")
    p.add_argument("--json", action="store_true")
    a = p.parse_args()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    net = Network(a.channels, a.layers)
    out = check(net, a) if a.weights else time_steps(net, a)
    print(json.dumps(out) if a.json else "\n".join(f"{k}: {v}" for k, v in out.items()))


main()
