"""Results that travel by a remote: a folder, and S3 as moto has it."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer
from ruamel.yaml import YAML

from flows.engine.dvc import Project
from flows.run import plan
from flows.sharing.share import pull, push, size_text
from snnprune.core.errors import UserError
from tests.flows.conftest import dvc
from tests.tiny import commit, run

BUCKET = "results"


@pytest.fixture
def remote(project: Path, tmp_path: Path) -> Path:
    """The default remote of the project, a folder that is not there yet; committed."""
    folder = tmp_path / "remote"
    dvc(project, "remote", "add", "-q", "--default", "store", str(folder))
    commit(project)
    return folder


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Any, and none of the user's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tester")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def on_s3(project: Path, s3: str) -> str:
    """The project with an S3 remote, committed; the server's address."""
    boto3.client("s3", endpoint_url=s3).create_bucket(Bucket=BUCKET)
    dvc(project, "remote", "add", "-q", "--default", "store", f"s3://{BUCKET}/tiny")
    dvc(project, "remote", "modify", "-q", "store", "endpointurl", s3)
    commit(project)
    return s3


def clone(project: Path, monkeypatch: pytest.MonkeyPatch, name: str = "clone") -> Path:
    """A fresh clone as the working folder: nothing is in its cache."""
    folder = project.parent / name
    run(project, "git", "clone", "--quiet", str(project), str(folder))
    monkeypatch.chdir(folder)
    return folder


