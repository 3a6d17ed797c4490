"""Command lines that make no sense: exit code 2, a message that names the way out, nothing written."""

from __future__ import annotations

import os

import pytest

ENCODE_CASES = [
    ([], "required: INPUT"),
    (["street.png", "-q", "0"], "'0' is not a quality, an integer 1..100"),
    (["street.png", "-q", "101"], "'101' is not a quality"),
    (["street.png", "-q", "7.5"], "'7.5' is not a quality"),
    (["street.png", "--budget", "0"], "'0' is not a budget, a number above 0"),
    (["street.png", "--budget", "inf"], "'inf' is not a budget"),
    (["street.png", "--agreement", "0"], "'0' is not an agreement, a number above 0 and up to 1"),
    (["street.png", "--agreement", "1.01"], "'1.01' is not an agreement"),
    (["street.png", "--agreement", "nan"], "'nan' is not an agreement"),
    (["street.png", "--regions", "0"], "'0' is not a region side, an integer 1..8"),
    (["street.png", "--regions", "9"], "'9' is not a region side"),
    (["street.png", "--subsampling", "411"], "invalid choice: '411'"),
    (["street.png", "--format", "png"], "invalid choice: 'png'"),
    (["street.png", "--entropy", "lzma"], "invalid choice: 'lzma'"),
    (["street.png", "--gradient-at", "sea"], "invalid choice: 'sea'"),
    (["street.png", "--cpu", "mmx"], "invalid choice: 'mmx'"),
    (["street.png", "-j", "0"], "'0' is not a number of threads 1..256 or 'all'"),
    (["street.png", "-j", "many"], "'many' is not a number of threads"),
    (["street.png", "--agree", "0.9"], "unrecognized arguments: --agree"),
    (["street.png", "-q", "50", "--agreement", "0.9"], "not allowed with argument"),
    (["street.png", "-q", "50", "--budget", "0.9"], "not allowed with argument"),
    (["street.png", "--quiet", "-v"], "not allowed with argument"),
    (["street.png", "--no-model", "--model", "x.pt"], "--model cannot go with --no-model"),
    (["street.png", "--no-model", "--agreement", "0.9"], "--agreement cannot go with --no-model"),
    (["street.png", "--no-model", "--compare"], "--compare cannot go with --no-model"),
    (["street.png", "--no-model", "--heatmap", "h.png"], "--heatmap cannot go with --no-model"),
    (["street.png", "--no-model", "--paper"], "--paper cannot go with --no-model"),
    (["street.png", "--no-model", "--gradient-at", "raw"], "--gradient-at cannot go with --no-model"),
    (["street.png", "--no-model", "--sensitivity", "fisher"], "--sensitivity cannot go with --no-model"),
    (
        ["street.png", "--no-model", "--class-weights", "balanced"],
        "--class-weights cannot go with --no-model",
    ),
    (
        ["street.png", "--sensitivity", "gradient", "--probes", "4"],
        "--probes needs --sensitivity fisher or margin",
    ),
    (["street.png", "--paper", "--class-weights", "balanced"], "--class-weights cannot go with --paper"),
    (["street.png", "--paper", "--sensitivity", "fisher"], "--paper fixes --sensitivity gradient"),
    (["street.png", "--no-model", "--levels", "closest"], "--levels cannot go with --no-model"),
    (
        ["street.png", "--sensitivity", "gradient", "--levels", "rate"],
        "--levels rate goes with --sensitivity fisher",
    ),
    (["street.png", "--sensitivity", "fisher", "--levels", "closest"], "--levels closest goes with"),
    (["street.png", "--sensitivity", "sea"], "invalid choice: 'sea'"),
    (["street.png", "--format", "jpeg", "--paper"], "--paper cannot go with --format jpeg"),
    (["street.png", "--format", "jpeg", "--tables-by-id"], "--tables-by-id cannot go with --format jpeg"),
    (
        ["street.png", "--format", "jpeg", "--entropy", "context"],
        "--entropy context cannot go with --format jpeg",
    ),
    (["street.png", "--paper", "--subsampling", "420"], "--paper fixes --subsampling 444"),
    (["street.png", "--paper", "--effort", "2"], "--paper fixes --effort 0"),
    (["street.png", "--effort", "4"], "'4' is not an effort, an integer 0..3"),
    (["street.png", "--paper", "--gradient-at", "raw"], "--paper fixes --gradient-at decoded"),
    (["street.png", "--paper", "--entropy", "huffman-fixed"], "--paper fixes --entropy huffman"),
    (["street.png", "-o", "-", "--json"], "-o - and --json both write to stdout"),
    (
        ["street.png", "other.png", "-o", "one.rdct"],
        "2 inputs cannot all go to one.rdct; give a folder: -o DIR/",
    ),
    (["street.png", "other.png", "-o", "-"], "2 inputs cannot all go to stdout"),
    (
        ["street.png", "sub/street.png", "-o", "out/"],
        "street.png and sub/street.png would both become out/street.rdct",
    ),
    (["a.png", "a.jpg"], "a.png and a.jpg would both become a.rdct"),
    (["street.png", "street.png"], "input street.png is given more than once"),
    (["a.jpg", "--format", "jpeg"], "the output a.jpg would replace the input a.jpg"),
    (["street.png", "-o", "./street.png"], "would replace the input street.png"),
    (["street.png", "-o", "a.jpg"], "-o a.jpg has the ending of a jpeg file, but the format is rdct"),
    (["street.png", "-o", "a.rdct", "--format", "jpeg"], "-o a.rdct has the ending of a rdct file"),
    (["street.png", "b.png", "--heatmap", "h.png"], "--heatmap draws one picture, but there are 2 inputs"),
    (["street.png", "--heatmap", "h.jpg"], "--heatmap writes a PNG; h.jpg must end in .png"),
    (["street.png", "--heatmap", "street.png"], "--heatmap street.png would replace street.png"),
    (["street.png", "--heatmap", "x.png", "-o", "x.png"], "--heatmap x.png would replace x.png"),
    (["-"], "stdin has no name to derive the output's from"),
    (["street.png", "--no-model", "--tables", "none.rdts"], "--tables none.rdts: no table set 'none.rdts'"),
    (["street.png", "--no-model", "--tables", "street.png"], "--tables street.png: "),
]

