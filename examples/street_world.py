# ruff: noqa: RUF005, RUF046  (a + [x, y, z] adds vectors here)
"""Ground, sky and standing objects of the street renderer (see street.py)."""

import cv2
import numpy as np
from street_canvas import (
    BUILDING,
    FAR,
    FENCE,
    KERB,
    PAVEMENT,
    POLE,
    ROAD,
    SIGN,
    SKY,
    TREE,
    UP,
    Texture,
    bricks,
    fence_texture,
    hedge_texture,
    noise,
    tree_texture,
    u8,
)


class Standing:
    """Methods by which a scene gains the objects that stand along the street."""

    def add(self, key, draw):
        """Register an object: `key` its depth for the painting order, draw(canvas, time)."""
        self.items.append((key, draw))

    def mover(self, z0, speed, d, draw):
        """An object that follows the street: z = z0 + speed * time, at lateral position d."""

        def place(time):
            z = z0 + speed * time
            return z, self.at(d, z), self.heading(z)

        self.items.append((place, draw))

    def cast(self, d0, z0, d1, z1, height, strength=255):
        """Static shadow on the ground of an upright rectangle standing on (d0, z0)-(d1, z1)."""
        if self.sun.direct <= 0.3:
            return
        off = -self.sun.dir / self.sun.dir[1] * height
        p = np.array([[d0, z0], [d1, z1], [d1 + off[0], z1 + off[2]], [d0 + off[0], z0 + off[2]]])
        cv2.fillConvexPoly(self.shadows, np.round((p + [25, 10]) * 10).astype(np.int32), 255 - strength)

    def cast_tree(self, d, z, r, height, sparse):
        if self.sun.direct <= 0.3:
            return
        off = -self.sun.dir / self.sun.dir[1]
        self.cast(d - 0.12, z, d + 0.12, z, height * 0.6)
        cx, cz = d + off[0] * height * 0.62, z + off[2] * height * 0.62
        n = int(r * 26) | 1
        yy, xx = np.mgrid[-1 : 1 : n * 1j, -1 : 1 : n * 1j]
        blot = (xx * xx + yy * yy + 0.35 * noise(512, 32, 4)[:n, :n]) < (0.55 if sparse else 0.8)
        if sparse:
            blot &= np.abs(noise(512, 64, 3, 1)[:n, :n]) < 0.35
        y0, x0 = int((cz + 10) * 10) - n // 2, int((cx + 25) * 10) - n // 2
        ya, xa = max(y0, 0), max(x0, 0)
        part = self.shadows[ya : max(ya, y0 + n), xa : max(xa, x0 + n)]
        cut = blot[ya - y0 : ya - y0 + part.shape[0], xa - x0 : xa - x0 + part.shape[1]]
        part[cut] = 0

    def hanging_sign(self, rng, side, z, d):
        sg = 1 if side else -1
        colour, ink = rng.uniform(0.02, 0.5, 3), rng.uniform(0.3, 0.8, 3)
        y, size = rng.uniform(2.8, 3.8), rng.uniform(0.5, 0.9)

        def draw(cv, time):
            p = self.at(sg * (d - 0.1 - size), z, y)
            for k, c in ((0.0, colour), (0.2, ink), (0.28, colour)):
                s = size * (1 - k)
                q = p + [size * k / 2, size * k / 2, 0]
                cv.poly(
                    [q, q + [s, 0, 0], q + [s, s, 0], q + [0, s, 0]], c * self.sun.light((0, 0, -1)), SIGN
                )

        self.add(z, draw)

    def barrier(self, rng, side, z0, z1, d, kind):
        """Fence, hedge or low wall along the back of the pavement, in pieces of 3 m."""
        if kind == "none":
            return
        sg = 1 if side else -1
        h = {"hedge": rng.uniform(1.0, 2.2), "wall": rng.uniform(0.6, 1.7)}.get(kind, rng.uniform(1.0, 1.8))
        if kind == "hedge":
            tex, label = hedge_texture(rng, 200, 120), TREE
        elif kind == "wall":
            c = np.array([0.5, 0.4, 0.32]) * rng.uniform(0.7, 1.2)
            tex, label = Texture(u8(c * np.tile(bricks(), (1, 2))[: int(h * 106), :320, None])), BUILDING
        else:
            tex, label = fence_texture(rng, kind, 3.0, h), FENCE
        self.cast(sg * d, z0, sg * d, z1, h, 255 if kind != "rail" else 110)
        n = max(1, int(round((z1 - z0) / 3)))
        for k in range(n):
            za, zb = z0 + (z1 - z0) * k / n, z0 + (z1 - z0) * (k + 1) / n

            def draw(cv, time, za=za, zb=zb):
                a, b = self.at(sg * d, za, h + KERB), self.at(sg * d, zb, h + KERB)
                front = self.sun.light((-sg, 0, 0))
                if kind == "hedge":
                    cv.texture(a + [sg * 0.8, 0, 0], b - a, (-sg * 0.8, 0, 0), tex, self.sun.light(UP), label)
                    cv.texture(a, (sg * 0.8, 0, 0), (0, -h, 0), tex, self.sun.light((0, 0, -1)), label)
                cv.texture(a, b - a, (0, -h, 0), tex, front, label)

            self.add(zb, draw)

    def tree(self, rng, d, z, height, behind=0.0):
        kind = (
            str(self.trees_kind[int(rng.random() < 0.3)])
            if height > 4
            else str(rng.choice(["leafy", "dark"]))
        )
        tex = tree_texture(kind, int(rng.integers(5)))
        wide = height * rng.uniform(0.7, 0.95) * (1 if rng.random() < 0.5 else -1)
        tint = rng.uniform(0.75, 1.2) * np.array([rng.uniform(0.9, 1.15), 1, 1])
        self.cast_tree(d, z, abs(wide) * 0.45, height, kind == "bare")

        def draw(cv, time):
            p = self.at(d, z, height)
            across = cv.rot[0] * wide
            cv.texture(p - across / 2, across, (0, -height, 0), tex, self.sun.flat * tint)

        self.add(z + behind, draw)

    def pole(self, d, z, tall, colour, arm):
        self.cast(d - 0.08, z, d + 0.08, z, tall)

        def draw(cv, time):
            c = colour * self.sun.flat
            p = self.at(d, z)
            r = 0.06
            cv.limb(p, p + [0, min(1.2, tall), 0], r * 1.25, r * 1.25, c, POLE)
            cv.limb(p + [0, min(1.0, tall), 0], p + [0, tall, 0], r, r * (0.7 if arm else 1), c, POLE)
            if arm:
                tip = p + [-arm * 1.2, tall + 0.35, 0]
                cv.limb(p + [0, tall, 0], tip, r * 0.6, r * 0.5, c, POLE)
                cv.limb(tip, tip + [-arm * 0.5, 0.02, 0], 0.1, 0.08, c * 1.3, POLE)

        self.add(z, draw)

    def sign(self, rng, d, z):
        """A plate on a post: disc, triangle, panel or a large board."""
        shape = str(rng.choice(["disc", "triangle", "panel", "board"], p=[0.4, 0.22, 0.35, 0.03]))
        y, r = (rng.uniform(2.0, 2.8), rng.uniform(0.3, 0.42)) if shape != "board" else (1.7, 0.6)
        edge, inner = [
            ((0.5, 0.02, 0.02), (0.75, 0.75, 0.72)),
            ((0.02, 0.07, 0.4), (0.02, 0.09, 0.45)),
            ((0.7, 0.7, 0.66), (0.6, 0.45, 0.03)),
            ((0.02, 0.2, 0.08), (0.03, 0.22, 0.1)),
        ][rng.choice(4, p=[0.45, 0.25, 0.15, 0.15])]
        bars = rng.integers(1, 4)
        n = {"disc": 14, "triangle": 3}.get(shape, 4)
        t = np.linspace(0, 2 * np.pi, n + 1)[:-1] + np.pi / 2 + (np.pi / 4 if n == 4 else 0)
        ring = np.stack([np.cos(t), np.sin(t), 0 * t], 1)
        if n == 4:
            ring *= np.array([rng.uniform(0.7, 1.5), rng.uniform(0.8, 1.6) if shape != "board" else 1.8, 1])
        back = rng.random() < 0.2
        self.cast(d - 0.05, z, d + 0.05, z, 2.5)

        def draw(cv, time):
            light = self.sun.light((0, 0, -1))
            p = self.at(d, z)
            cv.limb(p, p + [0, y + 0.2, 0], 0.04, 0.04, np.full(3, 0.15) * self.sun.flat, POLE)
            p = p + [0, y, -0.05]
            if back:
                cv.poly(p + ring * r, np.full(3, 0.12) * light, SIGN)
                return
            cv.poly(p + ring * r, np.array(edge) * light, SIGN)
            cv.poly(p + ring * r * 0.78, np.array(inner) * light, SIGN)
            for k in range(bars):
                yy = (k - (bars - 1) / 2) * 0.3 * r
                cv.poly(
                    p
                    + np.array(
                        [
                            [-0.45, yy / r - 0.07, 0],
                            [0.4, yy / r - 0.07, 0],
                            [0.4, yy / r + 0.07, 0],
                            [-0.45, yy / r + 0.07, 0],
                        ]
                    )
                    * r,
                    (np.array(edge) if sum(inner) > 1 else np.full(3, 0.7)) * light,
                    SIGN,
                )

        self.add(z, draw)

    def light(self, rng, d, z):
        state = int(rng.integers(3))

        def draw(cv, time):
            p = self.at(d, z)
            cv.limb(p, p + [0, 3.4, 0], 0.06, 0.06, np.full(3, 0.03) * self.sun.flat, POLE)
            q = p + [0, 2.35, -0.1]
            w, h = 0.22, 1.0
            cv.poly(q + np.array([[-w, 0, 0], [w, 0, 0], [w, h, 0], [-w, h, 0]]), np.full(3, 0.012), SIGN)
            t = np.linspace(0, 2 * np.pi, 11)[:-1]
            for k, c in enumerate(((0.9, 0.05, 0.03), (0.9, 0.45, 0.03), (0.05, 0.95, 0.5))):
                disc = np.stack([0.1 * np.cos(t), h - 0.19 - 0.31 * k + 0.1 * np.sin(t), 0 * t], 1)
                cv.poly(q + disc, np.array(c) * (1.6 if k == state else 0.04), SIGN)

        self.add(z, draw)


