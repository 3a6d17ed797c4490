"""Vehicles, people and light of the street renderer (see street.py)."""

import cv2
import numpy as np
from street_canvas import CAR, CYCLIST, PERSON, UP


def local(pos, heading):
    """Map from local (right, up, forward) metres to world, and the matrix of local axes [3, 3]."""
    c, s = np.cos(heading), np.sin(heading)
    m = np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])
    return lambda p: np.asarray(p, float) @ m + pos, m


# length, width, height, waist, hood and boot (share of half length), rake of front and rear glass (m)
CAR_SHAPES = {
    "hatch": (3.9, 1.7, 1.47, 0.92, 0.56, 0.94, 0.75, 0.30),
    "saloon": (4.5, 1.75, 1.43, 0.9, 0.46, 0.66, 0.8, 0.6),
    "estate": (4.5, 1.78, 1.5, 0.93, 0.5, 0.97, 0.75, 0.2),
    "van": (5.2, 1.95, 2.2, 1.15, 0.78, 0.99, 0.6, 0.05),
    "bus": (10.0, 2.5, 3.1, 1.25, 0.98, 0.99, 0.12, 0.05),
}
OUTLINE = np.array([(0.72, 1.0), (1.0, 0.88), (1.0, 0.4), (1.0, -0.9), (0.84, -1.0)])  # plan, front to rear


