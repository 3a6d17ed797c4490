"""The arguments of stac-encode and stac-decode (docs/cli.md), and what other commands share with them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from stac import console

__all__ = [
    "DECODE",
    "ENCODE",
    "MAX_PIXELS",
    "SENSITIVITIES",
    "TINY",
    "Parser",
    "Version",
    "decode_parser",
    "encode_parser",
    "number",
    "threads",
]

ENCODE, DECODE = "stac-encode", "stac-decode"
#: What a network may be asked, for levels to be chosen by.
SENSITIVITIES = ("gradient", "fisher", "margin")
CPUS = ("auto", "c", "ssse3", "avx2", "avx512", "neon")
MAX_PIXELS = 2**28


class Parser(argparse.ArgumentParser):
    """Long options only as documented, and help in the order of the page."""

    def __init__(self, prog: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> None:
        print(f"{self.prog}: error: {message}\nTry '{self.prog} --help'.", file=sys.stderr)
        raise SystemExit(console.USAGE)


class Version(argparse.Action):
    """-V: the version is looked up only when asked for."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: object) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, **kwargs)

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        import codec

        print(f"{parser.prog} (rdct) {codec.__version__}")
        raise SystemExit(console.OK)


def number(low: float, high: float, kind: type, name: str):
    """An argparse type: a number of this kind in low..high."""

    def parse(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not {name}")
        return value

    return parse


def threads(text: str) -> int:
    """An argparse type: 1..256 or "all"."""
    if text == "all":
        return console.available_threads()
    return number(1, 256, int, "a number of threads 1..256 or 'all'")(text)


#: The low end of `number` for anything above 0.
TINY = 5e-324


def _common_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("general")
    group.add_argument(
        "-j",
        dest="threads",
        metavar="N",
        type=threads,
        default=None,
        help="threads, 1..256 or 'all' (default: all)",
    )
    group.add_argument(
        "--cpu",
        choices=CPUS,
        default="auto",
        help="instruction set of the codec (default: auto); bytes do not depend on it",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace existing files")
    group.add_argument("--json", action="store_true", help="one JSON array on stdout")
    loud = group.add_mutually_exclusive_group()
    loud.add_argument("--quiet", action="store_true", help="say nothing but errors")
    loud.add_argument("-v", "--verbose", action="store_true", help="say more: timings, licences")
    group.add_argument("-V", "--version", action=Version, help="print the version and exit")


def encode_parser() -> argparse.ArgumentParser:
    parser = Parser(
        ENCODE,
        "Compress pictures region by region for a segmentation network.",
        "examples:\n"
        "  stac-encode street.png\n"
        "  stac-encode street.png --agreement 0.98 --compare --heatmap seen.png\n"
        "  stac-encode frames/*.png -o out/ --json > sizes.json\n",
    )
    parser.add_argument(
        "inputs", nargs="+", metavar="INPUT", help="pictures of any kind Pillow reads; - is stdin"
    )
    parser.add_argument(
        "-o",
        dest="out",
        metavar="OUT",
        help="output file, folder (existing, or ending in /), or - for stdout (default: beside the input)",
    )
    what = parser.add_argument_group("how much")
    dial = what.add_mutually_exclusive_group()
    dial.add_argument(
        "-q",
        dest="quality",
        metavar="Q",
        type=number(1, 100, int, "a quality, an integer 1..100"),
        help="the bytes of an optimised JPEG of this quality on the set's pictures, 1..100 (default: 75)",
    )
    dial.add_argument(
        "--budget",
        metavar="B",
        type=number(TINY, 1e300, float, "a budget, a number above 0"),
        help="allowed increase of the network's loss (first order), above 0",
    )
    dial.add_argument(
        "--agreement",
        metavar="A",
        type=number(TINY, 1, float, "an agreement, a number above 0 and up to 1"),
        help="smallest file that keeps this share of the network's labels on the raw picture, 0..1",
    )
    how = parser.add_argument_group("for which network")
    how.add_argument(
        "--model",
        metavar="SPEC",
        help="built-in name, NAME:WEIGHTS, FILE.py:FACTORY, or TorchScript file (default: bisenet-camvid)",
    )
    how.add_argument(
        "--tables",
        metavar="FILE",
        help="the network's table set, .rdts (default: the shipped one, else a generic ladder)",
    )
    how.add_argument("--no-model", action="store_true", help="no network: the middle level everywhere")
    how.add_argument("--paper", action="store_true", help="hold to STAC as published")
    how.add_argument(
        "--gradient-at",
        choices=("decoded", "raw"),
        help="where the network's gradients are taken (default: decoded, from the middle level)",
    )
    how.add_argument(
        "--sensitivity",
        choices=(*SENSITIVITIES, "predicted"),
        help="what levels are chosen by: second-order sensitivity (fisher), how near labels are to changing "
        "(margin), gradients, as in the paper, or what the table set foretells of fisher without a network "
        "(predicted) (default: fisher; with --paper gradient)",
    )
    how.add_argument(
        "--probes",
        metavar="N",
        type=number(1, 1000, int, "a number of probes, an integer 1..1000"),
        help="backward passes for a sensitivity of second order: more of them, less noise (default: 1)",
    )
    how.add_argument(
        "--class-weights",
        metavar="balanced|FILE",
        help="factors on what pixels of a class cost: balanced, by the table set's count of classes, or a "
        'JSON file, {"Pole": 4} or a list (default: all alike)',
    )
    how.add_argument(
        "--levels",
        choices=("closest", "equal-error", "rate"),
        help="how: equal errors, or the fewest bits for their sum (rate); with gradients closest to the "
        "budget, as in the paper (default: equal-error; with gradients closest)",
    )
    stream = parser.add_argument_group("stream")
    stream.add_argument(
        "--regions",
        metavar="R",
        type=number(1, 8, int, "a region side, an integer 1..8"),
        help="side of a region in 8x8 blocks, 1..8 (default: 3)",
    )
    stream.add_argument("--subsampling", choices=("444", "422", "420"), help="of chroma (default: 444)")
    stream.add_argument(
        "--format",
        choices=("rdct", "jpeg"),
        default="rdct",
        help="jpeg: a standard baseline JPEG, for any decoder (default: rdct)",
    )
    stream.add_argument(
        "--entropy",
        choices=("context", "huffman", "huffman-fixed"),
        help="blocks modelled by their neighbours (fewest bytes), Huffman tables made for the picture, or "
        "the table set's own (fastest) (default: context; with --format jpeg and --paper huffman)",
    )
    stream.add_argument(
        "--effort",
        metavar="N",
        type=number(0, 3, int, "an effort, an integer 0..3"),
        help="how coefficients are quantised: 0 rounded, 1 with dead zones (as fast), 2 each weighed "
        "against its bits, 3 searched for the fewest bits (default: 1; with --paper 0)",
    )
    stream.add_argument(
        "--tables-by-id",
        action="store_true",
        help="write the table set's id only; stac-decode must have the set",
    )
    report = parser.add_argument_group("reports")
    report.add_argument(
        "--heatmap", metavar="FILE.png", help="draw picture, sensitivity, levels and labels side by side"
    )
    report.add_argument(
        "--compare",
        action="store_true",
        help="also find the smallest optimised JPEG (4:4:4) of the same agreement",
    )
    _common_options(parser)
    return parser


def decode_parser() -> argparse.ArgumentParser:
    parser = Parser(
        DECODE,
        "Decode rdct streams (and baseline JPEG files) to pictures. Needs no network.",
        "examples:\n"
        "  stac-decode street.rdct\n"
        "  stac-decode street.rdct --info\n"
        "  stac-decode out/*.rdct -o pictures/\n",
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="streams; - is stdin")
    parser.add_argument(
        "-o",
        dest="out",
        metavar="OUT",
        help="output file (.png, .ppm or .npy), folder (existing, or ending in /), or - for a PNG on stdout "
        "(default: a PNG beside the input; none with --info or --levels)",
    )
    parser.add_argument("--info", action="store_true", help="print what the header says")
    parser.add_argument("--levels", metavar="FILE.png", help="draw the level map")
    parser.add_argument(
        "--tables",
        metavar="FILE",
        action="append",
        default=[],
        help="table set for streams that name one by id; may be repeated",
    )
    parser.add_argument(
        "--conceal",
        action="store_true",
        help="decode what is left of a damaged stream: lost slices are grey, and are named on stderr",
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=number(1, 2**40, int, "a number of pixels, an integer above 0"),
        default=MAX_PIXELS,
        help=f"refuse larger pictures (default: {MAX_PIXELS})",
    )
    _common_options(parser)
    return parser