def draw_ground(scene, cv):
    """Road, markings, kerb, pavement and verges for every pixel below the horizon."""
    y0 = int(np.floor(cv.cy)) + 1
    if y0 >= cv.h:
        return
    v = (np.arange(y0, cv.h) + 0.5 - cv.cy).astype(np.float32)[:, None]
    u = ((np.arange(cv.w) + 0.5 - cv.cx) / cv.f).astype(np.float32)[None, :]
    depth = np.minimum(cv.f * cv.eye[1] / v, 3000).astype(np.float32)
    c, s = np.float32(cv.rot[0, 0]), np.float32(cv.rot[2, 0])
    rx, rz = (c * u + s) * depth, (c - s * u) * depth  # offset from the eye on the road plane
    z = rz + np.float32(cv.eye[2])
    zc = np.clip(z, -10, FAR + 60)
    bend = zc * zc * (np.float32(scene.curve[0]) + np.float32(scene.curve[1]) * zc)
    d = rx + np.float32(cv.eye[0]) - bend
    k = np.float32(1 - KERB / cv.eye[1])
    z2 = rz * k + np.float32(cv.eye[2])
    d2 = rx * k + np.float32(cv.eye[0]) - bend
    ad, ad2 = np.abs(d), np.abs(d2)
    right = d > 0
    # which pixels are raised pavement, kerb face, verge
    into = ad - np.float32(scene.half)
    open_ = np.zeros(d.shape, bool)
    for side, a, b in scene.side_roads:
        if b < cv.eye[2] - 5 or a > cv.eye[2] + 150:
            continue
        r = 2.5
        q = np.abs(z2 - (a + b) / 2) - (b - a) / 2
        i2 = ad2 - np.float32(scene.half)
        corner = (i2 < r) & (q < r) & ((i2 - r) ** 2 + (q - r) ** 2 > r * r)
        open_ |= (right == bool(side)) & ((q < 0) | corner)
    top = (ad2 > scene.half) & ~open_
    face = (ad > scene.half) & ~top & ~open_
    walk = np.where(right, np.float32(scene.walk[1]), np.float32(scene.walk[0]))
    cell = np.clip(((z2 + 10) * 2).astype(np.int32), 0, 699)
    verge = np.where(right, scene.verge[1][cell], scene.verge[0][cell])
    beyond = top & (ad2 - scene.half > walk)
    grass = beyond & (verge == 2)
    # textures in world coordinates; fine grain fades with distance
    wx, wz = np.where(top, d2 + bend, d + bend), np.where(top, z2, z)

    def tex(tile, scale):
        return cv2.remap(
            tile, wx * scale % 512, wz * scale % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
        )

    def fade(reach):
        return 1 / (1 + (depth / reach) ** 2)

    fine, mid, wide = (
        tex(noise(512, 128, 3), 60.0),
        tex(noise(512, 16, 6), 24.0),
        tex(noise(512, 8, 4, 3), 4.0),
    )
    streak = cv2.remap(
        noise(512, 64, 4, 2), (d * 40) % 512, (wz * 3) % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    shade = 1 + 0.08 * fine * fade(14.0) + 0.02 * mid * fade(40.0) + 0.05 * wide + 0.03 * streak * fade(60.0)
    track = np.abs(np.abs(ad - scene.half * 0.45) - 0.75)
    patch = cv2.remap(
        scene.patches, (d + 25) * 10, (wz + 10) * 10, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shade_road = shade * (patch.astype(np.float32) / 128) - 0.06 * np.clip(1 - track / 0.5, 0, 1)
    img = scene.asphalt.astype(np.float32) * shade_road[..., None]
    # markings
    near = into < 0
    period, wid = float(scene.dash[1]), 0.055 + 0.0006 * depth
    line = (ad < wid) & ((z % period) < scene.dash[0]) & (z < FAR)
    zeb = (np.abs(z - scene.zebra) < 1.6) & near
    zebra = zeb & ((d % 1.2) < 0.6)
    for e in (-3.0, 3.0):
        zebra |= (np.abs(z - scene.zebra - e) < 0.12) & near & ((d % 1.0) < 0.6)
    line = (line & ~zeb) | zebra | ((np.abs(z - scene.stop) < 0.15) & near & (d < 0))
    for side, a, b in scene.side_roads:
        line |= (np.abs(into - 0.25) < 0.1) & (right == bool(side)) & (z > a) & (z < b) & ((z % 1.0) < 0.6)
    worn = np.clip(scene.wear + 0.25 * mid + 0.12 * fine * fade(15.0), 0.05, 1)
    paint = np.float32([0.55, 0.55, 0.52])
    img[line] += (paint - img[line]) * worn[line][:, None]
    for side in (0, 1):
        if scene.yellow[side]:
            y = (np.abs(into + 0.3) < 0.05) | (np.abs(into + 0.52) < 0.05)
            y &= (right == bool(side)) & (depth < 60)
            img[y] += (np.float32([0.45, 0.32, 0.06]) - img[y]) * (worn[y] * 0.8)[:, None]
    gutter = (into > -0.12) & ~open_
    img[gutter] *= 0.72
    # pavement: slabs with joints, kerb stones, verges
    joint = ((wx % 0.6 < 0.02) | (wz % 0.9 < 0.02)) & (depth < 18)
    slab = scene.paving.astype(np.float32) * (shade * np.where(joint, 0.7, 1))[..., None]
    np.copyto(img, slab, where=top[..., None])
    stone = top & (ad2 - scene.half < 0.16)
    img[stone] *= 1.35
    img[face] = scene.paving.astype(np.float32) * (0.75 + 0.1 * mid[face])[:, None]
    leaf = np.clip(1 + 0.35 * mid + 0.3 * fine * fade(12.0), 0.2, 2)
    img[grass] = scene.grass.astype(np.float32) * leaf[grass][:, None]
    sun = scene.sun
    full = (sun.ambient + sun.warm * sun.dir[1]).astype(np.float32)
    if sun.direct > 0.3:
        m = cv2.remap(
            scene.shadows,
            (np.where(top, d2, d) + 25) * 10,
            (wz + 10) * 10,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=255,
        )
        ratio = (sun.ambient / (sun.ambient + sun.warm * sun.dir[1])).astype(np.float32)
        img *= (ratio + (1 - ratio) * (m.astype(np.float32) / 255)[..., None]) * full
    else:
        img *= full
    fog = np.exp(-depth / np.float32(scene.haze))[..., None]
    cv.img[y0:] = img * fog + scene.haze_colour.astype(np.float32) * (1 - fog)
    lab = np.where(top | face, PAVEMENT, ROAD).astype(np.uint8)
    lab[grass] = TREE
    cv.lab[y0:] = lab


def draw_sky(scene, cv, yaw, time):
    """Sky with clouds and, at the horizon, a far row of trees and roofs."""
    v = np.clip((cv.cy - np.arange(cv.h)) / cv.f, 0.0, 2.0).astype(np.float32)[:, None]
    u = (np.arctan((np.arange(cv.w) - cv.cx) / cv.f) + yaw).astype(np.float32)[None, :]
    t = np.clip(v / 0.55, 0, 1)[..., None]
    sky = scene.sky_low.astype(np.float32) * (1 - t) + scene.sky_top.astype(np.float32) * t
    px = (u / (v + 0.25) * 110 + np.float32(40 + time)) * np.ones_like(v)
    py = (26 / (v + 0.12)) * np.ones_like(u)
    n = cv2.remap(noise(512, 4, 7, 5), px % 512, py % 512, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    cloud = np.clip((n + 2.6 * scene.cloud - 1.3) * 0.6, 0, 1)[..., None]
    bright = np.float32(scene.sky_gain) * (0.85 + 0.22 * np.clip(n, -2, 1.5))[..., None]
    cv.img[:] = sky + (bright - sky) * cloud * 0.8
    cv.lab[:] = SKY
    ang = (u[0] * 22 + 32) % 63
    i = ang.astype(int)
    f = ang - i
    tall = 0.022 + 0.007 * np.abs(scene.skyline[i] * (1 - f) + scene.skyline[i + 1] * f)
    n2 = noise(512, 64, 4, 1)
    col = (u[0] * 900).astype(int)
    tall = tall + 0.004 * n2[7, col % 512]
    far = (cv.cy - np.arange(cv.h))[:, None] / cv.f < tall[None, :]
    row = (np.arange(cv.h) - int(cv.cy)).astype(int)
    tone = np.float32(0.07) * np.clip(1 + 0.35 * n2[row[:, None] % 512, col[None, :] % 512], 0.2, 2)
    k = np.float32(np.exp(-FAR / scene.haze))
    colour = tone[..., None] * scene.sun.flat.astype(np.float32) * k + scene.haze_colour.astype(
        np.float32
    ) * (1 - k)
    np.copyto(cv.img, colour, where=far[..., None])
    cv.lab[far] = TREE if scene.skyline_labels else BUILDING