def draw_car(cv, sun, car, pos, heading):
    """A car, van or bus: a body of three bands round its plan, cabin with glass, wheels, lights, plates."""
    kind, paint = car["kind"], car["paint"]
    full, wide, h, waist, hood, boot, rake_f, rake_r = CAR_SHAPES[kind]
    w, ln, big = wide / 2, full / 2 * car["size"], kind in ("bus", "van")
    hood, boot = hood * ln, -boot * ln
    world, m = local(pos, heading)
    eye = m @ (cv.eye - pos)
    far = np.hypot(eye[0], eye[2]) > 45
    lo, nose, tail = (
        0.2,
        waist - (0.05 if kind == "bus" else 0.2),
        waist - (0.08 if kind == "saloon" else 0.0),
    )
    base = world(np.array([[-w, 0.01, -ln], [w, 0.01, -ln], [w, 0.01, ln], [-w, 0.01, ln]]))
    for grow, dark in ((1.12, 0.6), (1.0, 0.3)):
        cv.darken(pos + (base - pos) * grow, dark)
    if sun.direct > 0.3:
        drop = -sun.dir * (0.8 * h / sun.dir[1]) * [1, 0, 1]
        both = np.concatenate([base, base + drop])
        cv.darken(
            both[cv2.convexHull(both[:, [0, 2]].astype(np.float32), returnPoints=False)[:, 0]], sun.shadow
        )

    def face(points, colour, lamp=None, gloss=0.05):
        """A polygon facing away from the middle of the car, if the eye can see it."""
        p = np.asarray(points, float)
        n = np.cross(p[1] - p[0], p[2] - p[0])
        n *= np.sign(n @ (p.mean(0) - [0, 0.6, p[:, 2].mean() * 0.6])) / max(np.linalg.norm(n), 1e-9)
        if (eye - p[0]) @ n > 0:
            g = n @ m
            shine = gloss * max(0.0, 0.25 + g[1])
            cv.poly(
                world(p), np.asarray(colour) * (sun.light(g) if lamp is None else lamp) + sun.sky * shine, CAR
            )
            return True
        return False

    rubber, glass = np.full(3, 0.011), np.array([0.016, 0.019, 0.022])
    cv.poly(
        world(
            [
                [-w, lo + 0.1, -ln * 0.95],
                [w, lo + 0.1, -ln * 0.95],
                [w, lo + 0.1, ln * 0.9],
                [-w, lo + 0.1, ln * 0.9],
            ]
        ),
        rubber * 0.2,
        CAR,
    )
    rad = 0.46 if kind == "bus" else 0.31
    for z in (-0.6 * ln, 0.62 * ln):
        for sx in (-1, 1):  # the tyres seen under the bumpers
            a, b = sx * w * 0.97, sx * (w * 0.97 - 0.2)
            cv.poly(world([[a, 0, z], [b, 0, z], [b, 0.4, z], [a, 0.4, z]]), rubber * 0.6, CAR)
    if kind != "bus" and not far:
        for sx in (-1, 1):
            a, b = world([[sx * w, waist + 0.06, hood - 0.3], [sx * (w + 0.14), waist + 0.09, hood - 0.3]])
            cv.limb(a, b, 0.05, 0.07, paint * 0.5 * sun.flat, CAR)
    # body: plan outline times (height, inset) levels
    plan = np.concatenate([OUTLINE, OUTLINE[::-1] * [-1, 1]]) * [w, ln]
    tops = np.interp(plan[:, 1], [-ln, boot, hood, ln], [tail, waist, waist, nose])
    levels = ((0.0, 0.95), (0.3, 1.0), (0.72, 1.0), (1.0, 0.94))
    rings = [
        np.stack([plan[:, 0] * s, lo + f * (tops - lo), plan[:, 1] * (0.7 + 0.3 * s)], 1) for f, s in levels
    ]
    bumper = paint * (0.2 if car["dark_bumper"] else 0.9) + 0.003
    order = sorted(range(10), key=lambda i: -np.hypot(*(plan[i] + plan[(i + 1) % 10] - 2 * eye[[0, 2]])))
    for i in order:
        j = (i + 1) % 10
        ends = abs(plan[i, 1] + plan[j, 1]) > 1.7 * ln
        for k in range(3):
            colour = bumper if k == 0 and ends else paint * (0.6 if k == 0 else 1)
            face([rings[k][i], rings[k][j], rings[k + 1][j], rings[k + 1][i]], colour)
    top = rings[3]
    front_top = np.array([top[0], top[1], [w * 0.94, waist, hood], [-w * 0.94, waist, hood], top[8], top[9]])
    face(front_top, paint, gloss=0.09)
    face(
        [top[4], top[3], [w * 0.94, waist, boot], [-w * 0.94, waist, boot], top[6], top[5]], paint, gloss=0.09
    )

    def strip(z, x0, x1, y0, y1, colour, lamp=None):
        zz = z * ln * 1.002
        face([[x0 * w, y0, zz], [x1 * w, y0, zz], [x1 * w, y1, zz], [x0 * w, y1, zz]], colour, lamp, 0.0)

    if kind == "bus":
        strip(-1, -0.8, 0.8, 1.5, 2.6, glass)
    strip(1, -0.28, 0.28, 0.4, 0.5, (0.6, 0.6, 0.56))
    strip(1, -0.45, 0.45, 0.56, 0.56 + 0.3 * (nose - 0.5), (0.012, 0.012, 0.012))
    strip(1, -0.6, 0.6, 0.24, 0.34, (0.012, 0.012, 0.012))
    y = 0.62 if kind != "saloon" else 0.68
    strip(-1, -0.28, 0.28, y - 0.06, y + 0.06, (0.62, 0.44, 0.05))
    strip(-1, -0.75, 0.75, 0.2, 0.33, (0.012, 0.012, 0.012))
    red, lamp = ((0.95, 0.06, 0.04), 1.2) if car["brake"] else ((0.22, 0.012, 0.01), None)
    for sx in (-1, 1):
        strip(1, sx * 0.5, sx * 0.7, nose - 0.24, nose - 0.08, (0.45, 0.46, 0.48))
        rear = (4, 3, red, lamp, 0.55, 0.95) if sx > 0 else (5, 6, red, lamp, 0.55, 0.95)
        head = (0, 1) if sx > 0 else (9, 8)
        for a, b, colour, glow, low, high in (rear, (*head, (0.45, 0.46, 0.48), None, 0.62, 0.9)):
            p, q = rings[2][a] * [1.01, 1, 1.004], rings[2][b] * [1.01, 1, 1.004]
            ya, yb = tops[a] - lo, tops[b] - lo
            corners = [[p[0], lo + ya * low, p[2]], [q[0], lo + yb * low, q[2]]]
            corners += [[q[0] * 0.97, lo + yb * high, q[2]], [p[0] * 0.97, lo + ya * high, p[2]]]
            face(corners, colour, glow, 0.0)
        strip(-1, sx * 0.62, sx * 0.83, tail - 0.36, tail - 0.06, red, lamp)
        if (eye[0] - sx * w) * sx > 0 and not far:
            out = sx * w * 1.004
            t = np.linspace(0, 2 * np.pi, 15)[:-1]
            for z in (-0.6 * ln, 0.62 * ln):
                for r, c, dy in ((1.17, 0.003, 0.03), (1.0, 0.012, 0), (0.64, 0.16, 0), (0.28, 0.05, 0)):
                    ring = np.stack(
                        [np.full(14, out), rad + dy + np.cos(t) * rad * r, z + np.sin(t) * rad * r], 1
                    )
                    ring[:, 1] = np.maximum(ring[:, 1], lo if r > 1.1 else 0)
                    face(ring, np.full(3, c), gloss=0)
            for z in (hood - 0.75 * rake_f, 0.02 * ln, -0.4 * ln) if kind != "bus" else ():
                face(
                    [[out, lo + 0.1, z], [out, lo + 0.1, z + 0.02], [out, waist, z + 0.02], [out, waist, z]],
                    paint * 0.35,
                    gloss=0,
                )
    # cabin
    t, wi = w * (0.93 if big else 0.74), w * 0.94
    zf, zr = hood - rake_f, boot + rake_r
    for sx in (-1, 1):
        s = np.array([[sx * wi, waist, boot], [sx * wi, waist, hood], [sx * t, h, zf], [sx * t, h, zr]])
        if not face(s, paint):
            continue
        parts = {
            "bus": [(k / 6 + 0.02, k / 6 + 0.15) for k in range(6)],
            "estate": ((0.05, 0.27), (0.3, 0.6), (0.63, 0.93)),
            "van": ((0.72, 0.96),) if car["panel"] else ((0.04, 0.33), (0.36, 0.66), (0.72, 0.96)),
        }.get(kind, ((0.1, 0.5), (0.53, 0.93)))
        for a, b in parts:
            p = [
                s[0] + (s[1] - s[0]) * a,
                s[0] + (s[1] - s[0]) * b,
                s[3] + (s[2] - s[3]) * b,
                s[3] + (s[2] - s[3]) * a,
            ]
            for y0, y1, g in ((0.05, 0.85, 0.03), (0.45, 0.85, 0.1)):
                face(
                    [
                        p[0] + (p[3] - p[0]) * y0,
                        p[1] + (p[2] - p[1]) * y0,
                        p[1] + (p[2] - p[1]) * y1,
                        p[0] + (p[3] - p[0]) * y1,
                    ],
                    glass,
                    gloss=g,
                )
    for z0, z1, g in ((hood, zf, 0.16), (boot, zr, 0.07)):
        p = np.array([[-wi, waist, z0], [wi, waist, z0], [t, h, z1], [-t, h, z1]])
        if face(p, paint) and not (kind == "van" and car["panel"] and z0 < 0):
            for y0, y1, k in ((0.04, 0.88, 0.6), (0.4, 0.88, 1), (0.68, 0.88, 1.4)):
                left, right = p[3] - p[0], p[2] - p[1]
                q = np.array([p[0] + left * y0, p[1] + right * y0, p[1] + right * y1, p[0] + left * y1])
                face(q * [0.9, 1, 1], glass, gloss=g * k)
    face([[-t, h, zf], [t, h, zf], [t, h, zr], [-t, h, zr]], paint, gloss=0.12)


