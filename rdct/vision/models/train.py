"""Train the built-in network: ``python -m rdct.vision.models.train --data DIR -o FILE``.

The defaults are the run that made the shipped weights. Every batch is drawn from a generator seeded
by (seed, iteration), so that a resumed run sees the batches the unbroken one would have seen.
Checkpoints and the exported weights are safetensors; nothing is pickled.
"""

from __future__ import annotations

import argparse
import copy
import json
import queue
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.multiprocessing
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, distributed, nn

from rdct.vision import metrics
from rdct.vision.models.bisenet import CompactBiSeNet

IGNORE = 11
NUM_CLASSES = 11
#: Rare and thin classes (pole, sign, fence, pedestrian, bicyclist) that crops are aimed at.
RARE = (2, 6, 7, 9, 10)


# ---------------------------------------------------------------------------------------- pictures


class Pictures:
    """Pictures and labels of one folder pair, decoded once and kept as uint8."""

    def __init__(self, images: Path, labels: Path) -> None:
        files = sorted(p for p in images.iterdir() if p.suffix in (".png", ".webp"))
        if not files:
            raise FileNotFoundError(f"no .png or .webp pictures in {images}")
        self.images, self.labels = [], []
        for file in files:
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            label = next(
                (
                    cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
                    for path in (labels / (file.stem + ".png"), labels / (file.stem + ".webp"))
                    if path.exists()
                ),
                None,
            )
            if image is None or label is None:
                raise FileNotFoundError(f"{file} or its label in {labels} is missing or unreadable")
            if label.ndim == 3:
                # Lossless WebP has no grey mode: the index is in every channel.
                label = label[..., 0]
            self.images.append(np.ascontiguousarray(image[..., ::-1]))
            self.labels.append(np.where(label < NUM_CLASSES, label, IGNORE).astype(np.uint8))
        # Which pictures hold a rare class, and at most 512 of the places where.
        rng = np.random.default_rng(0)
        self.places: dict[int, list[tuple[int, np.ndarray]]] = {c: [] for c in RARE}
        for index, label in enumerate(self.labels):
            for c in RARE:
                yx = np.argwhere(label == c)
                if len(yx) >= 20:
                    self.places[c].append((index, yx[rng.integers(0, len(yx), 512)]))

    def __len__(self) -> int:
        return len(self.images)

    def frequencies(self) -> np.ndarray:
        """Share of each class among the labelled pixels."""
        count = np.zeros(256, np.int64)
        for label in self.labels:
            count += np.bincount(label.ravel(), minlength=256)
        return count[:NUM_CLASSES] / count[:NUM_CLASSES].sum()


