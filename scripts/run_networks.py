"""Run the course on other networks, and note which of its claims hold on which of them.

    python scripts/run_networks.py minivgg squeezenet1_0=weights.safetensors resnet18=untrained
    python scripts/run_networks.py --notebooks 04_activations,09_gradient_ascent alexnet=untrained

Each notebook runs from top to bottom in a fresh kernel, with that network as what `models.load()` gives. The executed
copies and their claims go to build/networks/, the table of all claims found there to data/claims.json (`--keep`
leaves that file as it is). A network is written as its name, and after '=' its weights: a file, 'untrained', or nothing
for the published ones. Without any network, only the table is made again.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from notebook_files import NOTEBOOKS, dumps, read
from run_notebooks import KERNEL, running_kernel

ROOT = Path(__file__).resolve().parents[1]
BUILD, CLAIMS = ROOT / "build" / "networks", ROOT / "data" / "claims.json"


def run(path: Path, network: str, weights: str, timeout: int) -> tuple[float, str, list[dict]]:
    """Run one notebook on a network: the seconds it took, what went wrong ('' if nothing), and its claims."""
    folder = BUILD / network
    folder.mkdir(parents=True, exist_ok=True)
    claims, notebook = folder / f"{path.stem}.claims", read(path)
    claims.unlink(missing_ok=True)
    os.environ |= {"VIZLIB_NETWORK": network, "VIZLIB_WEIGHTS": weights, "VIZLIB_CLAIMS": str(claims)}
    client = NotebookClient(
        notebook, resources={"metadata": {"path": str(path.parent)}}, **KERNEL | {"timeout": timeout}
    )
    began, error = time.perf_counter(), ""
    try:
        with running_kernel(client):
            client.execute(cleanup_kc=False)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as stopped:
        error = str(stopped)
    seconds = time.perf_counter() - began
    (folder / path.name).write_text(dumps(notebook), encoding="utf-8")
    return seconds, error, claims_in(claims)


def claims_in(path: Path) -> list[dict]:
    """The claims that a run has noted in a file, in the order in which they were made."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def collect() -> dict[str, dict[str, list[dict]]]:
    """What all runs so far have noted in build/networks/: notebook -> network -> its claims."""
    order = ["minivgg", *sorted(folder.name for folder in BUILD.iterdir() if folder.name != "minivgg")]
    notebooks = [path.stem for path in sorted(NOTEBOOKS.glob("[01]*.ipynb"))]
    return {
        notebook: {name: claims_in(BUILD / name / f"{notebook}.claims") for name in order} for notebook in notebooks
    }


def table(found: dict[str, dict[str, list[dict]]]) -> list[dict]:
    """Each claim of each notebook, and on which networks it held.

    Args:
        found: notebook -> network -> its claims in the order in which they were made.
    """
    rows: dict[tuple[str, str], dict] = {}
    for notebook, networks in found.items():
        for folder, claims in networks.items():
            network = next((claim["network"] for claim in claims if claim["network"].startswith(folder)), folder)
            for claim in claims:
                row = rows.setdefault((notebook, claim["claim"]), {"notebook": notebook, "claim": claim["claim"]})
                held = row.setdefault("holds", {})
                held[network] = held.get(network, True) and claim["holds"]
    return list(rows.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NAME[=WEIGHTS]")
    parser.add_argument("--notebooks", default="", help="some of them, with commas between (default: all)")
    parser.add_argument("--timeout", type=int, default=900, help="seconds that one cell may take")
    parser.add_argument("--keep", action="store_true", help="leave data/claims.json as it is")
    args = parser.parse_args()
    wanted = tuple(args.notebooks.split(","))
    paths = [path for path in sorted(NOTEBOOKS.glob("[01]*.ipynb")) if path.stem.startswith(wanted)]
    networks = dict((name.split("=", 1) + [""])[:2] for name in args.networks)
    networks = {n: str(Path(w).resolve()) if w not in ("", "untrained") else w for n, w in networks.items()}
    failed = 0
    print(f"{'notebook':28}" + "".join(f"{name:>24}" for name in networks), flush=True)
    for path in paths if networks else ():
        line, first, errors = f"{path.stem:28}", 0.0, []
        for name, weights in networks.items():
            seconds, error, claims = run(path, name, weights, args.timeout)
            first = first or seconds
            held = sum(claim["holds"] for claim in claims)
            line += f"{seconds:9.0f} s {seconds / first:4.1f}x {held:2}/{len(claims):<2}" + (" !" if error else "  ")
            errors += [f"{name}: {error}"] * bool(error)
        print(line, *errors, sep="\n", flush=True)
        failed += len(errors)
    rows = table(collect())
    for name in dict.fromkeys(name for row in rows for name in row["holds"]):
        asked = [row["holds"][name] for row in rows if name in row["holds"]]
        print(f"{name}: {sum(asked)} of {len(asked)} claims hold ({sum(asked) / max(1, len(asked)):.0%})")
    if not args.keep:
        CLAIMS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
