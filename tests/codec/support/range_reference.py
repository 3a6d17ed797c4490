# SPDX-License-Identifier: Apache-2.0
"""Section 7 of docs/bitstream.md in Python: the range coder, its contexts and residuals."""


class RangeDecoder:
    def __init__(self, data):
        self.data, self.next = data, 4
        self.code = int.from_bytes((data + bytes(4))[:4], "big")
        self.range = 2**32 - 1

    def bit(self, p, _=None):
        bound = (self.range >> 16) * p
        if self.code < bound:
            self.range, bit = bound, 0
        else:
            self.range, self.code, bit = self.range - bound, self.code - bound, 1
        while self.range < 2**24:
            byte = self.data[self.next] if self.next < len(self.data) else 0
            self.next += 1
            self.range, self.code = self.range << 8, (self.code << 8 | byte) & 0xFFFFFFFF
        return bit


class RangeEncoder:
    """`low` keeps every byte ever made, so a carry needs no care."""

    def __init__(self):
        self.low, self.range, self.shifted = 0, 2**32 - 1, 0

    def bit(self, p, bit):
        bound = (self.range >> 16) * p
        if bit:
            self.low, self.range = self.low + bound, self.range - bound
        else:
            self.range = bound
        while self.range < 2**24:
            self.low, self.range, self.shifted = self.low << 8, self.range << 8, self.shifted + 1
        return bit

    def finish(self):
        """The shortest bytes that, followed by zeros, lie in the interval."""
        for n in range(4 + self.shifted + 1):
            unit = 256 ** (4 + self.shifted - n)
            value = -(-self.low // unit)
            if value * unit < self.low + self.range:
                return value.to_bytes(n, "big").rstrip(b"\0")
        raise AssertionError("empty interval")


class Models:
    """The adaptive contexts of one coded section, reading or (given values) writing.

    start: context -> (fast, slow, n) of those that do not begin as section 7 says.
    """

    def __init__(self, coder, start=None):
        self.coder, self.state = coder, dict(start or {})

    def bit(self, context, bit=None):
        fast, slow, n = self.state.get(context, (2**15, 2**15, 0))
        bit = self.coder.bit(min(max(fast + slow >> 1, 64), 65536 - 64), bit)
        target = 0 if bit else 65535
        fast += target - fast >> min(n + 1, 4)
        slow += target - slow >> min(n + 1, 6)
        self.state[context] = fast, slow, n + 1
        return bit

    def residual(self, p, low, high, q, v=None):
        return self.residual_in(p, low, high, (q, 0), (q, 1), lambda k: (q, 2 + min(k, 2)), v)

    def residual_in(self, p, low, high, differs, sign, unary, v=None):
        """The same with the contexts of points 1, 2 and (of k) 3."""
        p = min(max(p, low), high)
        known = v is not None
        if not self.bit(differs, int(v != p) if known else None):
            return p
        below = self.bit(sign, int(v < p) if known else None) if low < p < high else p == high
        room = p - low if below else high - p
        distance = 1
        while distance < room:
            more = int(abs(v - p) > distance) if known else None
            if not self.bit(unary(distance - 1), more):
                break
            distance += 1
        return p - distance if below else p + distance
