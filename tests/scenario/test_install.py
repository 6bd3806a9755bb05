"""make install, and what is built on it: a program of somebody else's around the library."""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from l1 import REPO, VECTORS
from process import BUILD

PREFIX = "/opt/tdx"  # not the one that the build was configured with
EXAMPLE = VECTORS / "quote.example"


@pytest.fixture(scope="module", name="installed")
def _installed(tmp_path_factory):
    dest = tmp_path_factory.mktemp("install")
    subprocess.run(["cmake", "--install", BUILD, "--prefix", PREFIX], env={**os.environ, "DESTDIR": str(dest)},
                   check=True, stdout=subprocess.DEVNULL)
    return pathlib.Path(f"{dest}{PREFIX}")


def test_everything_is_below_prefix_and_destdir(installed):
    built = {"ethrex-executor"} if (BUILD / "quote-gen" / "ethrex-executor").exists() else set()
    assert {p.name for p in (installed / "bin").iterdir()} == {"proof-coordinator", "quote-gen", "tdx-quote"} | built
    assert [p.name for p in (installed / "include").iterdir()] == ["tdxverify.h"]
    assert list(installed.rglob("libtdxverify.so.0"))
    assert not [p for p in installed.parents[1].iterdir() if p.name != "opt"], "outside of the prefix"
    for name in ("lib/systemd/system/proof-coordinator.service", "lib/systemd/system/quote-gen.service",
                 "lib/sysusers.d/proof-coordinator.conf", "share/proof-coordinator/coordinator.env.example",
                 "share/proof-coordinator/policy.example.json", "share/proof-coordinator/alerts.yaml",
                 "share/proof-coordinator/grafana/operator.json", "share/proof-coordinator/prometheus.example.yaml",
                 "share/bash-completion/completions/proof-coordinator", "share/bash-completion/completions/tdx-quote"):
        assert (installed / name).exists(), name
    # Units start what was installed, not what lies in /usr/local.
    unit = (installed / "lib/systemd/system/proof-coordinator.service").read_text()
    assert f"ExecStart={PREFIX}/bin/proof-coordinator run" in unit and "/usr/local" not in unit
    if shutil.which("scdoc"):
        assert {p.name for p in (installed / "share/man/man1").iterdir()} == {
            f"{name}.1.gz" for name in ("proof-coordinator", "quote-gen", "tdx-quote", "ethrex-executor")}
    for name in ("proof-coordinator", "quote-gen", "tdx-quote"):
        done = subprocess.run([installed / "bin" / name, "--help"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0 and name in done.stdout


def test_versions_come_from_tags_or_the_file(tmp_path):
    """cmake/version.cmake in trees of each kind."""
    script = tmp_path / "print.cmake"
    tree = tmp_path / "tree"
    (tree / "cmake").mkdir(parents=True)
    shutil.copy(REPO / "cmake" / "version.cmake", tree / "cmake")
    (tree / "VERSION").write_text("1.2.3\n")
    script.write_text(f'include({tree}/cmake/version.cmake)\nmessage("${{VERSION}} ${{PROJECT_VERSION_FILE}}")\n')
    # Nothing of a repository around it.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(tmp_path), "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b",
           "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def version():
        said = subprocess.run(["cmake", "-P", script], env=env, capture_output=True, text=True, check=True).stderr
        return said.split()

    def git(*argv):
        return subprocess.run(["git", "-C", tree, *argv], env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert version() == ["1.2.3", "1.2.3"]
    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "one")
    assert version() == [f"1.2.3~1.g{git('rev-parse', '--short', 'HEAD')}", "1.2.3"]
    git("tag", "v1.4.0")
    assert version() == ["1.4.0", "1.2.3"]
    git("commit", "-q", "--allow-empty", "-m", "two")
    assert version() == [f"1.4.0+1.g{git('rev-parse', '--short', 'HEAD')}", "1.2.3"]


def test_the_makefile_takes_prefix_and_destdir():
    said = subprocess.run(["make", "--no-print-directory", "-n", "install", f"PREFIX={PREFIX}"], cwd=REPO, capture_output=True, text=True,
                          check=True).stdout
    assert f'cmake --install build/release --prefix "{PREFIX}"' in said


@pytest.mark.parametrize("prefix", ["opt/relative", "/opt/two words", "/opt/100%"])
def test_a_prefix_that_no_unit_can_name(tmp_path, prefix):
    """It is refused before anything is laid anywhere."""
    done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], env={**os.environ, "DESTDIR": str(tmp_path)},
                          capture_output=True, text=True, check=False)
    assert done.returncode != 0 and 'PREFIX is "' in done.stderr and "an absolute path" in " ".join(done.stderr.split())
    assert not list(tmp_path.iterdir())


