# SPDX-License-Identifier: Apache-2.0
"""What counts as found, when, and what it costs: every number here was worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rdct.evaluation.detection import objects, play, prices, scenario, summary, systems, text
from rdct.vision.detectors import Candidates
from rdct.vision.regions import Region, pairs


def box(x, score=0.9, label=0, side=10):
    return Region(x, 0, x + side, side, score, label)


# ---------------------------------------------------------------------------------------------- objects


def test_pairs_are_one_to_one_and_the_surer_chooses_first():
    there = [box(0), box(8)]
    # Both lie nearest to the first. The less sure one is left with the second: 3 of 17 in common, or 6 of 14.
    assert pairs([box(1, 0.6), box(0, 0.9)], there, min_iou=0.5) == [(1, 0)]
    assert pairs([box(4, 0.6), box(0, 0.9)], there, min_iou=0.4) == [(1, 0), (0, 1)]
    assert pairs([box(0, label=1)], there, min_iou=0.0) == []


def test_what_counts():
    found = [box(0, 0.9), box(1, 0.6), box(30, 0.4), box(50, 0.9, label=2)]
    kept = objects.counted(found, score=0.5, classes={0}, merge_iou=0.3)
    assert kept == [box(0, 0.9)]  # IoU 9 / 11: the second says the same as the first


def test_merging_again_changes_nothing():
    # 0..10 and 5..15 overlap by 1/3 and become 0..15, which overlaps 8..19 by 7 of 19, and so on.
    found = [box(0), box(5), Region(8, 0, 19, 10, 0.8, 0)]
    once = objects.counted(found, score=0.5, classes=None, merge_iou=0.3)
    assert once == [Region(0, 0, 19, 10, 0.9, 0)]
    assert objects.counted(once, score=0.5, classes=None, merge_iou=0.3) == once


def test_an_object_is_known_from_the_first_answer_that_has_it():
    reference = [box(0), box(40), box(80)]
    answers = [(2.0, [box(0), box(40)]), (1.0, [box(1), box(40, label=1)])]
    assert objects.known_times(answers, reference, 0.5) == [1.0, 2.0, None]


def test_tracks_follow_overlap_across_gaps_and_changes_of_class():
    reference = [
        [box(0), box(50)],
        [box(52), box(2)],
        [box(4, label=1)],  # another opinion of the same thing; the other one is lost
        [box(6), box(56), box(90)],  # and found again 0.2 s later
        [box(8), box(57)],
    ]
    found = objects.tracks(reference, fps=10)
    assert [one.places for one in found] == [
        [(0, 0), (1, 1), (2, 0), (3, 0), (4, 0)],
        [(0, 1), (1, 0), (3, 1), (4, 1)],
    ]  # the one at 90 was there once: a mistake
    assert [one.places[0] for one in objects.tracks([[box(0)], [], [], [box(0)], [box(0)], [box(0)]], 2)] == [
        (3, 0)
    ]  # 1.5 s are too long a gap


def test_the_delay_runs_from_the_first_appearance():
    found = [
        objects.Track([(0, 0), (1, 1), (2, 0)]),
        objects.Track([(1, 0), (2, 1), (3, 0)]),
        objects.Track([(1, 2), (2, 2), (3, 1)]),
    ]
    known = [[None], [0.5, 0.45, None], [0.4, 0.35, None], [0.6, None]]
    # The first: frame 2 at 0.4, frame 1 later. The second, of 0.1 s: frame 2 at 0.35. The third: never.
    delays = objects.response_delays(found, known, [0.0, 0.1, 0.2, 0.3])
    assert delays == [pytest.approx(0.4), pytest.approx(0.25), None]


# ----------------------------------------------------------------------------------------------- prices


def test_the_paper_s_prices():
    assert prices.network_cost(2000) == pytest.approx(1.5)  # 2 Mbit/s at $0.75 an hour each
    assert prices.server_cost(1.5) == pytest.approx(0.6075)  # every frame, half of them twice, at $0.405


# -------------------------------------------------------------------------------------------- the sweep


def test_a_sweep_is_every_combination_once():
    sweep = [{"quality": [10, 20], "scale": 0.5}, {"quality": [20, 30], "scale": [0.5]}]
    names = [scenario.name_of(one) for one in scenario.settings_of(sweep)]
    assert names == [f"quality {quality}, scale 0.5" for quality in (10, 20, 30)]
    assert [scenario.name_of(one) for one in scenario.settings_of([{}])] == ["as it is"]


def test_the_front_and_the_cheapest():
    names = ("a", "b", "c", "d", "e")
    places = ((100, 0.8), (300, 0.75), (400, 0.9), (400, 0.9), (50, None))
    points = [{"dial": n, "kbps": rate, "f1": f1} for n, (rate, f1) in zip(names, places, strict=True)]
    assert [p["dial"] for p in summary.front(points, "kbps", "f1")] == ["a", "c"]
    assert summary.cheapest(points, "f1", 0.75)["dial"] == "a"
    assert summary.cheapest(points, "f1", 0.81)["dial"] == "c"
    assert summary.cheapest(points, "f1", 0.91) is None


def made(**more):
    values = {"source": "clip.mp4", "model": "fastestdet:x.onnx", "systems": {"dds": {}}}
    return scenario.make(**{**values, **more})


@pytest.mark.parametrize(("metric", "word"), [("f1", "IoU of 0.5,"), ("f1_loose", "IoU of 0.3,")])
def test_a_note_says_from_which_overlap_on(metric, word):
    run = {"task": "detection", "mode": "answers at once"}
    note = text.note({"run": run, "task": "detection", "metric": metric, "reference": "uniform-jpeg"})
    assert word in note


@pytest.mark.parametrize(
    "values, word",
    [
        ({"task": "tracking"}, "task"),
        ({"systems": {}}, "systems"),
        ({"systems": ["dds"]}, "tables"),
        ({"score": 2}, "score"),
        ({"limit": 0}, "limit"),
        ({"size": [4, 4]}, "size"),
        ({"labels": "truth"}, "segmentation"),
        ({"link": {"bps": 1}}, "bps"),
        ({"link": {"up_bps": [[1, 1e6]], "down_bps": 1e6}}, "trace must start at 0"),
    ],
)
def test_what_a_scenario_refuses(values, word):
    with pytest.raises(ValueError, match=word):
        made(**values)


def test_a_scenario_s_systems_may_be_chosen_from():
    what = made(systems={"dds": {"quality": [1, 2]}, "glimpse": [{}, {"spacing": 3}]})
    assert list(what.only(["glimpse"]).systems) == ["glimpse"]
    with pytest.raises(ValueError, match=r"no systems \['webp'\]"):
        what.only(["webp"])
    link = scenario.Link([[0, 2e6], [3, 5e5]], 1e6, 0.02, edge_s=0.01)
    assert str(link).startswith("up 2 Mbit/s, 0.5 from 3 s; down 1 Mbit/s; 20 ms each way; device 10 ms")


# ------------------------------------------------------------------------------------------- parameters


class Toy:
    name, class_names = "toy", ("car",)


def test_parameters_of_dds_go_where_they_belong():
    given = systems.Given(Toy(), shape=(96, 144), labels=frozenset({0}), score=0.6)
    setting = {
        "quality": 40,
        "ratio": 4.0,
        "scale": 0.5,
        "objectness": 0.2,
        "chunk_frames": 3,
        "region_blocks": 2,
    }
    options = systems._dds({**setting, "keep_first": False, "static": 3.0}, given, None, None)
    policy, rules = options.edge["policy"], options.server["rules"]
    assert (policy.low_scale, policy.high_scale, policy.chunk_frames, policy.static) == (0.5, 0.5, 3, 3.0)
    assert (rules.objectness, rules.final_score, rules.labels, rules.keep_first) == (0.2, 0.6, {0}, False)
    assert options.server["region_blocks"] == 2 and set(options.edge) == {"policy"}
    session = systems.opened("dds-replace-static", setting, given)
    assert session.hello_bytes > 0 and session.welcome_bytes > 100  # the table set is in it


class Above:
    def __init__(self, *, deadline_s=2.0, fps=30.0):
        self.deadline_s, self.fps = deadline_s, fps


class Below(Above):
    def __init__(self, *, quality=75, **options):
        super().__init__(**options)
        self.quality = quality

    @classmethod
    def from_welcome(cls, welcome, **options):
        return cls(**options)


class Server:
    def __init__(self, model, tables=None, *, fps=0.0, quality=0):
        pass


def test_parameters_of_others_go_to_the_end_that_takes_them():
    given = systems.Given(Toy(), fps=12.0)
    options = systems._plain({"quality": 3, "deadline_s": 1.0}, given, Below.from_welcome, Server)
    assert options.edge == {"quality": 3, "deadline_s": 1.0, "fps": 12.0}
    assert options.server == {"quality": 3, "fps": 12.0}
    with pytest.raises(
        ValueError, match="no parameter colour; the device takes deadline_s, fps, quality, the"
    ):
        systems._plain({"colour": 1}, given, Below.from_welcome, Server)


class Watching(Below):
    def __init__(self, *, detector, **options):
        super().__init__(**options)


def test_a_device_that_looks_for_itself_gets_the_camera_s_model():
    camera = Toy()
    options = systems._plain({}, systems.Given(Toy(), camera), Watching.from_welcome, Server)
    assert options.edge["detector"] is camera and "model" not in options.server
    with pytest.raises(systems.Absent, match="camera = SPEC"):
        systems._plain({}, systems.Given(Toy()), Watching.from_welcome, Server)


def test_a_shortsighted_detector_answers_in_pixels_of_the_whole_picture():
    def detector(image):
        assert image.shape == (24, 36, 3)
        return Candidates([(4, 6, 12, 18)], [0.9], [0], [0.9])

    detector.name, detector.class_names = "toy", ("car",)
    found = play.Shortsighted(detector, 0.25)(np.zeros((96, 144, 3), np.uint8))
    assert found.boxes.tolist() == [[16, 24, 48, 72]]


def test_a_parameter_that_nobody_takes():
    with pytest.raises(ValueError, match=r"systems.dds, \{'colour': 3\}: .*colour"):
        systems.check("dds", [{"colour": 3}], systems.Given(Toy(), shape=(96, 144)))


def test_a_system_that_is_not_there():
    with pytest.raises(systems.Absent, match="no system 'nonesuch'"):
        systems.check("nonesuch", [{}], systems.Given(Toy(), shape=(96, 144)))


def test_a_detector_looks_once_at_equal_pictures_and_is_asked_as_often_as_it_is():
    looked = []
    watched = play.Watched(lambda image: looked.append(image.shape) or len(looked))
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert [watched(one) for one in (image, image.copy(), image.reshape(4, 2, 3), image + 1)] == [1, 1, 2, 3]
    assert watched.calls == 4 and watched.spared_s > 0
