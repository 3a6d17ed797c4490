# ruff: noqa: RUF005, RUF046  (a + [x, y, z] adds vectors here)
"""Synthetic street scenes with exact per-pixel labels, drawn with numpy and OpenCV.

A scene is a small three-dimensional world (a street with buildings, trees, cars,
people, signs ...) built from one seed.  A pinhole camera drives along it; every
object is projected and painted from far to near, the picture at twice the size
(then averaged), the labels with the same polygons.  Textures are attached to world
coordinates, so consecutive frames are consistent and optical flow works.

Labels follow CamVid's eleven classes and its habits: the gaps between the bars of a
railing and between the twigs of a bare crown belong to the fence and the tree; grass
and hedges are Tree; traffic lights and hanging signs are SignSymbol; walls are Building.

World coordinates: X to the right, Y up (the road is Y = 0), Z along the street, in
metres.  ``d = X - bend(Z)`` is the lateral distance from the middle of the road.

    python examples/street.py OUT.png [--seed N] [--size WxH] [--labels FILE.png]
                              [--clip N --fps F]
"""

import argparse
import os

import cv2
import numpy as np
from PIL import Image
from street_canvas import (
    BUILDING,
    CLASS_NAMES,
    FAR,
    KERB,
    PALETTE,
    Canvas,
    Texture,
    bricks,
    cover,
    facade_texture,
    noise,
    u8,
)
from street_things import Sun, draw_car, draw_cyclist, draw_person, make_car, make_person
from street_world import Standing, draw_ground, draw_sky

__all__ = ["CLASS_NAMES", "PALETTE", "Scene", "render", "save_labels"]


