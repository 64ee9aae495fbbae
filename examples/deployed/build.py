"""Build what the templates deploy: a layer with the dependencies, and for each function a zip with all that it imports.

python build.py                                # for Lambda: arm64, Python 3.13
python build.py --architecture x86_64
python build.py --local                        # for this interpreter, so that `lambdachain serve` runs it here
python build.py --lambdachain ../../dist/lambdachain-0.1.0-py3-none-any.whl
"""

from __future__ import annotations

import argparse
import compileall
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from py_compile import PycInvalidationMode

HERE = Path(__file__).resolve().parent
BUILD = HERE / "build"
FUNCTIONS = ("checkout", "pricing")
# glibc of Amazon Linux 2023 is 2.34: wheels for older ones run, too.
PLATFORMS = {
    "arm64": ("manylinux2014_aarch64", "manylinux_2_28_aarch64"),
    "x86_64": ("manylinux2014_x86_64", "manylinux_2_28_x86_64"),
}
OLDEST = (1980, 1, 1, 0, 0, 0)  # the first time that a zip file can have: equal content gives equal files


def install(target: Path, options: Sequence[str], lambdachain: str) -> None:
    """Install lambdachain without boto3 and its dependencies, which Lambda's runtimes have."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    pip += ["--target", str(target), *options]
    subprocess.run([*pip, "--requirement", str(HERE / "requirements.txt")], check=True)  # noqa: S603 - our own
    subprocess.run([*pip, "--no-deps", lambdachain], check=True)  # noqa: S603 - our own
    shutil.rmtree(target / "bin", ignore_errors=True)  # commands, which a function does not run


def find_pip_options(architecture: str, python: str) -> list[str]:
    """Return the options with which pip downloads wheels for another machine."""
    platforms = [f"--platform={platform}" for platform in PLATFORMS[architecture]]
    return [*platforms, f"--python-version={python}", "--implementation=cp", "--only-binary=:all:"]


def precompile(directory: Path, python: str) -> None:
    """Compile the modules: Lambda cannot keep what it compiles, so every cold start would compile them again."""
    if python != "{}.{}".format(*sys.version_info):
        print(f"not compiled: only Python {python} can compile for Python {python}; run build.py with that one")
        return
    # Not by time, the default: the times in a zip file are not those of the files.
    compileall.compile_dir(directory, quiet=1, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def list_files(directories: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Yield the files of directories, each with its path in the package; Python's caches of sources are left out."""
    for directory in directories:
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            if path.suffix != ".pyc" or BUILD in path.parents:
                yield path, path.relative_to(directory)


def write_zip(target: Path, directories: Sequence[Path]) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        for path, name in list_files(directories):
            entry = zipfile.ZipInfo(str(name), OLDEST)
            entry.external_attr = 0o644 << 16  # readable for the user that runs the function
            entry.compress_type = zipfile.ZIP_DEFLATED
            package.writestr(entry, path.read_bytes())


def build(pip_options: Sequence[str], *, python: str, lambdachain: str | None) -> None:
    shutil.rmtree(BUILD, ignore_errors=True)
    dependencies = BUILD / "dependencies" / "python"
    dependencies.mkdir(parents=True)
    if lambdachain is not None:
        install(dependencies, pip_options, lambdachain)
        precompile(dependencies, python)
    for function in FUNCTIONS:
        package = BUILD / f"{function}.zip"
        write_zip(package, [dependencies, HERE / "contracts" / "python", HERE / function])
        print(f"build/{package.name}: {package.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--architecture", choices=PLATFORMS, default="arm64")
    parser.add_argument("--python", default="3.13", help="the version of the runtime (3.13)")
    parser.add_argument("--local", action="store_true", help="for this interpreter, instead of Lambda's")
    parser.add_argument("--lambdachain", default="lambdachain", help="the requirement, or the path of a wheel")
    parser.add_argument("--only-code", action="store_true", help="leave the dependencies out")
    arguments = parser.parse_args()
    python = "{}.{}".format(*sys.version_info) if arguments.local else arguments.python
    options = [] if arguments.local else find_pip_options(arguments.architecture, python)
    build(options, python=python, lambdachain=None if arguments.only_code else arguments.lambdachain)


if __name__ == "__main__":
    main()