DECODE_CASES = [
    ([], "required: INPUT"),
    (["a.rdct", "--max-pixels", "0"], "'0' is not a number of pixels, an integer above 0"),
    (["a.rdct", "-j", "257"], "'257' is not a number of threads"),
    (["a.rdct", "--quiet", "-v"], "not allowed with argument"),
    (["a.rdct", "-o", "a.jpg"], "use .png, .ppm, .npy, or a folder: a.jpg/"),
    (["a.rdct", "-o", "-", "--json"], "-o - and --json both write to stdout"),
    (["a.rdct", "-o", "-", "--info"], "-o - and --info both write to stdout"),
    (["a.rdct", "b.rdct", "-o", "c.png"], "2 inputs cannot all go to c.png"),
    (["a.rdct", "x/a.rdct", "-o", "out/"], "a.rdct and x/a.rdct would both become out/a.png"),
    (["a.rdct", "a.rdct"], "input a.rdct is given more than once"),
    (["a.rdct", "a.rdct", "--info"], "input a.rdct is given more than once"),
    (["a.rdct", "b.rdct", "--levels", "l.png"], "--levels draws one picture, but there are 2 inputs"),
    (["a.rdct", "--levels", "l.npy"], "--levels writes a PNG"),
    (["a.rdct", "--levels", "a.png", "-o", "a.png"], "--levels a.png would replace a.png"),
    (["-"], "stdin has no name to derive the output's from"),
    (["a.rdct", "--tables", "none.rdts"], "--tables none.rdts: "),
]


def files(folder):
    return sorted(
        os.path.relpath(os.path.join(at, name), folder) for at, _, names in os.walk(folder) for name in names
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    ENCODE_CASES,
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_encode(folder, encode, argv, message):
    done = encode(*argv)
    assert message in done.err
    assert "Try 'stac-encode --help'." in done.err
    assert (done.code, done.out, files(folder)) == (2, b"", ["street.png"])


@pytest.mark.parametrize(
    ("argv", "message"),
    DECODE_CASES,
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_decode(folder, decode, argv, message):
    done = decode(*argv)
    assert message in done.err
    assert "Try 'stac-decode --help'." in done.err
    assert (done.code, done.out, files(folder)) == (2, b"", ["street.png"])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nonsense", "--model nonsense: unknown model spec"),
        ("none.py:make", "--model none.py:make: "),
        ("{tiny}r", "defines no callable 'maker'"),
    ],
)
def test_model_that_cannot_be_loaded(folder, encode, tiny, spec, message):
    done = encode("street.png", "--model", spec.format(tiny=tiny))
    assert message in done.err
    assert (done.code, done.out, files(folder)) == (2, b"", ["street.png"])


def test_generic_ladder_has_no_budget_and_no_id(folder, encode, tiny):
    done = encode("street.png", "--model", tiny, "--budget", "1")
    assert done.code == 2
    assert "--budget needs a table set made for the network" in done.err
    done = encode("street.png", "--model", tiny, "--tables-by-id")
    assert done.code == 2
    assert "--tables-by-id needs a table set that others can have" in done.err
    assert files(folder) == ["street.png"]


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_help_and_version_go_to_stdout(request, name):
    run = request.getfixturevalue(name)
    done = run("--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(b"usage: stac-" + name.encode())
    import codec

    done = run("-V")
    assert (done.code, done.err) == (0, "")
    assert done.out.decode() == f"stac-{name} (rdct) {codec.__version__}\n"


@pytest.mark.parametrize("name", ["encode", "decode"])
def test_every_option_is_in_the_manual(request, name):
    import re
    from pathlib import Path

    text = request.getfixturevalue(name)("--help").out.decode()
    manual = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    section = manual.split(f"## stac-{name}")[1].split("\n## ")[0]
    options = set(re.findall(r"(?<![\w-])--?[a-zA-Z][a-z-]*", text)) - {"-h", "--help"}
    if name == "decode":  # described under stac-encode
        options -= {"--force", "--verbose", "--version"}
    assert not [
        option for option in sorted(options) if f"`{option}" not in section and f"{option} " not in section
    ]