def results(root: Path) -> dict[str, bytes]:
    files = [path for path in (root / "results").rglob("*") if path.is_file() and path.name != ".gitignore"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_a_clone_gets_everything_and_has_nothing_to_do(project: Path, remote: Path, monkeypatch, capsys) -> None:
    push("tiny")
    pushed = capsys.readouterr().out
    folder = clone(project, monkeypatch)
    assert not list((folder / "results").rglob("*.safetensors"))
    pull("tiny")
    pulled = capsys.readouterr().out
    assert "tiny: 8 stages, nothing to do" in pulled
    heavy = [path for path in results(folder) if path.endswith(".safetensors")]
    contents = {(folder / path).read_bytes() for path in heavy}
    assert len(heavy) > len(contents) / 2 and f"{len(contents)} files, {size_text(sum(map(len, contents)))}" in pulled
    assert pushed.startswith(f"pushed tiny to remote store ({remote}): ")
    assert results(folder) == results(project)
    assert run(folder, "git", "status", "--porcelain") == ""
    plan("tiny")
    assert capsys.readouterr().out.endswith("8 stages: 8 unchanged\n")
    assert "up to date" in dvc(folder, "status", "report@tiny", "--with-deps")


def test_dvc_lock_alone_is_enough(project: Path, remote: Path, monkeypatch, capsys) -> None:
    push()
    before = results(project)
    folder = clone(project, monkeypatch)
    shutil.rmtree(folder / "results")
    pull("tiny")
    assert results(folder) == before
    links = [path for path in before if (folder / path).is_symlink() or (folder / path).stat().st_nlink > 1]
    assert not [path for path in links if not path.endswith(".safetensors")]


def test_what_is_there_is_not_copied_again(project: Path, remote: Path, monkeypatch, capsys) -> None:
    push("tiny")
    push("tiny")
    assert f"{remote}): 0 files, 0 bytes, " in capsys.readouterr().out
    clone(project, monkeypatch)
    pull("tiny")
    pull("tiny")
    assert ": 0 files, 0 bytes, " in capsys.readouterr().out


def test_dvc_itself_finds_what_was_pushed(project: Path, remote: Path, monkeypatch) -> None:
    push("tiny")
    folder = clone(project, monkeypatch)
    dvc(folder, "pull", "-q", "report@tiny", "--with-deps")
    assert results(folder) == results(project)


def test_an_edited_result_is_neither_pushed_nor_lost(project: Path, remote: Path, monkeypatch) -> None:
    push("tiny")
    folder = clone(project, monkeypatch)
    table = folder / "results/tiny/evaluate/levels.csv"
    table.write_text("edited\n")
    with pytest.raises(UserError, match=r"results/tiny/evaluate/levels\.csv.*: snnprune run tiny$"):
        push("tiny")
    with pytest.raises(UserError, match=r"^results/tiny/evaluate/levels\.csv here is not what dvc\.lock names"):
        pull("tiny")
    assert table.read_text() == "edited\n"


def test_of_several_experiments_those_are_pushed_that_are_here(
    project: Path, remote: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params = YAML(typ="safe").load(project / "params.yaml")
    for block in params.values():
        block["other"] = block["tiny"]
    YAML().dump(params, project / "params.yaml")
    lock = YAML(typ="safe").load(project / "dvc.lock")
    elsewhere = re.sub('"md5": ".{8}', '"md5": "feedface', json.dumps(lock["stages"]).replace("tiny", "other"))
    lock["stages"] |= json.loads(elsewhere)
    YAML().dump(lock, project / "dvc.lock")
    push()
    said = capsys.readouterr().out.splitlines()
    assert said[-2].startswith(f"pushed tiny to remote store ({remote}): ")
    assert re.fullmatch(r"not pushed, as not all of it is here: other \(\d+ results\)", said[-1])
    with pytest.raises(
        UserError, match=r"^results/other/.* more: neither in DVC's cache nor here .*: snnprune run other$"
    ):
        push("other")
    run(project, "git", "commit", "--quiet", "--all", "--message", "other")
    clone(project, monkeypatch)
    pull("tiny")
    assert "tiny: 8 stages, nothing to do" in capsys.readouterr().out


def test_without_a_remote_it_says_how_to_get_one(project: Path) -> None:
    for command in (push, pull):
        with pytest.raises(UserError, match="^no remote is configured; name one: dvc remote add --default NAME URL"):
            command("tiny")


def test_unknown_and_unfinished_experiments_are_named(fresh: Path, tmp_path: Path) -> None:
    dvc(fresh, "remote", "add", "-q", "--default", "store", str(tmp_path / "remote"))
    for command in (push, pull):
        with pytest.raises(UserError, match="^no experiment 'nope'; the matrix in params.yaml has: tiny$"):
            command("nope")
    with pytest.raises(UserError, match=r"^dvc\.lock has no result of 8 of the 8 stages of tiny \(compare@tiny\)"):
        pull("tiny")
    with pytest.raises(UserError, match=r"^dvc\.lock has no results of tiny"):
        push("tiny")


def test_what_was_not_pushed_is_counted(project: Path, remote: Path, monkeypatch, capfd) -> None:
    heavy = [path for path in results(project) if path.endswith(".safetensors")]
    folder = clone(project, monkeypatch)
    with pytest.raises(
        UserError, match=rf"^{len(heavy)} files are not in remote store \({remote}\), which is empty or not there; say"
    ):
        pull("tiny")
    monkeypatch.chdir(project)
    push("tiny")
    (lost,) = [out for out in Project(project)._stages["train@tiny-0"].outs if out.def_path.endswith(".safetensors")]
    value = lost.hash_info.value
    (remote / "files/md5" / value[:2] / value[2:]).unlink()
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=rf"^1 files are not in remote store \({remote}\); say"):
        pull("tiny")
    assert "neither locally nor on remote" not in capfd.readouterr().err


def test_s3_holds_it_too(project: Path, on_s3: str, monkeypatch, capsys) -> None:
    push("tiny")
    assert capsys.readouterr().out.startswith(f"pushed tiny to remote store (s3://{BUCKET}/tiny): ")
    folder = clone(project, monkeypatch)
    pull("tiny")
    assert "tiny: 8 stages, nothing to do" in capsys.readouterr().out
    assert results(folder) == results(project)


def test_a_bucket_that_is_not_there_is_named(project: Path, on_s3: str) -> None:
    dvc(project, "remote", "modify", "-q", "store", "url", "s3://nowhere-to-be-found/tiny")
    with pytest.raises(UserError, match=r"remote store \(s3://nowhere-to-be-found/tiny\)"):
        push("tiny")


def test_refused_credentials_and_none_are_one_line(project: Path, on_s3: str, monkeypatch) -> None:
    requests.post(f"{on_s3}/moto-api/reset-auth", data=b"0", timeout=10)  # from now on every request is checked
    try:
        with pytest.raises(UserError, match=r"^remote store \(s3://.*refuses access") as refused:
            push("tiny")
        assert "\n" not in str(refused.value)
        clone(project, monkeypatch)
        with pytest.raises(UserError, match=r"^remote store \(s3://.*refuses access"):
            pull("tiny")
    finally:
        requests.post(f"{on_s3}/moto-api/reset-auth", data=b"1000000", timeout=10)
    monkeypatch.chdir(project)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UserError, match=r"^remote store \(s3://.*refuses access .*credentials"):
        push("tiny")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (3 * 10**12, "3.0 TB"),
    ],
)
def test_bytes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text