def draw_person(cv, sun, who, pos, heading, phase, label=PERSON, seat=None):
    """A pedestrian (or, with `seat`, a rider) made of capsules."""
    s = who["tall"] / 1.75
    world, _ = local(pos, heading)
    light = sun.flat
    legs, coat, skin, hair = (np.asarray(who[k]) * light for k in ("legs", "coat", "skin", "hair"))

    def limb(a, b, ra, rb, colour):
        cv.limb(*world(np.array([a, b]) * s), ra * s, rb * s, colour, label)

    if seat is None:
        r = 0.3 * s
        t = np.linspace(0, 2 * np.pi, 9)[:-1]
        cv.darken(world(np.stack([r * np.cos(t), np.full(8, 0.01), r * np.sin(t)], 1)), 0.5)
        if sun.direct > 0.3:
            d = -sun.dir / sun.dir[1] * 1.6 * s
            side = np.cross(d, UP) / np.linalg.norm(d) * 0.18
            p = np.asarray(pos) * [1, 1, 1] + [0, 0.01, 0]
            cv.darken(
                [p + side, p - side, p - side + [d[0], 0, d[2]], p + side + [d[0], 0, d[2]]], sun.shadow
            )
        swing = 0.28 * np.sin(phase)
        for sx, k in ((-1, swing), (1, -swing)):
            knee = [sx * 0.09, 0.48, k * 0.6 + 0.05]
            limb([sx * 0.1, 0.06, k * 1.25 - 0.05], knee, 0.05, 0.065, legs * 0.9)
            limb(
                [sx * 0.1, 0.03, k * 1.25 - 0.05], [sx * 0.1, 0.04, k * 1.25 + 0.13], 0.045, 0.04, hair * 0.5
            )
            limb(knee, [sx * 0.09, 0.9, 0], 0.075, 0.1, legs)
        hip, neck = [0, 0.92, 0], [0, 1.42, 0.02]
        if who["long"]:
            limb([0, 0.62, 0], [0, 1.1, 0], 0.19, 0.15, coat)
        hands = [([sx * 0.25, 0.88, -k * 0.9], sx) for sx, k in ((-1, swing), (1, -swing))]
    else:
        hip, neck = [0, 0.98, -0.25], [0, 1.42, 0.12]
        for sx, k in ((-1, phase), (1, phase + np.pi)):
            foot = [sx * 0.12, 0.3 + 0.16 * np.cos(k), 0.16 * np.sin(k)]
            knee = [sx * 0.12, 0.68 + 0.12 * np.cos(k), 0.22 + 0.05 * np.sin(k)]
            limb(foot, knee, 0.05, 0.065, legs)
            limb(knee, [sx * 0.1, 0.95, -0.22], 0.075, 0.1, legs)
        hands = [([sx * 0.22, 1.05, 0.42], sx) for sx in (-1, 1)]
    for sx in (-1, 1):
        limb(
            np.add(hip, [sx * 0.07, 0, 0]),
            np.add(neck, [sx * 0.1, -0.04, 0]),
            0.11,
            0.105,
            coat * (1.1 if sx > 0 else 0.85),
        )
    limb(hip, neck, 0.14, 0.09, coat)
    for hand, sx in hands:
        sh = np.add(neck, [sx * 0.19, -0.04, 0])
        elbow = (sh + hand) / 2 + [sx * 0.04, -0.02, -0.04]
        limb(elbow, sh, 0.045, 0.06, coat * 0.9)
        limb(elbow, hand, 0.045, 0.035, coat * 0.95)
        limb(hand, hand, 0.045, 0.045, skin)
    head = np.add(neck, [0, 0.2, 0.03])
    limb(neck, head, 0.05, 0.05, skin * 0.8)
    limb(head, np.add(head, [0, 0.05, 0]), 0.09, 0.1, skin)
    limb(np.add(head, [0, 0.07, -0.03]), np.add(head, [0, 0.09, -0.02]), 0.1, 0.095, hair)
    if who["bag"]:
        limb(np.add(hip, [0.25, 0.0, -0.05]), np.add(hip, [0.25, -0.25, -0.05]), 0.08, 0.1, hair * 0.8)


