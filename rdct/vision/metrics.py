"""How well labels and pictures agree; numpy only.

Every label measure goes through one confusion matrix, so that a score over many pictures is one
matrix over all their pixels (the CamVid convention) and never a mean of per-picture scores.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "agreement",
    "confusion",
    "iou_per_class",
    "miou",
    "miou_agreement",
    "pixel_accuracy",
    "psnr",
]


def _same_shape(a: np.ndarray, b: np.ndarray, names: tuple[str, str]) -> None:
    if a.shape != b.shape:
        raise ValueError(f"{names[0]} is {a.shape} but {names[1]} is {b.shape}; shapes must match")
    if a.size == 0:
        raise ValueError(f"{names[0]} is empty; nothing can be compared")


def confusion(pred: np.ndarray, ref: np.ndarray, num_classes: int, ignore: int | None = 255) -> np.ndarray:
    """Count how often each class of `ref` was labelled as each class.

    Parameters
    ----------
    pred, ref : numpy.ndarray
        Integer labels of equal shape. `pred` may hold values outside ``0..num_classes - 1``
        (a void class, say): such a pixel counts as missed, not as ignored.
    num_classes : int
        Number K of classes.
    ignore : int or None
        Pixels whose `ref` equals this are left out (CamVid: 11; Cityscapes: 255).

    Returns
    -------
    numpy.ndarray
        int64 ``[K, K + 1]``; row = reference class, column = given class, the last column counting
        the pixels given none of the K. Matrices of several pictures may be added.
    """
    if num_classes < 1:
        raise ValueError(f"num_classes must be at least 1, got {num_classes}")
    pred, ref = np.asarray(pred), np.asarray(ref)
    for name, labels in (("pred", pred), ("ref", ref)):
        if labels.dtype.kind not in "iub":
            raise TypeError(f"{name} must hold integer labels, got dtype {labels.dtype}")
    _same_shape(pred, ref, ("pred", "ref"))
    pred, ref = pred.ravel().astype(np.int64), ref.ravel().astype(np.int64)
    keep = np.ones(ref.shape, bool) if ignore is None else ref != ignore
    pred, ref = pred[keep], ref[keep]
    if ref.size and (ref.min() < 0 or ref.max() >= num_classes):
        bad = ref[(ref < 0) | (ref >= num_classes)][0]
        raise ValueError(f"ref holds label {bad}, outside 0..{num_classes - 1} and not the ignored {ignore}")
    pred = np.where((pred < 0) | (pred >= num_classes), num_classes, pred)
    width = num_classes + 1
    return np.bincount(ref * width + pred, minlength=num_classes * width).reshape(-1, width)


def iou_per_class(matrix: np.ndarray) -> np.ndarray:
    """Intersection over union of every class.

    Parameters
    ----------
    matrix : numpy.ndarray
        ``[K, K]`` or ``[K, K + 1]`` confusion matrix, rows = reference.

    Returns
    -------
    numpy.ndarray
        float64 ``[K]``; NaN for a class that neither side holds.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[1] - matrix.shape[0] not in (0, 1):
        raise ValueError(f"a confusion matrix is [K, K] or [K, K + 1], got {matrix.shape}")
    classes = matrix.shape[0]
    hit = np.diagonal(matrix).astype(np.float64)
    union = matrix.sum(1) + matrix[:, :classes].sum(0) - hit
    return np.divide(hit, union, out=np.full(classes, np.nan), where=union > 0)


def miou(matrix: np.ndarray) -> float:
    """Mean intersection over union, over the classes that occur on either side.

    Parameters
    ----------
    matrix : numpy.ndarray
        Confusion matrix over all pixels of all pictures.

    Returns
    -------
    float
        In 0..1; NaN when no class occurs at all.
    """
    iou = iou_per_class(matrix)
    present = iou[~np.isnan(iou)]
    return float(present.mean()) if present.size else float("nan")


def pixel_accuracy(matrix: np.ndarray) -> float:
    """Share of counted pixels that were given their reference class (NaN for an empty matrix)."""
    matrix = np.asarray(matrix)
    total = matrix.sum()
    return float(np.diagonal(matrix).sum() / total) if total else float("nan")


def agreement(labels_a: np.ndarray, labels_b: np.ndarray) -> float:
    """Share of pixels whose label is the same in both maps, 0..1.

    Parameters
    ----------
    labels_a, labels_b : numpy.ndarray
        Labels of equal shape, none ignored.

    Returns
    -------
    float
        1.0 for equal maps.
    """
    labels_a, labels_b = np.asarray(labels_a), np.asarray(labels_b)
    _same_shape(labels_a, labels_b, ("labels_a", "labels_b"))
    return float(np.mean(labels_a == labels_b))


def miou_agreement(labels: np.ndarray, reference: np.ndarray, num_classes: int) -> float:
    """mIoU of one label map against another one that stands for the truth.

    Harder than `agreement`: a small class that vanishes costs as much as the road.

    Parameters
    ----------
    labels, reference : numpy.ndarray
        Label maps of equal shape; `reference` is the model's answer on the raw picture.
    num_classes : int
        Number of classes; classes that neither map holds do not count.

    Returns
    -------
    float
        In 0..1.
    """
    return miou(confusion(labels, reference, num_classes, ignore=None))


def psnr(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    a, b : numpy.ndarray
        Pictures of equal shape, any real dtype.
    peak : float
        The largest possible value (255 for 8-bit pictures).

    Returns
    -------
    float
        Infinity for equal pictures.
    """
    a, b = np.asarray(a), np.asarray(b)
    _same_shape(a, b, ("a", "b"))
    if not peak > 0:
        raise ValueError(f"peak must be positive, got {peak}")
    error = float(np.mean((a.astype(np.float64) - b.astype(np.float64)) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(peak**2 / error))