class Scene(Standing):
    """A random street, fixed by its seed.

    Parameters
    ----------
    seed : int
    width, height : int
        Size of the pictures in pixels.
    """

    def __init__(self, seed, width=480, height=360):
        self.seed, self.width, self.height = int(seed), int(width), int(height)
        rng = np.random.default_rng([2024, self.seed])
        self.sun = Sun(rng)
        self.type = rng.choice(["city", "suburb", "open"], p=[0.58, 0.27, 0.15])
        self.half = rng.uniform(3.2, 5.0) + (1.5 if self.type == "open" else 0)
        self.walk = rng.uniform(1.6, 3.6, 2)
        straight = rng.random() < 0.4
        self.curve = (0.0, 0.0) if straight else (rng.normal(0, 9e-4), rng.normal(0, 3e-6))
        self.speed = rng.uniform(4, 9)
        self.lane = -self.half * rng.uniform(0.3, 0.5)
        self.eye_h = rng.uniform(1.25, 1.6)
        self.focal = rng.uniform(0.95, 1.15)
        self.horizon = rng.uniform(0.46, 0.56)
        self.turn = rng.normal(0, 0.04) if rng.random() < 0.8 else rng.normal(0, 0.15)
        sunny = self.sun.direct > 0.3
        self.exposure = 0.45 * 3.6 ** rng.random() * (1.0 if sunny else 1.25)
        self.white = np.array([1 + rng.normal(0, 0.04), 1.0, 1 + rng.normal(0, 0.05)])
        self.haze = 300 * 12 ** rng.random()
        self.cloud = rng.uniform(0.0, 1.0)
        self.sky_gain = 1.0 * 3.0 ** rng.random() / self.exposure**0.6
        self.sky_low = np.array([1.0, 1.02, 1.04]) * self.sky_gain
        self.sky_top = self.sky_gain * (np.array([0.4, 0.62, 1.0]) if sunny else np.array([0.8, 0.88, 0.98]))
        self.haze_colour = np.array([0.5, 0.54, 0.6]) * (0.9 + 0.4 * sunny)
        self.grain = rng.uniform(0.004, 0.016)
        self.glare = 0.02 * rng.random() ** 2
        self.blur = rng.uniform(0.25, 0.75)
        self.asphalt = rng.uniform(0.07, 0.15) * np.array([1, 1, 1.02 + rng.uniform(0, 0.06)])
        self.paving = rng.uniform(0.1, 0.22) * np.array([1.03, 1.0, 0.95])
        self.grass = np.array([0.07, 0.10, 0.03]) * rng.uniform(0.6, 1.4)
        self.dash = rng.choice([(2.0, 6.0), (4.0, 6.0), (1.0, 3.0)])
        self.wear = rng.uniform(0.3, 0.9)
        self.yellow = rng.random(2) < 0.5
        self.zebra = rng.uniform(9, 60) if rng.random() < 0.35 else -99.0
        self.stop = rng.uniform(6, 30) if rng.random() < 0.25 else -99.0
        self.trees_kind = rng.choice(["bare", "leafy", "dark"], 2, p=[0.5, 0.3, 0.2])
        self.items, self.side_roads = [], []
        self.shadows = np.full((3400, 500), 255, np.uint8)  # rows Z from -10 m, columns d from -25 m, 0.1 m
        self.verge = np.zeros((2, 700), np.uint8)  # ground behind the pavement per 0.5 m
        for side in (0, 1):
            self.build_side(rng, side)
        self.add_traffic(rng)
        self.patches = np.full((3400, 500), 128, np.uint8)  # brightness of the asphalt, same grid
        for _ in range(60):  # repairs, trenches, manholes, cracks
            x, y, k = rng.uniform(-self.half, self.half), rng.uniform(-5, 200), rng.random()
            p, q = (int(x * 10 + 250), int(y * 10 + 100)), rng.integers(5, 30, 2) * (1, 2)
            tone = int(128 * rng.uniform(0.72, 1.16))
            if k < 0.35:
                cv2.rectangle(self.patches, p, (p[0] + int(q[0]), p[1] + int(q[1])), tone, -1)
            elif k < 0.55:
                cv2.circle(self.patches, p, 3, 70, -1)
            elif k < 0.65:
                cv2.line(self.patches, p, (p[0] + int(q[0]) // 4, p[1] + 500), tone, 4)
            else:
                way = np.cumsum(rng.integers(-6, 7, (12, 2)) * (1, 2), 0) + p
                cv2.polylines(self.patches, [way.astype(np.int32)], False, 92, 1)
        self.shadows = cv2.GaussianBlur(self.shadows, (3, 3), 0)
        self.skyline = np.cumsum(rng.normal(0, 1, 64))
        self.skyline_labels = rng.random() < 0.6

    def bend(self, z):
        """Lateral position of the middle of the road (m) at depth z (m)."""
        return z * z * (self.curve[0] + self.curve[1] * z)

    def heading(self, z):
        return float(np.arctan(z * (2 * self.curve[0] + 3 * self.curve[1] * z)))

    def at(self, d, z, y=0.0):
        return np.array([self.bend(z) + d, y, z])

    def build_side(self, rng, side):
        """Fill one side of the street with lots: buildings, gardens, parks and side roads."""
        sg = 1 if side else -1
        z, last = -8.0, ""
        edge = self.half + self.walk[side]
        base_h = rng.uniform(7, 13) if self.type == "city" else rng.uniform(5.5, 8)
        weights = {
            "city": [0.58, 0.08, 0.16, 0.08, 0.1],
            "suburb": [0.1, 0.5, 0.02, 0.24, 0.14],
            "open": [0.1, 0.12, 0.14, 0.48, 0.16],
        }
        normal_lit = max(0.0, float(-sg * self.sun.dir[0]))
        shade = self.sun.ambient * 0.7 / (self.sun.ambient * 0.7 + self.sun.warm * normal_lit)
        while z < FAR + 20:
            kind = str(rng.choice(["shop", "house", "office", "park", "side"], p=weights[self.type]))
            if kind == "side" and (last == "side" or z < 4):
                continue
            n = {
                "shop": rng.uniform(7, 14),
                "house": rng.uniform(7, 15),
                "office": rng.uniform(14, 26),
                "park": rng.uniform(8, 26),
                "side": rng.uniform(6, 10),
            }[kind]
            z1 = z + n
            cells = slice(int((z + 10) * 2), int((z1 + 10) * 2))
            self.verge[side, cells] = {
                "shop": 0,
                "office": 0,
                "house": 1 + (rng.random() < 0.3),
                "park": 2,
                "side": 3,
            }[kind]
            if kind == "side":
                self.side_roads.append((side, z, z1))
                self.backdrop(rng, side, z, z1, edge + rng.uniform(25, 50))
            elif kind == "park":
                self.park(rng, side, z, z1, edge)
            else:
                setback = {"shop": 0.0, "office": rng.choice([0.0, 3.0])}.get(kind, rng.uniform(2, 7))
                if self.type == "open":
                    setback += rng.uniform(0, 6)
                if kind == "house":
                    self.garden(rng, side, z, z1, edge, setback)
                height = (
                    max(5.0, base_h * rng.uniform(0.8, 1.25)) if kind != "house" else rng.uniform(5.4, 8.5)
                )
                self.building(rng, side, z, z1, edge + setback, height, kind, normal_lit > 0.05, shade)
            z, last = z1, kind
        self.furniture(rng, side, edge)

    def building(self, rng, side, z0, z1, d, height, kind, lit, shade):
        sg = 1 if side else -1
        own = np.random.default_rng(rng.integers(1 << 40))
        if kind == "house":
            z1 -= rng.uniform(0.2, 2.5)
        a, b = self.at(sg * d, z0), self.at(sg * d, z1)
        length = float(np.hypot(*(b - a)[[0, 2]]))
        lit_from = (
            99.0
            if not lit
            else max(0.0, height - (2 * d) * self.sun.dir[1] / max(abs(self.sun.dir[0]), 0.05))
            * rng.uniform(0, 1.2)
        )
        if self.sun.direct < 0.3 or not lit:
            lit_from = 0.0
        self.cast(sg * d, z0, sg * d, z1, height + 1.0)
        self.cast(sg * d, z1, sg * (d + 9), z1, height + 1.0)
        self.cast(sg * d, z0, sg * (d + 9), z0, height + 1.0)
        flat = kind == "office" or rng.random() < 0.15
        slate = np.array([0.075, 0.07, 0.075]) if rng.random() < 0.6 else np.array([0.16, 0.08, 0.055])
        rise, run = rng.uniform(2, 3.2), rng.uniform(3.5, 5)
        wall_c = rng.uniform(0.05, 0.3) * np.array([1.1, 0.95, 0.8])
        chimneys = [
            (rng.uniform(0.1, 0.9), rng.uniform(0.5, 0.9))
            for _ in range(0 if flat else int(rng.integers(0, 3)))
        ]
        h3 = np.array([0, height, 0])
        out = np.array([sg, 0, 0.0])
        n_front = np.array([-(b - a)[2] * sg, 0, (b - a)[0] * sg])
        cache = []

        def draw(cv, time):
            sun = self.sun
            if not cache:
                cache.append(facade_texture(own, kind, length, height, lit_from, shade))
                tile = cv2.resize(bricks(), (90, 90), interpolation=cv2.INTER_AREA)
                for c, key, w, hh in ((wall_c, 0, 10, height), (slate, 2, length, 5)):
                    w, hh = int(w * 26), int(hh * 26)
                    rough = 1 + 0.1 * cover(noise(512, 4, 6, key), hh, w)
                    cache.append(Texture(u8(np.sqrt(c) * (cover(tile, hh, w) * rough)[..., None])))
            front, wall, roof = cache
            ridge = out * run + [0, rise, 0]
            if not flat:
                for u, size in chimneys:
                    c = a + (b - a) * u + h3 + ridge
                    for p, q, n in ((c, (b - a) / length * size, n_front), (c, out * size, (0, 0, -1))):
                        e = c + [0, 1.5, 0]
                        cv.poly([p - [0, 1, 0], p + q - [0, 1, 0], e + q, e], wall_c * sun.light(n), BUILDING)
                    for k in (0.2, 0.6):
                        f = c + (b - a) / length * size * k + [0, 1.5, 0]
                        cv.limb(
                            f, f + [0, 0.4, 0], 0.12, 0.1, np.array([0.2, 0.09, 0.05]) * sun.flat, BUILDING
                        )
                cv.texture(
                    a + h3 + ridge, b - a, -ridge, roof, sun.light(np.array([-sg * rise, run, 0])), BUILDING
                )
            light = sun.light((0, 0, -1))
            if a[2] > cv.eye[2]:
                if not flat:
                    cv.poly([a + h3, a + h3 + ridge, a + h3 + out * 2 * run], wall_c * light, BUILDING)
                cv.texture(a + h3, out * 10, -h3, wall, light, BUILDING)
            cv.texture(a + h3, b - a, -h3, front, sun.light(n_front), BUILDING)

        self.add(z1, draw)
        if kind == "shop":
            for u in rng.uniform(0.1, 0.9, int(rng.integers(0, 3))):
                self.hanging_sign(rng, side, z0 + (z1 - z0) * u, d)

    def garden(self, rng, side, z0, z1, edge, setback):
        sg = 1 if side else -1
        for _ in range(int(rng.integers(0, 3))):
            self.tree(
                rng,
                sg * (edge + rng.uniform(0.8, max(1.0, setback))),
                rng.uniform(z0, z1),
                rng.uniform(2.5, 6.5),
                3.1,
            )
        self.barrier(
            rng,
            side,
            z0,
            z1,
            edge,
            str(rng.choice(["hedge", "wall", "wood", "rail", "none"], p=[0.32, 0.28, 0.16, 0.1, 0.14])),
        )

    def park(self, rng, side, z0, z1, edge):
        sg = 1 if side else -1
        for _ in range(1 + int((z1 - z0) / rng.uniform(3, 8))):
            self.tree(rng, sg * (edge + rng.uniform(1, 16)), rng.uniform(z0, z1), rng.uniform(5, 13), 3.1)
        self.barrier(
            rng,
            side,
            z0,
            z1,
            edge,
            str(rng.choice(["rail", "hedge", "wood", "wall", "none"], p=[0.4, 0.2, 0.1, 0.1, 0.2])),
        )
        self.backdrop(rng, side, z0, z1, edge + rng.uniform(18, 30))

    def backdrop(self, rng, side, z0, z1, d):
        """Something to see across a gap: a row of trees or a far building."""
        sg = 1 if side else -1
        if rng.random() < 0.5:
            for z in np.arange(z0 - 2, z1 + 14, 5.0):
                self.tree(rng, sg * d, z + rng.uniform(-2, 2), rng.uniform(6, 11), 20.0)
        else:
            self.building(rng, side, z0 - 4, z1 + 14, d, rng.uniform(5, 10), "office", False, np.ones(3))

    def furniture(self, rng, side, edge):
        """Lamp posts, signs, traffic lights, bollards, street trees and people on the pavement."""
        sg = 1 if side else -1
        kerb = sg * (self.half + 0.35)
        z, gap, tall = rng.uniform(3, 20), rng.uniform(20, 38), rng.uniform(5, 9)
        grey = rng.uniform(0.03, 0.25) * np.ones(3)
        while z < 160:
            if not self.on_side_road(side, z):
                self.pole(kerb, z, tall, grey, sg)
            z += gap
        for _ in range(int(rng.poisson(3.5))):
            z = 4 + 70 * rng.random() ** 1.5
            if not self.on_side_road(side, z):
                self.sign(rng, kerb + sg * rng.uniform(-0.1, 0.4), z)
        for s, za, _ in self.side_roads:
            if s == side and za < 90 and rng.random() < 0.5:
                self.light(rng, kerb, za - 1.5)
        if rng.random() < 0.4:
            z0 = rng.uniform(5, 40)
            for k in range(int(rng.integers(3, 9))):
                if not self.on_side_road(side, z0 + 1.6 * k):
                    self.pole(kerb, z0 + 1.6 * k, 1.0, np.full(3, 0.02), 0)
        if rng.random() < (0.2 if self.type == "city" else 0.45):
            step, z = rng.uniform(8, 16), rng.uniform(4, 14)
            size = rng.uniform(5, 9)
            while z < 120:
                if not self.on_side_road(side, z):
                    self.tree(rng, kerb + sg * 0.4, z, size * rng.uniform(0.85, 1.15))
                z += step
        if rng.random() < 0.15:
            z0 = rng.uniform(6, 30)
            if not self.on_side_road(side, z0) and not self.on_side_road(side, z0 + 9):
                self.barrier(rng, side, z0, z0 + 9, self.half + 0.25, "rail")
        count = rng.poisson({"city": 8, "suburb": 3, "open": 3}[self.type])
        for _ in range(int(count)):
            who, speed = make_person(rng), rng.choice([-1, 1]) * rng.uniform(0.9, 1.6) * (rng.random() < 0.85)
            d, z0, ph = (
                sg * rng.uniform(self.half + 0.5, edge - 0.3),
                5 + 60 * rng.random() ** 1.4,
                rng.uniform(0, 6),
            )
            self.mover(
                z0,
                speed,
                d,
                lambda cv, pos, hd, time, who=who, ph=ph, v=speed: draw_person(
                    cv, self.sun, who, pos + [0, KERB, 0], hd + (np.pi if v < 0 else 0), ph + 4.2 * v * time
                ),
            )

    def on_side_road(self, side, z):
        return any(s == side and a - 1.0 < z < b + 1.0 for s, a, b in self.side_roads)

    def add_traffic(self, rng):
        lanes = []
        busy = rng.uniform(0.2, 1.0)
        for side, sg in ((0, -1), (1, 1)):  # parked at the kerb
            if rng.random() < 0.5 and self.half > 4.0:
                if sg < 0:  # keep clear of them
                    self.lane = max(self.lane, 2.9 - self.half)
                z = rng.uniform(2, 15)
                while z < 110:
                    if rng.random() < busy and not self.on_side_road(side, z):
                        lanes.append(
                            (
                                z,
                                0.0,
                                sg * (self.half - 1.0),
                                rng.choice([0, np.pi], p=[0.7, 0.3] if sg < 0 else [0.3, 0.7]),
                            )
                        )
                    z += rng.uniform(5.5, 8)
        z = rng.uniform(6, 30)
        while z < 130 and rng.random() < 0.8:  # ahead, same direction (drive on the left)
            lanes.append((z, self.speed * rng.uniform(0.9, 1.1), self.lane, 0.0))
            z += rng.uniform(9, 40)
        z = rng.uniform(6, 40)
        while z < 160 and rng.random() < 0.85:  # oncoming
            lanes.append((z, -rng.uniform(4, 9), self.half * 0.42, np.pi))
            z += rng.uniform(8, 35)
        for side, a, b in self.side_roads:  # waiting in the side road
            if rng.random() < 0.4 and a < 80:
                sg = 1 if side else -1
                lanes.append(((a + b) / 2 + sg * (b - a) * 0.2, 0.0, sg * (self.half + 3.0), -sg * np.pi / 2))
        for z, v, d, turn in lanes:
            car = make_car(rng)
            if car["kind"] == "bus" and (v == 0 or z < 14):
                car = dict(car, kind="hatch")
            self.mover(
                z,
                v,
                d,
                lambda cv, pos, hd, time, car=car, turn=turn: draw_car(cv, self.sun, car, pos, hd + turn),
            )
        for _ in range(int(rng.poisson(1.0 if self.type == "city" else 0.6))):
            who, way = make_person(rng), rng.choice([1, -1], p=[0.7, 0.3])
            v, ph = way * rng.uniform(3, 5), rng.uniform(0, 6)
            d = -way * (self.half - rng.uniform(0.6, 1.3))
            self.mover(
                5 + 30 * rng.random(),
                v,
                d,
                lambda cv, pos, hd, time, who=who, ph=ph, v=v: draw_cyclist(
                    cv, self.sun, who, pos, hd + (np.pi if v < 0 else 0), ph + 1.6 * abs(v) * time
                ),
            )

    def frame(self, t=0.0, fps=15):
        """Render one frame.

        Parameters
        ----------
        t : float
            Frame number; the time in seconds is t / fps.
        fps : float
            Frames per second.

        Returns
        -------
        image : uint8 [height, width, 3]
            RGB picture.
        labels : uint8 [height, width]
            Class of each pixel, an index into CLASS_NAMES (11 is never used).
        """
        time = float(t) / float(fps)
        w, h = self.width * 2, self.height * 2
        z = self.speed * time
        yaw = self.heading(z) + self.turn
        eye = self.at(self.lane, z, self.eye_h + 0.012 * np.sin(7.0 * time))
        horizon = h * self.horizon + 0.0012 * h * np.sin(9.0 * time)
        cv = Canvas(w, h, self.focal * max(w, h * 4 / 3), horizon, eye, yaw, self.haze, self.haze_colour)
        draw_sky(self, cv, yaw, time)
        draw_ground(self, cv)
        todo = []
        for n, (key, draw) in enumerate(self.items):
            if callable(key):
                depth, pos, hd = key(time)
                if 2.6 < depth - z < 150:
                    todo.append((depth, n, lambda draw=draw, pos=pos, hd=hd: draw(cv, pos, hd, time)))
            elif -30 < key - z < FAR:
                todo.append((key, n, lambda draw=draw: draw(cv, time)))
        for _, _, draw in sorted(todo, key=lambda e: (-e[0], e[1])):
            draw()
        # camera: exposure, white balance, average, blur, vignette, tone curve, noise
        small = cv2.resize(np.minimum(cv.img, 4.0), (self.width, self.height), interpolation=cv2.INTER_AREA)
        glow = cv2.GaussianBlur(cv2.resize(small, (60, 45), interpolation=cv2.INTER_AREA), (0, 0), 4)
        small += self.glare * cv2.resize(glow, (self.width, self.height), interpolation=cv2.INTER_LINEAR)
        small *= (self.exposure * self.white).astype(np.float32)
        small = cv2.GaussianBlur(np.minimum(small, 1.6), (0, 0), self.blur * self.width / 480)
        yy = np.linspace(-1, 1, self.height, dtype=np.float32)[:, None]
        xx = np.linspace(-1, 1, self.width, dtype=np.float32)[None, :]
        small *= (1 - 0.1 * (xx * xx + yy * yy))[..., None]
        out = np.sqrt(np.clip(small, 0, 1))
        out = out + 0.25 * (out * out * (3 - 2 * out) - out)
        rng = np.random.default_rng([self.seed, int(round(time * 1e4))])
        out += rng.standard_normal(out.shape, np.float32) * np.float32(self.grain)
        return np.clip(out * 255 + 0.5, 0, 255).astype(np.uint8), cv.lab[1::2, 1::2].copy()


def render(seed, width=480, height=360, t=0):
    """Picture uint8 [height, width, 3] and labels uint8 [height, width] of frame t of a scene."""
    return Scene(seed, width, height).frame(t)


def save_labels(labels, path):
    """Write labels uint8 [h, w] as an indexed PNG with CamVid's colours."""
    im = Image.fromarray(labels)
    im.putpalette(PALETTE.ravel().tolist())
    im.save(path, optimize=True)


def main(argv=None):
    ap = argparse.ArgumentParser(description="Draw a synthetic street scene.")
    ap.add_argument("out", help="picture to write (.png); with --clip OUT_0000.png, OUT_0001.png ...")
    ap.add_argument("--seed", type=int, default=821, help="scene; 821 is examples/street.png")
    ap.add_argument("--size", default="480x360", metavar="WxH")
    ap.add_argument("--labels", metavar="FILE.png", help="also write the labels as an indexed PNG")
    ap.add_argument("--clip", type=int, default=0, metavar="N", help="write N consecutive frames")
    ap.add_argument("--fps", type=float, default=15.0)
    args = ap.parse_args(argv)
    w, h = (int(v) for v in args.size.lower().split("x"))
    scene = Scene(args.seed, w, h)
    for k in range(max(1, args.clip)):
        image, labels = scene.frame(k, args.fps)
        tail = f"_{k:04d}" if args.clip else ""
        stem, ext = os.path.splitext(args.out)
        Image.fromarray(image).save(stem + tail + (ext or ".png"))
        if args.labels:
            stem, ext = os.path.splitext(args.labels)
            save_labels(labels, stem + tail + (ext or ".png"))


if __name__ == "__main__":
    main()