def test_a_destdir_of_two_words(tmp_path):
    where = tmp_path / "two words"
    subprocess.run(["cmake", "--install", BUILD, "--prefix", PREFIX], env={**os.environ, "DESTDIR": str(where)}, check=True,
                   stdout=subprocess.DEVNULL)
    assert (where / PREFIX.lstrip("/") / "bin" / "proof-coordinator").exists()


@pytest.fixture(name="flags")
def _flags(installed):
    found = next(installed.rglob("tdxverify.pc"))
    env = {**os.environ, "PKG_CONFIG_PATH": str(found.parent)}
    version = subprocess.run(["pkg-config", "--modversion", "tdxverify"], env=env, capture_output=True, text=True, check=True)
    assert version.stdout.strip() == (REPO / "VERSION").read_text().strip()
    return subprocess.run(["pkg-config", "--cflags", "--libs", "tdxverify"], env=env, capture_output=True, text=True,
                          check=True).stdout.split()


@pytest.fixture(name="library_env")
def _library_env(installed):
    return {**os.environ, "LD_LIBRARY_PATH": str(next(installed.rglob("libtdxverify.so.0")).parent)}


PIECES = (("tcb_info", "tcb_info.json"), ("qe_identity", "qe_identity.json"), ("pck_crl", "pck_crl.der"),
          ("root_ca_crl", "root_ca_crl.der"), ("tcb_signing_chain", "tcb_signing_chain.pem"),
          ("pck_crl_issuer_chain", "pck_crl_issuer_chain.pem"))


def vector(where):
    """A real quote and its collateral, as files of a directory and as one file; the time at which it is good."""
    if not EXAMPLE.exists():
        pytest.skip("SKIPPED: there are no vectors (set VECTORS_DIR)")
    dcap = VECTORS / "dcap"
    entry = next(e for e in json.loads((dcap / "MANIFEST.json").read_text())["positive"]
                 if e["id"] == "seed_quote_example")
    for key, name in (*PIECES, ("quote", "quote.bin")):
        shutil.copy(dcap / entry[key], where / name)
    bundle = {key: (where / name).read_bytes().hex() if name.endswith(".der") else (where / name).read_text()
              for key, name in PIECES}
    (where / "bundle.json").write_text(json.dumps(bundle))
    return entry["now"]


def example(installed, name):
    return next(installed.rglob(name))


def test_the_c_example_builds_with_pkg_config_and_judges(installed, flags, library_env, tmp_path):
    program = tmp_path / "verify_file"
    subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", program, example(installed, "verify_file.c"), *flags], check=True)
    good = vector(tmp_path)
    for now, status, word in ((good, 0, "accepted"), (1, 1, "not valid yet")):
        done = subprocess.run([program, tmp_path / "quote.bin", tmp_path, str(now)], capture_output=True, text=True,
                              env=library_env, timeout=30)
        assert (done.returncode, word in done.stdout) == (status, True), done.stdout + done.stderr


def judges_in_one_call(command, env, where):
    good = vector(where)
    for now, status in ((good, 0), (1, 1)):
        done = subprocess.run([*command, where / "quote.bin", where / "bundle.json", str(now)], env=env, capture_output=True,
                              text=True, timeout=30)
        assert done.returncode == status, done.stdout + done.stderr
        verdict = json.loads(done.stdout)
        assert verdict["accepted"] is (status == 0) and len(verdict["checks"]) > 20
    (where / "bundle.json").write_text('{"tcb_inof":"x"}')
    done = subprocess.run([*command, where / "quote.bin", where / "bundle.json", "1"], env=env, capture_output=True, text=True,
                          timeout=30)
    assert done.returncode == 2 and "no piece of collateral" in json.loads(done.stdout)["message"], done


@pytest.mark.skipif(not shutil.which("c++"), reason="SKIPPED: the example in C++ is not built: there is no c++")
def test_the_cpp_example_builds_and_judges(installed, flags, library_env, tmp_path):
    program = tmp_path / "verify_file"
    subprocess.run(["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-o", program, example(installed, "verify_file.cpp"),
                    *flags], check=True)
    judges_in_one_call([program], library_env, tmp_path)


def test_the_python_example_judges(installed, library_env, tmp_path):
    judges_in_one_call(["/usr/bin/python3", example(installed, "verify_file.py")], library_env, tmp_path)


def test_the_library_says_its_version(installed):
    library = ctypes.CDLL(str(next(installed.rglob("libtdxverify.so.0"))))
    library.tdxv_version.restype = ctypes.c_char_p
    assert library.tdxv_version().decode() == (REPO / "VERSION").read_text().strip()
