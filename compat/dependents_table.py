"""The table that compat/dependents writes into docs/compare.md, from compat/dependents.json."""

import os
import re
import subprocess
from pathlib import Path

TABLE = Path(__file__).resolve().parent.parent / "docs" / "compare.md"
VARIANTS = ("upstream", "folio")


def ratio(numbers):
    return "–" if not numbers else "{:.2f} ({:.2f}–{:.2f})".format(*numbers)


def row(dependent, result):
    """One dependent, as a line of Markdown."""
    def tests(variant):
        counts = result["tests"][variant]
        return f"{counts['passed']}" + (f" ({counts['failed']} fail)" if counts["failed"] else "")

    def ended(variant):
        counts = result["truncation"][variant]
        signals = sum(n for end, n in counts.items() if end.startswith("SIG"))
        return f"{signals} of {counts['runs']}"

    notes = list(dependent.get("notes", []))
    cells = [f"{dependent['name']}", dependent["version"]]
    if result.get("failure"):
        cells += ["–"] * 5
        notes.append("not run: " + result["failure"].splitlines()[0][:150])
    else:
        cells += [tests(v) if result.get("tests") else "–" for v in VARIANTS]
        cells += [ended(v) if result.get("truncation") else "–" for v in VARIANTS]
        times = result.get("bench") or {}
        cells.append(ratio(times.get("cpu") or times.get("wall")))
        inside = result.get("truncation", {}).get("folio", {})
        panics = inside.get("panicked", 0) + inside.get("panics inside", 0)
        if panics:
            notes.append("panics over zeros or a cut file, its own checks: an ordinary panic")
        if result.get("bench"):
            notes.append(f"time of {times['what']}" + ("" if times["cpu"] else ", wall time"))
    return "| " + " | ".join(cells + ["; ".join(notes)]) + " |"


def write_table(dependents, results):
    lines = [
        "    compat/dependents",
        "",
        results["machine"],
        "",
        "| crate | version | tests passed: memmap2 | folio | ended by a signal under truncation: "
        "memmap2 | folio | time, folio : memmap2 | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        row(d, results["dependents"][d["name"]])
        for d in dependents if d["name"] in results["dependents"]
    ]
    begin, end = "<!-- dependents: begin -->", "<!-- dependents: end -->"
    before, rest = TABLE.read_text().split(begin)
    _, after = rest.split(end)
    TABLE.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}")


def machine(upstream):
    """One line on what all this was measured with."""
    rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return (f"memmap2 {upstream} from crates.io and compat/memmap2; {rustc}; "
            f"{cpu[1] if cpu else 'unknown processor'}, {os.cpu_count()} processors, "
            f"Linux {os.uname().release}.")
