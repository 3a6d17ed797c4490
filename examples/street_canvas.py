# ruff: noqa: RUF046  (a + [x, y, z] adds vectors here)
"""Textures and the canvas of the street renderer (see street.py)."""

import functools

import cv2
import numpy as np

CLASS_NAMES = (
    "Sky",
    "Building",
    "Pole",
    "Road",
    "Pavement",
    "Tree",
    "SignSymbol",
    "Fence",
    "Car",
    "Pedestrian",
    "Bicyclist",
    "Void",
)
PALETTE = np.array(
    [
        [128, 128, 128],
        [128, 0, 0],
        [192, 192, 128],
        [128, 64, 128],
        [60, 40, 222],
        [128, 128, 0],
        [192, 128, 128],
        [64, 64, 128],
        [64, 0, 128],
        [64, 64, 0],
        [0, 128, 192],
        [0, 0, 0],
    ],
    np.uint8,
)
SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PERSON, CYCLIST, VOID = range(12)
FAR = 260.0  # nothing but the skyline is drawn beyond this distance (m)
KERB = 0.12  # height of the pavement over the road (m)
UP = np.array([0.0, 1.0, 0.0])


# ---------------------------------------------------------------- textures
@functools.lru_cache(None)
def noise(size, first, octaves, key=0):
    """Tileable fractal noise, float32 [size, size], mean about 0, spread about 1."""
    rng = np.random.default_rng([991, size, first, octaves, key])
    out = np.zeros((size, size), np.float32)
    for k in range(octaves):
        n = min(first << k, size)
        grid = np.pad(rng.standard_normal((n, n)).astype(np.float32), 2, mode="wrap")
        cell = size // n
        big = cv2.resize(grid, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        out += big[2 * cell : 2 * cell + size, 2 * cell : 2 * cell + size] * 0.65**k
    return (out - out.mean()) / out.std()


def cover(tile, h, w):
    """Repeat a tile to [h, w]."""
    return np.tile(tile, (h // tile.shape[0] + 1, w // tile.shape[1] + 1))[:h, :w]


class Texture:
    """Colours uint8 [h, w, 3 or 4] (gamma 2, alpha last) and optional labels uint8 [h, w]."""

    def __init__(self, rgb, labels=None):
        self.rgb, self.labels, self.levels = rgb, labels, {}

    def level(self, a, b):
        """The colours shrunk by 2**a across and 2**b down, cached."""
        if (a, b) not in self.levels:
            h, w = self.rgb.shape[:2]
            size = max(1, w >> a), max(1, h >> b)
            self.levels[a, b] = (
                cv2.resize(self.rgb, size, interpolation=cv2.INTER_AREA) if a or b else self.rgb
            )
        return self.levels[a, b]


def u8(x):
    """Colours in 0..1 as uint8."""
    return np.clip(x * 255.0, 0, 255).astype(np.uint8)


@functools.lru_cache(None)
def bricks():
    """Brick courses, float32 [256, 256] around 1; one repeat is 2.4 m x 2.4 m."""
    rng = np.random.default_rng(5)
    out = np.full((256, 256), 1.25, np.float32)
    for row in range(32):
        for col in range(-1, 11):
            x = col * 24 + (row % 2) * 12
            out[row * 8 : row * 8 + 7, max(0, x) : max(0, x + 22)] = rng.uniform(0.78, 1.12)
    return out


@functools.lru_cache(None)
def tree_texture(kind, key):
    """One tree, trunk and crown, on 4-channel uint8 [640, 512]; kind is 'bare', 'leafy' or 'dark'."""
    rng = np.random.default_rng([77, len(kind), key])
    h, w = 640, 512
    wood = np.zeros((h, w), np.uint8)

    def grow(x, y, angle, length, width, depth):
        x2, y2 = x + np.sin(angle) * length, y - np.cos(angle) * length
        p = [(int(x * 16), int(y * 16)), (int(x2 * 16), int(y2 * 16))]
        cv2.line(wood, p[0], p[1], int(min(255, 150 + 20 * width)), max(1, int(round(width))), cv2.LINE_AA, 4)
        if depth == 0:
            return
        for _ in range(2 + int(rng.random() < 0.75)):
            grow(
                x2,
                y2,
                0.85 * angle + rng.normal(0, 0.42),
                length * rng.uniform(0.66, 0.88),
                width * 0.62,
                depth - 1,
            )
        if depth > 2 and rng.random() < 0.6:
            xm, ym = x + 0.5 * (x2 - x), y + 0.5 * (y2 - y)
            grow(
                xm,
                ym,
                angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1),
                length * 0.6,
                width * 0.5,
                depth - 2,
            )

    grow(w / 2, h, rng.normal(0, 0.03), 125, 14, 7 if kind == "bare" else 4)
    n1, n2 = noise(512, 8, 5, key % 3), noise(512, 64, 4, key % 3)
    n1, n2 = np.tile(n1, (2, 1))[:h], np.tile(n2, (2, 1))[:h]
    shift = int(rng.integers(512))
    n1, n2 = np.roll(n1, shift, 1), np.roll(n2, shift, 1)
    rgba = np.zeros((h, w, 4), np.float32)
    bark = np.array([0.27, 0.25, 0.22]) * rng.uniform(0.7, 1.1)
    rgba[..., :3] = bark * (1 + 0.2 * n2[..., None])
    if kind == "bare":
        near = cv2.GaussianBlur(wood, (0, 0), 5).astype(np.float32) / 255
        alpha = np.clip(wood / 255.0 + 0.5 * np.clip(near * 2.5, 0, 1) * (n2 > 0.7), 0, 1)
        solid = cv2.morphologyEx((wood > 60).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((25, 25), np.uint8))
    else:
        yy, xx = np.mgrid[0:h, 0:w].astype(np.float32)
        reach = np.full((h, w), -9.0, np.float32)
        low = 0.86 if kind == "dark" else 0.7
        for _ in range(14):
            a, r = rng.uniform(0, 2 * np.pi), rng.random() ** 0.5
            bx, by = w * (0.5 + 0.30 * r * np.cos(a)), h * (low / 2 + 0.02 + (low / 2 - 0.12) * r * np.sin(a))
            br = rng.uniform(60, 105)
            reach = np.maximum(reach, 1 - ((xx - bx) ** 2 + (yy - by) ** 2) / br**2)
        crown = np.clip((reach + 0.28 * n1 + 0.22 * n2) * 5, 0, 1)
        crown[:3], crown[:, :3], crown[:, -3:] = 0, 0, 0
        hue = np.array([[0.33, 0.38, 0.17], [0.25, 0.31, 0.16], [0.40, 0.38, 0.2]])[key % 3]
        if kind == "dark":
            hue = np.array([0.17, 0.22, 0.13])
        light = np.clip(0.62 + 0.25 * reach + 0.3 * n2 + 0.22 * n1 - 0.35 * (yy / h - 0.4), 0.12, 1.7)
        rgba[..., :3] += (hue * light[..., None] - rgba[..., :3]) * crown[..., None]
        alpha = np.maximum(wood / 255.0, crown)
        solid = alpha > 0.5
    rgba[..., 3] = alpha
    return Texture(u8(rgba), np.where(solid, TREE, 255).astype(np.uint8))


def hedge_texture(rng, w, h):
    """A clipped hedge or grass face, uint8 [h, w, 3]."""
    n = cover(noise(512, 32, 5, 1), h, w)
    g = np.array([0.24, 0.29, 0.14]) * rng.uniform(0.7, 1.2)
    fade = np.linspace(1.15, 0.6, h)[:, None, None]
    return Texture(u8(g * fade * np.clip(1 + 0.33 * n, 0.2, 2)[..., None]))


def fence_texture(rng, kind, length, height):
    """A fence of 3 m panels: 'rail' (bars, see-through), 'wood' or 'mesh'."""
    ppm = 60
    w, h = int(length * ppm), int(height * ppm)
    rgba = np.zeros((h, w, 4), np.float32)
    tone = rng.uniform(0.1, 0.3) if rng.random() < 0.7 else rng.uniform(0.5, 0.75)
    if kind == "wood":
        board = np.repeat(rng.uniform(0.8, 1.1, w // 8 + 1), 8)[:w]
        board[::8] = 0.45
        rgba[..., :3] = np.array([0.36, 0.30, 0.23]) * rng.uniform(0.8, 1.3) * board[None, :, None]
        rgba[..., :3] *= 1 + 0.08 * noise(512, 8, 4)[:h, :w, None][:, :w] if w <= 512 else 1
        rgba[..., 3] = 1
    else:
        rgba[..., :3] = np.array([tone, tone, tone * 1.04])
        step = 7 if kind == "rail" else 30
        for x in range(0, w, step):
            rgba[:, x : x + (2 if kind == "rail" else 3), 3] = 1
        for y in (3, h - 12) if kind == "rail" else (1, h // 2, h - 8):
            rgba[y : y + 4, :, 3] = 1
        for x in (0, w - 5):
            rgba[:, x : x + 5, 3] = 1
    return Texture(u8(rgba), np.full((h, w), FENCE, np.uint8))


def facade_texture(rng, kind, length, height, lit_from, shade):
    """Front of a building with windows, doors and shops, uint8 [h, w, 3].

    Below height `lit_from` (m) the wall lies in the shadow of the other side: colours
    are multiplied by `shade` (linear light).
    """
    ppm = 26
    w, h = int(length * ppm), int(height * ppm)
    brick = np.array([[0.45, 0.32, 0.25], [0.52, 0.46, 0.36], [0.36, 0.27, 0.23], [0.42, 0.38, 0.33]])
    plain = np.array(
        [[0.80, 0.78, 0.72], [0.72, 0.69, 0.6], [0.55, 0.54, 0.5], [0.78, 0.70, 0.55], [0.4, 0.4, 0.4]]
    )
    is_brick = rng.random() < (0.3 if kind == "office" else 0.6)
    base = (brick if is_brick else plain)[rng.integers(4)] * rng.uniform(0.75, 1.1)
    stain = cover(np.roll(noise(512, 4, 6), rng.integers(512), 1), h, w)
    tone = 1 + 0.07 * stain
    if is_brick:
        tone = tone * cover(cv2.resize(bricks(), (90, 90), interpolation=cv2.INTER_AREA), h, w)
    img = (base * tone[..., None]).astype(np.float32)

    def rect(x0, y0, x1, y1, colour):
        a, b, c, e = (
            int(round(x0 * ppm)),
            int(round(x1 * ppm)),
            h - int(round(y1 * ppm)),
            h - int(round(y0 * ppm)),
        )
        a, b, c, e = max(a, 0), min(b, w), max(c, 0), min(e, h)
        if b > a and e > c:
            img[c:e, a:b] = colour
        return slice(c, e), slice(a, b)

    frame_colour = np.array([0.85, 0.85, 0.82]) if rng.random() < 0.7 else np.array([0.2, 0.2, 0.22])

    def window(x0, y0, x1, y1, bars=True):
        rect(x0 - 0.12, y0 - 0.14, x1 + 0.12, y0, base * 1.2)
        rect(x0 - 0.08, y1, x1 + 0.08, y1 + 0.2, base * rng.uniform(0.8, 1.35))
        rect(x0, y0, x1, y1, frame_colour)
        gl = rect(x0 + 0.07, y0 + 0.07, x1 - 0.07, y1 - 0.07, 0.0)
        n = gl[0].stop - gl[0].start
        if n > 0 and gl[1].stop > gl[1].start:
            top, low = rng.uniform(0.12, 0.45), rng.uniform(0.06, 0.2)
            img[gl] = np.linspace(top, low, n)[:, None, None] * np.array([0.95, 1.0, 1.06])
            img[gl] *= 1 + 0.2 * stain[gl][..., None]
            if rng.random() < 0.3:
                rect(
                    x0 + 0.07,
                    y0 + (y1 - y0) * rng.uniform(0.3, 0.8),
                    x1 - 0.07,
                    y1 - 0.07,
                    rng.uniform(0.35, 0.7),
                )
        if bars:
            rect(x0, (y0 + y1) / 2 - 0.04, x1, (y0 + y1) / 2 + 0.04, frame_colour)
            rect((x0 + x1) / 2 - 0.025, y0, (x0 + x1) / 2 + 0.025, y1, frame_colour)
        rect(x0, y1 - 0.09, x1, y1, 0.08)

    ground = rng.uniform(3.2, 3.9)
    floors = max(1, int((height - ground) / 2.9))
    fh = (height - ground - 0.4) / floors
    if kind == "office" and rng.random() < 0.6:
        for k in range(floors):
            y = ground + k * fh
            window(0.4, y + 0.9, length - 0.4, y + fh - 0.3, False)
            for x in np.arange(0.4, length - 0.4, 1.4):
                rect(x, y + 0.9, x + 0.1, y + fh - 0.3, frame_colour * 0.8)
    else:
        step, ww, wh = rng.uniform(1.9, 3.1), rng.uniform(0.85, 1.25), rng.uniform(1.3, 1.75)
        n = max(1, int(length / step))
        for k in range(floors):
            y = ground + k * fh + 0.75
            for i in range(n):
                x = (i + 0.5) * length / n
                window(x - ww / 2, y, x + ww / 2, min(y + wh, ground + (k + 1) * fh - 0.35))
        if rng.random() < 0.5:
            rect(0, ground + 0.1, length, ground + 0.25, base * 1.25)
    x = 0.0
    while x < length - 1.5:
        unit = min(rng.uniform(4, 7), length - x)
        if kind == "shop":
            paint = rng.uniform(0.05, 0.75) * np.ones(3) if rng.random() < 0.4 else rng.uniform(0.05, 0.6, 3)
            rect(x, 0, x + unit, ground, paint)
            win = rect(x + 0.3, 0.5, x + unit - 1.5, 2.5, 0.07)
            for _ in range(14):
                a, b = x + 0.3 + max(unit - 2.2, 0.1) * rng.random(), rng.uniform(0.5, 2.2)
                rect(
                    a,
                    b,
                    min(a + rng.uniform(0.1, 0.7), x + unit - 1.5),
                    b + rng.uniform(0.1, 0.6),
                    rng.uniform(0.03, 0.55) * rng.uniform(0.7, 1.2, 3),
                )
            img[win] *= 1 + 0.3 * stain[win][..., None]
            for xx in np.arange(x + 0.3, x + unit - 1.4, 1.6):
                rect(xx, 0.5, xx + 0.08, 2.5, paint * 0.8)
            rect(x + unit - 1.25, 0.05, x + unit - 0.35, 2.3, rng.uniform(0.04, 0.25))
            fascia = rng.uniform(0.05, 0.8) * np.ones(3) if rng.random() < 0.4 else rng.uniform(0.03, 0.7, 3)
            rect(x + 0.1, 2.65, x + unit - 0.1, 3.25, fascia)
            ink = np.array([0.85, 0.85, 0.75]) if fascia.mean() < 0.4 else np.array([0.08, 0.06, 0.1])
            xx, stop = x + unit * rng.uniform(0.12, 0.3), x + unit * rng.uniform(0.6, 0.88)
            while xx < stop:  # strokes that look like lettering
                hi = 0.36 if rng.random() < 0.3 else 0.27
                rect(xx, 2.78, xx + 0.05, 2.78 + hi, ink)
                if rng.random() < 0.8:
                    rect(xx + 0.12, 2.78, xx + 0.17, 2.78 + (0.27 if rng.random() < 0.8 else 0.12), ink)
                for y in rng.choice([2.78, 2.9, 3.0], 2):
                    rect(xx, y, xx + 0.16, y + 0.05, ink)
                xx += 0.24 if rng.random() < 0.85 else 0.45
            rect(x, 3.25, x + unit, 3.35, paint * 0.6)
            rect(x, 0, x + 0.15, ground, base)
        else:
            door = rng.uniform(0.05, 0.5, 3)
            rect(x + 0.35, 0, x + 1.45, 2.5, frame_colour)
            rect(x + 0.45, 0, x + 1.35, 2.1, door)
            window(x + 1.9, 0.9, min(x + unit - 0.4, x + 3.4), 2.4)
        x += unit
    rect(0, height - 0.3, length, height, base * rng.uniform(0.6, 1.25))
    rect(0, height - 0.38, length, height - 0.3, base * 0.4)
    for x in (0.05, length - 0.15):
        if rng.random() < 0.5:
            rect(x, 0, x + 0.1, height, 0.15)
    rect(0, 0, length, 0.25, base * 0.55)
    img *= (0.78 + 0.22 * np.clip(np.linspace(height, 0, h) / 4, 0, 1))[:, None, None]
    img[h - int(np.clip(lit_from * ppm, 0, h)) :] *= np.sqrt(shade)
    return Texture(u8(img))


# ---------------------------------------------------------------- canvas
class Canvas:
    """Pinhole camera and painter: linear light float32 [h, w, 3] and labels uint8 [h, w]."""

    def __init__(self, w, h, focal, horizon, eye, yaw, haze, haze_colour):
        self.w, self.h, self.f, self.cx, self.cy = w, h, focal, w / 2, horizon
        self.eye = np.asarray(eye, float)
        c, s = np.cos(yaw), np.sin(yaw)
        self.rot = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
        self.img = np.zeros((h, w, 3), np.float32)
        self.lab = np.zeros((h, w), np.uint8)
        self.haze, self.haze_colour = haze, haze_colour

    def project(self, points):
        """World points [n, 3] to screen [m, 2] (clipped at 0.4 m) and mean depth; m may be 0."""
        p = (np.asarray(points, float) - self.eye) @ self.rot.T
        z = p[:, 2]
        if (z < 0.4).any():
            out = []
            for a, b in zip(p, np.roll(p, -1, 0), strict=True):
                if a[2] >= 0.4:
                    out.append(a)
                if (a[2] >= 0.4) != (b[2] >= 0.4):
                    out.append(a + (b - a) * (0.4 - a[2]) / (b[2] - a[2]))
            if not out:
                return np.zeros((0, 2)), 1.0
            p = np.array(out)
            z = p[:, 2]
        uv = np.stack([self.cx + self.f * p[:, 0] / z, self.cy - self.f * p[:, 1] / z], 1)
        return uv, float(z.mean())

    @staticmethod
    def fixed(uv):
        """Screen positions as the fixed-point pixel centres that OpenCV wants."""
        return np.round((uv - 0.5) * 16).astype(np.int32)

    def misty(self, colour, z):
        """A colour seen through haze at depth z (m)."""
        k = np.exp(-z / self.haze)
        return np.asarray(colour) * k + self.haze_colour * (1 - k)

    def off(self, uv):
        """True where a projected polygon misses the picture."""
        return (
            len(uv) < 3
            or uv[:, 0].max() < 0
            or uv[:, 0].min() > self.w
            or uv[:, 1].max() < 0
            or uv[:, 1].min() > self.h
        )

    def poly(self, points, colour, label):
        """Fill a convex world polygon with a linear colour."""
        uv, z = self.project(points)
        if not self.off(uv):
            self.fill(uv, self.misty(colour, z), label)

    def fill(self, uv, colour, label):
        """Fill a convex polygon on the screen in picture and labels."""
        q = self.fixed(np.clip(uv, -30000, 30000))
        cv2.fillConvexPoly(self.img, q, tuple(float(c) for c in colour), cv2.LINE_8, 4)
        cv2.fillConvexPoly(self.lab, q, int(label), cv2.LINE_8, 4)

    def box(self, uv):
        """Bounding box of screen positions within the picture: x0, y0, x1, y1."""
        x0, y0 = np.floor(uv.min(0)).astype(int)
        x1, y1 = np.ceil(uv.max(0)).astype(int) + 1
        return max(x0, 0), max(y0, 0), min(x1, self.w), min(y1, self.h)

    def darken(self, points, factor):
        """Multiply the picture inside a world polygon (a contact shadow); labels stay."""
        uv, _ = self.project(points)
        if self.off(uv):
            return
        x0, y0, x1, y1 = self.box(uv)
        if x1 <= x0 or y1 <= y0:
            return
        mask = np.ones((y1 - y0, x1 - x0), np.float32)
        cv2.fillConvexPoly(mask, self.fixed(uv - [x0, y0]), float(factor), cv2.LINE_8, 4)
        k = max(3, int((x1 - x0) * 0.06)) | 1
        self.img[y0:y1, x0:x1] *= cv2.blur(mask, (k, 3), borderType=cv2.BORDER_REPLICATE)[..., None]

    def limb(self, a, b, ra, rb, colour, label):
        """A capsule between two world points with radii in metres."""
        p = (np.array([a, b], float) - self.eye) @ self.rot.T
        if p[:, 2].min() < 0.5:
            return
        s = self.f / p[:, 2]
        uv = np.stack([self.cx + s * p[:, 0], self.cy - s * p[:, 1]], 1)
        r = np.maximum(np.array([ra, rb]) * s, 0.55)
        if uv[:, 0].max() < -r.max() or uv[:, 0].min() > self.w + r.max():
            return
        t = uv[1] - uv[0]
        ang = np.arctan2(t[1], t[0])
        th = ang + np.pi / 2 + np.linspace(0, np.pi, 6)
        ring = np.stack([np.cos(th), np.sin(th)], 1)
        self.fill(
            np.concatenate([uv[0] + r[0] * ring, uv[1] - r[1] * ring]),
            self.misty(colour, p[:, 2].mean()),
            label,
        )

    def texture(self, corner, across, down, tex, light, label=None):
        """Paint a textured parallelogram: corner (top left), full edge vectors, light [3]."""
        corner, across, down = (np.asarray(v, float) for v in (corner, across, down))
        quad = np.array([corner, corner + across, corner + across + down, corner + down])
        uv, z = self.project(quad)
        if self.off(uv):
            return
        x0, y0, x1, y1 = self.box(uv)
        if x1 - x0 < 1 or y1 - y0 < 1:
            return
        th, tw = tex.rgb.shape[:2]
        ext = np.ptp(uv, axis=0)
        la = int(np.clip(np.floor(np.log2(max(tw / max(ext[0], 1), 1)) + 0.3), 0, 7))
        lb = int(np.clip(np.floor(np.log2(max(th / max(ext[1], 1), 1)) + 0.3), 0, 7))
        rgb = tex.level(la, lb)
        cam = self.rot @ np.stack([across, down, corner - self.eye], 1)
        proj = np.array([[self.f, 0, self.cx - x0 - 0.5], [0, -self.f, self.cy - y0 - 0.5], [0, 0, 1]]) @ cam
        size = (x1 - x0, y1 - y0)

        def warp(image, flag):
            h, w = image.shape[:2]
            unit = np.array([[1 / w, 0, 0.5 / w], [0, 1 / h, 0.5 / h], [0, 0, 1]])
            return cv2.warpPerspective(image, proj @ unit, size, flags=flag, borderMode=cv2.BORDER_REPLICATE)

        out = warp(rgb, cv2.INTER_LINEAR).astype(np.float32) * np.float32(1 / 255)
        k = np.float32(np.exp(-z / self.haze))
        colour = out[..., :3] ** 2 * (np.asarray(light, np.float32) * k)
        colour += np.asarray(self.haze_colour * (1 - k), np.float32)
        mask = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(mask, self.fixed(np.clip(uv - [x0, y0], -30000, 30000)), 1, cv2.LINE_8, 4)
        img, lab = self.img[y0:y1, x0:x1], self.lab[y0:y1, x0:x1]
        if out.shape[2] == 4:
            img += (colour - img) * (out[..., 3] * mask)[..., None]
        else:
            cv2.copyTo(colour, mask, img)
        if tex.labels is not None and label is None:
            new = warp(tex.labels, cv2.INTER_NEAREST)
            np.copyto(lab, new, where=(mask > 0) & (new < 12))
        else:
            lab[mask > 0] = label