def draw_cyclist(cv, sun, who, pos, heading, phase):
    """A bicycle and its rider."""
    world, _ = local(pos, heading)
    dark = np.array([0.01, 0.01, 0.012])
    frame = np.asarray(who["bike"]) * sun.flat
    cv.darken(world([[-0.25, 0.01, -0.8], [0.25, 0.01, -0.8], [0.25, 0.01, 0.8], [-0.25, 0.01, 0.8]]), 0.55)
    t = np.linspace(0, 2 * np.pi, 15)
    for z in (-0.52, 0.52):
        ring = np.stack([np.zeros(15), 0.34 + 0.32 * np.cos(t), z + 0.32 * np.sin(t)], 1)
        for k in range(14):
            cv.limb(*world(ring[k : k + 2]), 0.025, 0.025, dark, CYCLIST)
        for k in range(0, 14, 3):
            cv.limb(*world([[0, 0.34, z], ring[k]]), 0.004, 0.004, dark * 5, CYCLIST)
    for a, b in (
        ((0, 0.34, -0.52), (0, 0.32, 0)),
        ((0, 0.34, -0.52), (0, 0.8, -0.2)),
        ((0, 0.32, 0), (0, 0.8, -0.2)),
        ((0, 0.32, 0), (0, 0.85, 0.4)),
        ((0, 0.8, -0.2), (0, 0.85, 0.4)),
        ((0, 0.85, 0.4), (0, 0.34, 0.52)),
        ((0, 0.85, 0.4), (0, 1.0, 0.38)),
        ((-0.25, 1.02, 0.4), (0.25, 1.02, 0.4)),
        ((0, 0.8, -0.2), (0, 0.95, -0.25)),
    ):
        cv.limb(*world([a, b]), 0.02, 0.02, frame, CYCLIST)
    draw_person(cv, sun, who, pos, heading, phase, CYCLIST, seat=True)
    if who["helmet"] is not None:
        a = world(np.array([[0, 1.72, 0.14], [0, 1.75, 0.12]]) * who["tall"] / 1.75)
        cv.limb(a[0], a[1], 0.11, 0.1, np.asarray(who["helmet"]) * sun.flat, CYCLIST)


