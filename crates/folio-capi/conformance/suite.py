"""Builds and runs the tests of this folder: what `run` and `mutants` have in common."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CRATE = HERE.parent
ROOT = CRATE.parent.parent
NOBODY = 65534
HOLDS, SKIPPED = 0, 77
# What is folio's in a program built by header, and must not be left to the C library.
NAMES = """mmap mmap64 munmap mprotect msync madvise mremap mlock munlock mlockall munlockall mincore
shm_open shm_unlink""".split()


class Failed(Exception):
    """What keeps the suite from being run at all."""


def jobs():
    return len(os.sched_getaffinity(0))


def call(*command, **options):
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def tests(wanted=()):
    """Names of tests, such as mmap/offset-is-honoured; `wanted` are parts of names."""
    names = sorted(str(path.relative_to(HERE))[:-2] for path in HERE.glob("*/*.c"))
    return [name for name in names if not wanted or any(part in name for part in wanted)]


class Work:
    """A folder on a disk for what is built, and for the files of the tests; gone at the end."""

    def __init__(self):
        self.path = Path(tempfile.mkdtemp(prefix="folio-conformance-", dir=os.environ.get("TMPDIR", "/var/tmp")))
        self.path.chmod(0o755)
        self.files = self.path / "files"
        self.files.mkdir()
        self.files.chmod(0o1777)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)


def install(work, archive=None, name="folio"):
    """libfolio as it is installed, from `archive` or built now."""
    prefix = work.path / name
    more = ["--archive", archive] if archive else []
    call(CRATE / "install", "--prefix", prefix, *more)
    return prefix


MANY = """#define SUITE_MANY
#include "{here}/suite.h"
{tests}
static const struct {{ const char *name; void (*test)(void); }} suite_tests[] = {{ {table} }};
int main(int argc, char **argv) {{
    for (size_t i = 0, length = strlen(argv[0]); i < sizeof suite_tests / sizeof *suite_tests; i++) {{
        size_t end = strlen(suite_tests[i].name);
        if (length > end && strcmp(argv[0] + length - end, suite_tests[i].name) == 0)
            return suite_main(argc, argv, suite_tests[i].test);
    }}
    return 99;
}}
"""


def many(names):
    """One source with these tests, each under its own name: the compiler reads the C library's headers once."""
    tests = "\n".join(f'#define test test_{i}\n#include "{HERE}/{name}.c"\n#undef test' for i, name in enumerate(names))
    table = ", ".join(f'{{"/{name}", test_{i}}}' for i, name in enumerate(names))
    return MANY.format(here=HERE, tests=tests, table=table)


def is_plain(name):
    """Has nothing of its own but the test: it may share a source with others."""
    lines = (HERE / f"{name}.c").read_text().splitlines()
    return not any(line.startswith(("static", "#define", "#include <")) for line in lines)


def compile_all(work, names, prefix=None):
    """The tests as programs: on libc, or with folio's header and library from `prefix`.

    Plain tests share a program, which knows by its name which one it is to be."""
    where = work.path / ("header" if prefix else "libc")
    where.mkdir()
    cc = [os.environ.get("CC", "cc"), "-std=gnu11", "-Wall", "-Wextra", "-O1"]
    folio = ["-DSUITE_FOLIO", f"-I{prefix}/include", f"-L{prefix}/lib", "-lfolio"] if prefix else []
    plain = [name for name in names if is_plain(name)]
    sources = {(name,): HERE / f"{name}.c" for name in names if name not in plain}
    for start in range(0, len(plain), 60):
        group = tuple(plain[start:start + 60])
        sources[group] = where / f"many-{start}.c"
        sources[group].write_text(many(group))

    def one(item):
        group, source = item
        program = where / f"program-{group[0].replace('/', '-')}"
        said = call(*cc, source, "-o", program, *folio)
        if said:
            raise Failed(f"{source}: the compiler has something to say\n{said}")
        for name in group:
            (where / name).parent.mkdir(exist_ok=True)
            (where / name).symlink_to(program)
        return program

    with ThreadPoolExecutor(jobs()) as pool:
        programs = list(pool.map(one, sources.items()))
    if prefix and shutil.which("nm"):
        for line in call("nm", "-D", "--undefined-only", *programs).splitlines():
            word = line.split()[-1].split("@")[0] if line.strip() else ""
            if word in NAMES:
                raise Failed(f"a program built by header calls the C library's {word}")
    return where


def run_one(program, files, environment, user=None):
    """How a test ends: its exit status (negative: a signal), and what it says."""
    who = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    child = subprocess.Popen(
        [program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd="/",
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "TMPDIR": str(files), **environment},
        start_new_session=True, **who)
    try:
        said = child.communicate(timeout=90)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        said = child.communicate()[0].decode(errors="replace") + "no end within 90 s\n"
    for left in (f"/dev/shm/suite-{child.pid}",):
        if os.path.lexists(left):
            os.unlink(left)
    said = said.replace(str(HERE) + "/", "").replace("../", "")
    return child.returncode, said.strip()


def run_all(programs, names, files, environment, user=None):
    with ThreadPoolExecutor(jobs() + 1) as pool:
        return dict(zip(names, pool.map(lambda name: run_one(programs / name, files, environment, user), names)))


def result(code):
    return {HOLDS: "holds", SKIPPED: "cannot be tested", 1: "fails"}.get(
        code, f"dies of {signal.Signals(-code).name}" if code < 0 else f"exits with {code}")


def main(body):
    """Runs a script's body; what cannot be run at all is said in few lines."""
    os.umask(0o022)
    try:
        sys.exit(body())
    except Failed as why:
        print(why, file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