def _colour(image: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Gamma, contrast, brightness and channel gains in one table; saturation; blur and noise."""
    ramp = np.linspace(0, 1, 256)[:, None] ** np.exp(jitter * rng.uniform(-0.45, 0.45))
    gain = np.exp(jitter * rng.uniform(-0.3, 0.3)) * np.exp(jitter * rng.uniform(-0.08, 0.08, 3))
    contrast = np.exp(jitter * rng.uniform(-0.3, 0.3))
    table = (ramp - 0.5) * contrast + 0.5 + jitter * rng.uniform(-0.1, 0.1)
    table = np.clip(table * gain * 255, 0, 255).astype(np.uint8)
    image = cv2.LUT(image, table.reshape(1, 256, 3))
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        keep = rng.uniform(0.4, 1.4)
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < 0.15:
        noise = np.empty(image.shape, np.int16)
        cv2.setRNGSeed(int(rng.integers(1 << 31)))
        cv2.randn(noise, 0, rng.uniform(2, 8))
        image = cv2.add(image, noise, dtype=cv2.CV_8U)
    return image


def _crop(
    pictures: Pictures, size: tuple[int, int], rare: float, jitter: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """One augmented crop: a single warp scales, shears a little, flips and cuts out."""
    height, width = size
    centre = None
    if rng.random() < rare:
        choices = pictures.places[int(rng.choice(RARE))]
        if choices:
            index, yx = choices[rng.integers(len(choices))]
            centre = yx[rng.integers(len(yx))][::-1].astype(np.float64)
    if centre is None:
        index = int(rng.integers(len(pictures)))
    image, label = pictures.images[index], pictures.labels[index]
    scale = np.exp(rng.uniform(np.log(0.55), np.log(2.0)))
    sx, sy = scale * np.exp(rng.uniform(-0.1, 0.1)), scale
    full = np.array([image.shape[1], image.shape[0]], np.float64)
    window = np.array([width / sx, height / sy])
    free = full - window
    low, high = np.minimum(free, 0), np.maximum(free, 0)
    if centre is None:
        corner = rng.uniform(low, high)
    else:
        # Somewhere in the middle two thirds of the window, and inside the picture if it fits.
        corner = np.clip(centre - window * rng.uniform(0.17, 0.83, 2), low, high)
    angle = np.deg2rad(rng.normal(0, 2.5))
    linear = np.array([[np.cos(angle) / sx, -np.sin(angle) / sy], [np.sin(angle) / sx, np.cos(angle) / sy]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1
    middle = corner + window / 2
    offset = middle - linear @ np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.concatenate((linear, offset[:, None]), 1)
    flags = cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(
        image,
        matrix,
        (width, height),
        flags=flags | cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    labels = cv2.warpAffine(
        label,
        matrix,
        (width, height),
        flags=flags | cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=IGNORE,
    )
    return (_colour(warped, jitter, rng) if rng.random() < 0.85 else warped), labels


def batches(
    real: Pictures, rendered: Pictures | None, args: argparse.Namespace, start: int, rank: int
) -> queue.Queue:
    """This process's part of batches `start`.., made ahead by a thread (OpenCV frees the GIL)."""
    ahead: queue.Queue = queue.Queue(maxsize=4)

    def work() -> None:
        for iteration in range(start, args.iterations):
            # The last quarter is for real pictures only: the network ends where it will work.
            share = args.rendered_share if iteration < 0.75 * args.iterations else 0.0
            pairs = []
            for index in range(rank, args.batch, args.workers):
                rng = np.random.default_rng([args.seed, iteration, index])
                source = real
                if rng.random() < share and rendered is not None:
                    source = rendered
                pairs.append(_crop(source, tuple(args.crop), args.rare, args.jitter, rng))
            ahead.put(tuple(np.stack(part) for part in zip(*pairs, strict=True)))

    threading.Thread(target=work, daemon=True).start()
    return ahead


# ------------------------------------------------------------------------------------------ losses


def lovasz_softmax(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Lovasz extension of the Jaccard loss over the classes present (Berman et al., 2018).

    Parameters
    ----------
    probabilities : torch.Tensor
        ``[P, K]`` float.
    labels : torch.Tensor
        ``[P]`` int64, none ignored.
    """
    losses = []
    for c in range(probabilities.shape[1]):
        truth = (labels == c).float()
        total = truth.sum()
        if total < 1:
            continue
        errors, order = torch.sort((truth - probabilities[:, c]).abs(), descending=True)
        truth = truth[order]
        hits = truth.cumsum(0)
        jaccard = 1 - (total - hits) / (total + (1 - truth).cumsum(0))
        gradient = torch.cat((jaccard[:1], jaccard[1:] - jaccard[:-1]))
        losses.append(torch.dot(errors, gradient))
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0


def _stretch(small: int, size: int, first: int) -> Tensor:
    """Matrix ``[small, size / 2]``: bilinear up-sampling to `size`, every second place kept."""
    rows = F.interpolate(torch.eye(small)[None], size=size, mode="linear", align_corners=False)
    return rows[0, :, first::2].contiguous()


def total_loss(
    outputs: tuple[Tensor, ...], labels: Tensor, weights: Tensor, lovasz: float, phase: int
) -> Tensor:
    """Weighted cross-entropy, the same on the auxiliary heads, and (late) a Lovasz term.

    At full size the up-sampling and the softmax would cost a third of an iteration, so the main
    head is judged on every second pixel of every second row; which ones, `phase` says.
    """
    logits, *others = outputs
    y, x = divmod(phase % 4, 2)
    height, width = labels.shape[-2:]
    logits = logits @ _stretch(logits.shape[-1], width, x)
    logits = _stretch(logits.shape[-2], height, y).T @ logits
    truth = labels[:, y::2, x::2]
    loss = F.cross_entropy(logits, truth, weights, ignore_index=IGNORE)
    for other in others:
        step = labels.shape[-1] // other.shape[-1]
        small = labels[:, step // 2 :: step, step // 2 :: step]
        loss = loss + 0.4 * F.cross_entropy(other.float(), small, weights, ignore_index=IGNORE)
    if lovasz:
        # Sorting every pixel would cost more than the network: one in 16 is plenty.
        y, x = divmod(phase // 4 % 4, 2)
        some = logits[:, :, y::2, x::2].permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
        truth = truth[:, y::2, x::2].reshape(-1)
        keep = truth != IGNORE
        loss = loss + lovasz * lovasz_softmax(some[keep].softmax(1), truth[keep])
    return loss


# ----------------------------------------------------------------------- scores, files, the run


@torch.no_grad()
def score(model: nn.Module, pictures: Pictures, rank: int = 0, workers: int = 1) -> np.ndarray:
    """Confusion matrix over all `pictures`, in fp32 as the network is used."""
    model.eval()
    matrix = np.zeros((NUM_CLASSES, NUM_CLASSES + 1), np.int64)
    for index in range(rank, len(pictures), workers):
        x = torch.from_numpy(pictures.images[index]).permute(2, 0, 1)[None].float()
        labels = model(x).argmax(1)[0].numpy()
        matrix += metrics.confusion(labels, pictures.labels[index], NUM_CLASSES, ignore=IGNORE)
    if workers > 1:
        total = torch.from_numpy(matrix)
        distributed.all_reduce(total)
        matrix = total.numpy()
    return matrix


def _share(tensors: list[Tensor], workers: int) -> None:
    """Average `tensors` over the processes, in place and in one message."""
    if workers > 1:
        flat = torch.cat([one.reshape(-1) for one in tensors])
        distributed.all_reduce(flat)
        flat /= workers
        for one, mean in zip(tensors, flat.split([one.numel() for one in tensors]), strict=True):
            one.copy_(mean.view_as(one))


def export(model: nn.Module, path: Path, facts: dict[str, str]) -> None:
    """Write the weights: convolutions as fp16, the rest as fp32, no auxiliary heads."""
    tensors = {}
    for name, value in model.state_dict().items():
        if name.startswith("auxiliary") or name.endswith("num_batches_tracked"):
            continue
        half = value.ndim == 4 and value.shape[-1] * value.shape[1] > 1
        tensors[name] = value.to(torch.float16 if half else torch.float32).contiguous()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), {"format": "pt", **facts})
    temporary.replace(path)


def _save_checkpoint(path: Path, iteration: int, model, ema, optimizer) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"ema.{k}": v for k, v in ema.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in state.items()}
    tensors = {k: v.contiguous() for k, v in tensors.items()}
    temporary = path.with_suffix(".tmp")
    save_file(tensors, str(temporary), {"iteration": str(iteration)})
    temporary.replace(path)


def _load_checkpoint(path: Path, model, ema, optimizer) -> int:
    parts: dict[str, dict] = {"model": {}, "ema": {}, "optimizer": {}}
    with safe_open(str(path), "pt") as file:
        iteration = int(file.metadata()["iteration"])
        for key in file.keys():
            part, name = key.split(".", 1)
            parts[part][name] = file.get_tensor(key)
    model.load_state_dict(parts["model"])
    ema.load_state_dict(parts["ema"])
    state = optimizer.state_dict()
    for name, value in parts["optimizer"].items():
        index, key = name.split(".", 1)
        state["state"].setdefault(int(index), {})[key] = value
    optimizer.load_state_dict(state)
    return iteration


def _rate(iteration: int, total: int, peak: float) -> float:
    warm = min(1.0, (iteration + 1) / max(1, round(0.03 * total)))
    return peak * warm * max(1e-3, 0.5 * (1 + np.cos(np.pi * iteration / total)))


def parser() -> argparse.ArgumentParser:
    """Build the argument parser; its defaults are the shipped run."""
    p = argparse.ArgumentParser(prog="python -m rdct.vision.models.train", description=__doc__)
    p.add_argument("--data", type=Path, required=True, help="folder that holds camvid360/")
    p.add_argument("--rendered", type=Path, help="folder with images/ and labels/ of our scenes")
    p.add_argument("-o", "--output", type=Path, required=True, help="safetensors file to write")
    p.add_argument("--work", type=Path, help="folder for checkpoint and log (default: beside it)")
    p.add_argument("--resume", action="store_true", help="go on from the checkpoint in --work")
    p.add_argument("--iterations", type=int, default=3600)
    p.add_argument("--batch", type=int, default=12, help="crops an iteration, over all workers")
    p.add_argument("--crop", type=int, nargs=2, default=(288, 352), metavar=("H", "W"))
    p.add_argument("--rate", type=float, default=2e-3, help="peak learning rate of AdamW")
    p.add_argument("--decay", type=float, default=0.02, help="weight decay of the convolutions")
    p.add_argument("--ema", type=float, default=0.998, help="decay of the averaged weights")
    p.add_argument("--balance", type=float, default=0.4, help="class weight = (median/share)^this")
    p.add_argument("--lovasz", type=float, default=0.5, help="weight of the late Lovasz term")
    p.add_argument("--lovasz-from", type=float, default=0.5, help="share of the run before it")
    p.add_argument("--rare", type=float, default=0.4, help="share of crops aimed at rare classes")
    p.add_argument("--jitter", type=float, default=1.0, help="strength of the colour augmentation")
    p.add_argument("--rendered-share", type=float, default=0.2, help="until 3/4 of the run")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--workers", type=int, default=2, help="processes, one thread each")
    p.add_argument("--every", type=int, default=400, help="iterations between scores")
    p.add_argument("--stop-after", type=int, help="stop at this iteration (pilots)")
    p.add_argument("--fp32", action="store_true", help="no bfloat16 autocast")
    return p


def main(argv: list[str] | None = None) -> int:
    """Run the training; returns the exit status."""
    args = parser().parse_args(argv)
    if args.batch % args.workers:
        raise SystemExit(f"--batch {args.batch} must be a multiple of --workers {args.workers}")
    args.work = args.work or args.output.parent
    args.work.mkdir(parents=True, exist_ok=True)
    if args.workers == 1:
        _train(0, args, "")
        return 0
    # Processes of one thread each meet once an iteration; threads would meet at every layer, and on
    # a machine that others use, too, most of the time would go into waiting.
    with tempfile.TemporaryDirectory() as meeting:
        torch.multiprocessing.spawn(_train, (args, f"file://{meeting}/store"), args.workers)
    return 0


def _train(rank: int, args: argparse.Namespace, meeting: str) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.manual_seed(args.seed)
    workers = args.workers
    if workers > 1:
        distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=workers)

    def say(words: str) -> None:
        if rank == 0:
            print(words, flush=True)

    camvid = args.data / "camvid360"
    real = Pictures(camvid / "train", camvid / "trainannot")
    val = Pictures(camvid / "val", camvid / "valannot")
    rendered = None
    if args.rendered is not None:
        rendered = Pictures(args.rendered / "images", args.rendered / "labels")
    share = real.frequencies()
    weights = (np.median(share) / share) ** args.balance
    weights = torch.tensor(weights / weights.mean(), dtype=torch.float32)

    model = CompactBiSeNet(NUM_CLASSES, auxiliary=True).to(memory_format=torch.channels_last)
    ema = copy.deepcopy(model).requires_grad_(False)
    parameters = list(model.parameters())
    statistics = [b for n, b in model.named_buffers() if "running_" in n]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim == 4], "weight_decay": args.decay},
            {"params": [p for p in parameters if p.ndim != 4], "weight_decay": 0.0},
        ],
        lr=args.rate,
    )
    checkpoint, log = args.work / "checkpoint.safetensors", args.work / "log.jsonl"
    start = _load_checkpoint(checkpoint, model, ema, optimizer) if args.resume else 0
    say(
        f"{len(real)} train, {len(val)} val, {len(rendered) if rendered else 0} rendered pictures; "
        f"class weights {[round(float(w), 2) for w in weights]}; from iteration {start}"
    )
    places = ("data", "rendered", "output", "work", "resume", "stop_after")
    facts = {k: str(v) for k, v in vars(args).items() if k not in places}
    facts["rendered_pictures"] = str(len(rendered) if rendered else 0)

    source = batches(real, rendered, args, start, rank)
    end = min(args.iterations, args.stop_after or args.iterations)
    began, losses = time.monotonic(), []
    for iteration in range(start, end):
        images, labels = source.get()
        x = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        y = torch.from_numpy(labels).long()
        for group in optimizer.param_groups:
            group["lr"] = _rate(iteration, args.iterations, args.rate)
        model.train()
        # Dropout, too, depends on the iteration only, so that a resumed run is the same run.
        torch.manual_seed((args.seed * 1_000_003 + iteration) * workers + rank)
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.fp32):
            outputs = model(x)
        late = iteration >= args.lovasz_from * args.iterations
        loss = total_loss(outputs, y, weights, args.lovasz if late else 0.0, iteration)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        _share([p.grad for p in parameters] + statistics, workers)
        nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        with torch.no_grad():
            keep = min(args.ema, (iteration + 1) / (iteration + 20))
            pairs = zip(ema.state_dict().values(), model.state_dict().values(), strict=True)
            for average, value in pairs:
                if average.is_floating_point():
                    average.lerp_(value, 1 - keep)
                else:
                    average.copy_(value)
        losses.append(float(loss.detach()))
        if (iteration + 1) % 50 == 0:
            pace = (time.monotonic() - began) / (iteration + 1 - start)
            say(
                f"iteration {iteration + 1}/{args.iterations}  loss {np.mean(losses):.4f}  "
                f"{pace:.3f} s each  {pace * (end - iteration - 1) / 60:.1f} min left"
            )
            losses = []
        if (iteration + 1) % args.every == 0 or iteration + 1 == end:
            matrix = score(ema, val, rank, workers)
            if rank:
                continue
            miou, iou = metrics.miou(matrix), metrics.iou_per_class(matrix)
            say(
                f"== {iteration + 1}: val mIoU {miou:.4f}  "
                f"accuracy {metrics.pixel_accuracy(matrix):.4f}  {np.round(iou, 3).tolist()}"
            )
            record = {
                "iteration": iteration + 1,
                "val_miou": miou,
                "iou": iou.tolist(),
                "wall_s": time.monotonic() - began,
            }
            with log.open("a") as file:
                file.write(json.dumps(record) + "\n")
            _save_checkpoint(checkpoint, iteration + 1, model, ema, optimizer)
            export(ema, args.output, {**facts, "iteration": str(iteration + 1)})
    if workers > 1:
        distributed.destroy_process_group()


if __name__ == "__main__":
    sys.exit(main())