class Sun:
    """Light of a scene: direction, direct and ambient strength (linear RGB), sky colour."""

    def __init__(self, rng):
        az, el = rng.uniform(0, 2 * np.pi), np.deg2rad(rng.uniform(16, 55))
        self.dir = np.array([np.sin(az) * np.cos(el), np.sin(el), np.cos(az) * np.cos(el)])
        self.direct = rng.uniform(0.9, 2.8) if rng.random() < 0.6 else rng.uniform(0, 0.25)
        low = np.clip((0.6 - el) * 1.2, 0, 0.5)
        self.warm = np.array([1.0, 1 - 0.14 * low, 1 - 0.42 * low]) * self.direct
        self.ambient = np.array([0.93, 1.0, 1.1 if self.direct > 0.3 else 1.03]) * rng.uniform(0.3, 0.75)
        self.flat = self.ambient + 0.45 * self.warm
        total = self.ambient + self.warm * self.dir[1]
        self.shadow = float((self.ambient / total).mean())
        self.sky = np.array([1.0, 1.05, 1.12]) * 1.5

    def light(self, normal):
        n = np.asarray(normal, float)
        n = n / np.linalg.norm(n)
        return self.ambient * (0.7 + 0.3 * n[1]) + self.warm * max(0.0, float(n @ self.dir))


def paint_colour(rng):
    """A car colour, linear: black, grey, silver, white, blue, red, green."""
    k = rng.choice(8, p=[0.2, 0.16, 0.2, 0.12, 0.13, 0.1, 0.05, 0.04])
    c = [
        (0.012, 0.012, 0.014),
        (0.06, 0.06, 0.065),
        (0.33, 0.34, 0.35),
        (0.6, 0.6, 0.58),
        (0.02, 0.04, 0.13),
        (0.25, 0.02, 0.02),
        (0.02, 0.07, 0.04),
        (0.3, 0.26, 0.1),
    ][k]
    return np.array(c) * rng.uniform(0.7, 1.4)


def make_car(rng):
    kind = rng.choice(["hatch", "saloon", "estate", "van", "bus"], p=[0.45, 0.2, 0.15, 0.14, 0.06])
    paint = paint_colour(rng) if kind != "van" or rng.random() < 0.4 else np.array([0.6, 0.6, 0.58])
    return dict(
        kind=kind,
        size=rng.uniform(0.94, 1.06),
        paint=paint,
        brake=rng.random() < 0.3,
        panel=rng.random() < 0.6,
        dark_bumper=rng.random() < 0.4,
    )


def make_person(rng):
    def cloth():
        return (
            rng.uniform(0.006, 0.05) * rng.uniform(0.7, 1.3, 3)
            if rng.random() < 0.75
            else rng.uniform(0.02, 0.3, 3)
        )

    return dict(
        tall=rng.uniform(1.5, 1.88),
        legs=rng.uniform(0.01, 0.07) * np.array([0.9, 1, 1.3]),
        coat=cloth(),
        skin=np.array([0.5, 0.33, 0.24]) * rng.uniform(0.35, 1.1),
        hair=rng.uniform(0.01, 0.12) * np.array([1, 0.8, 0.6]),
        long=rng.random() < 0.35,
        bag=rng.random() < 0.3,
        bike=rng.uniform(0.02, 0.3, 3),
        helmet=rng.uniform(0.1, 0.7, 3) if rng.random() < 0.4 else None,
    )
