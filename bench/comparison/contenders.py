"""Installs, builds and names the contenders: quiesce itself and the peers of bench/peers."""
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import workloads

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "compare"
PEERS = ROOT / "bench" / "peers"
PACKAGES = {"tokio": ["librust-tokio-dev"], "go": ["golang-go"], "asio": ["libboost1.81-dev"], "tbb": ["libtbb-dev"], "stl": ["libtbb-dev"]}


class CannotBuild(Exception):
    pass


@dataclass
class Contender:
    name: str
    command: list
    version: str


def text_of(*command):
    """The first line that a command prints."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return (told.stdout.splitlines() or [""])[0]


def package_version(package):
    return text_of("dpkg-query", "-W", "-f=${Version}", package)


def needed_packages(peers, with_clang):
    wanted = [package for peer in peers for package in PACKAGES[peer]]
    if "tokio" in peers and not (shutil.which("cargo") and shutil.which("rustc")):
        wanted += ["cargo", "rustc"]
    return wanted + (["clang-19"] if with_clang else [])


def install(peers, with_clang):
    """By the project's own script; what it did, in one phrase."""
    script = 'source scripts/packages.sh; need_packages "$0" "${compare_packages[@]}" "$@"'
    done = subprocess.run(["bash", "-c", script, str(BUILD / "packages.log"), *needed_packages(peers, with_clang)],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CannotBuild(f"packages are missing: {done.stdout.strip() or done.stderr.strip()}")
    return done.stdout.strip()


def make(log_name, *commands, cwd=ROOT, more_environment=None):
    """Runs the commands one after the other; the output goes to a log in build/compare."""
    log = BUILD / f"{log_name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        for command in commands:
            try:
                status = subprocess.run(command, cwd=cwd, env={**os.environ, **(more_environment or {})}, stdout=out,
                                        stderr=subprocess.STDOUT, check=False).returncode
            except FileNotFoundError as missing:
                raise CannotBuild(f"{log_name} cannot be built: {missing.filename} is not installed") from None
            if status != 0:
                out.flush()
                end = "\n".join(log.read_text().splitlines()[-15:])
                raise CannotBuild(f"{log_name} cannot be built; the end of {log}:\n{end}")


def build_ours(name, preset):
    """The library and the workloads as the preset has them, without its tests; g++'s is optimised at link time, as Tokio is."""
    folder = BUILD / name
    configure = ["cmake", "--preset", preset, "-B", str(folder), "-DQUIESCE_BUILD_TESTS=OFF", "-DQUIESCE_BUILD_BENCH=ON",
                 "-DQUIESCE_BUILD_EXAMPLES=OFF", "-DQUIESCE_BUILD_COMMAND=OFF"]
    # Not with clang++-19, whose objects the archiver of Debian's default LLVM cannot read.
    configure.append(f"-DCMAKE_INTERPROCEDURAL_OPTIMIZATION={'ON' if name == workloads.OURS else 'OFF'}")
    make(name, configure, ["cmake", "--build", str(folder), "--target", "bench_workloads", "--parallel", str(os.cpu_count())])
    compiler = "clang++-19" if name == workloads.OURS_CLANG else "g++"
    commit = text_of("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    return Contender(name, [str(folder / "bin" / "bench_workloads")], f"{commit}, {text_of(compiler, '--version')}")


def build_tokio():
    """From a copy: cargo writes its lock file beside the sources."""
    copy = BUILD / "tokio-source"
    shutil.copytree(PEERS / "tokio", copy, dirs_exist_ok=True)
    target = BUILD / "tokio"
    make("tokio", ["cargo", "build", "--release", "--offline", "--target-dir", str(target)], cwd=copy)
    lock = (copy / "Cargo.lock").read_text()
    version = re.search(r'name = "tokio"\nversion = "([^"]+)"', lock)[1]
    return Contender("tokio", [str(target / "release" / "workloads")], f"{version}, {text_of('rustc', '--version')}")


def build_go():
    program = BUILD / "go_workloads"
    make("go", ["go", "build", "-o", str(program), "."], cwd=PEERS / "go", more_environment={"GOFLAGS": "-mod=mod", "GOPROXY": "off"})
    return Contender("go", [str(program)], text_of("go", "version"))


def build_cpp(name):
    folder = BUILD / "cpp"
    make(name, ["cmake", "-S", str(PEERS), "-B", str(folder), "-G", "Ninja"],
         ["cmake", "--build", str(folder), "--target", f"{name}_workloads", "--parallel", str(os.cpu_count())])
    version = package_version(PACKAGES[name][0])
    return Contender(name, [str(folder / f"{name}_workloads")], f"{version}, {text_of('c++', '--version')}")


def build(peers, with_clang, say):
    """{name: Contender}, ours first."""
    makers = {workloads.OURS: lambda: build_ours(workloads.OURS, "release")}
    if with_clang:
        makers[workloads.OURS_CLANG] = lambda: build_ours(workloads.OURS_CLANG, "clang")
    makers |= {"tokio": build_tokio, "go": build_go}
    makers |= {name: lambda name=name: build_cpp(name) for name in ("asio", "tbb", "stl")}
    built = {}
    for name, maker in makers.items():
        if name in (workloads.OURS, workloads.OURS_CLANG, *peers):
            built[name] = maker()
            say(f"built {workloads.TITLES[name]}: {built[name].version}")
    return built
