"""Git sources: mirrors, commits, branches, submodules; real git throughout."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from lithify.definitions.model import GitSource
from lithify.errors import FetchError, PinGone, PinMismatch, SourceError
from lithify.events import FetchFinished, Warned
from lithify.graph.pins import git_pin
from lithify.sources.compose import compose, known_tree_digest
from lithify.sources.fetching import fetch_all
from lithify.sources.git import GitKind
from lithify.sources.git_mirror import mirror_of
from lithify.sources.git_program import checked_out_commit
from lithify.sources.git_refs import newest_commit, resolve_refs, version_order
from lithify.sources.kinds import SourceContext
from tests.sources.conftest import Place, Repository, Server, fails

KIND = GitKind()
MakeRepository = Callable[..., Repository]


def laid_out(source: GitSource, commit: str, context: SourceContext, into: Path, **options: bool) -> str:
    into.mkdir()
    return compose([source], {source: git_pin(commit)}, into, context, **options)


def test_a_commit_of_a_local_repository(repository: MakeRepository, place: Place, tmp_path: Path) -> None:
    project = repository()
    commit = project.commit(README="one\n", src__run="#!/bin/sh\n")
    (project.path / "src/run").chmod(0o755)
    (project.path / "link").symlink_to("README")
    commit = project.commit()
    project.commit(README="two\n")
    source = GitSource(url=str(project.path), ref=commit)
    context = place()
    digest = laid_out(source, commit, context, tmp_path / "into")
    assert (tmp_path / "into/README").read_text() == "one\n"
    assert os.readlink(tmp_path / "into/link") == "README"
    assert (tmp_path / "into/src/run").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "into/README").stat().st_mode & 0o7777 == 0o644
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == ["README", "link", "src"]
    assert known_tree_digest([source], {source: git_pin(commit)}, context) == digest
    assert laid_out(source, commit, context, tmp_path / "again") == digest


def test_a_mirror_is_fetched_only_when_a_commit_is_missing(
    repository: MakeRepository, place: Place, tmp_path: Path
) -> None:
    project = repository()
    first = project.commit(a="1")
    source = GitSource(url=f"file://{project.path}", ref=first)
    context = place()
    fetch_all([(source, git_pin(first))], context)
    assert KIND.is_fetched(source, git_pin(first), context)
    project.path.rename(tmp_path / "gone")
    fetch_all([(source, git_pin(first))], context)
    laid_out(source, first, context, tmp_path / "into")
    assert len(place.told(FetchFinished)) == 1
    (tmp_path / "gone").rename(project.path)
    second = project.commit(a="2")
    fetch_all([(source, git_pin(second))], context)
    assert len(place.told(FetchFinished)) == 2
    assert len(list((context.cache.sources / "git").iterdir())) == 1


def test_locks_that_a_killed_git_left_stop_nobody(repository: MakeRepository, context: SourceContext) -> None:
    project = repository()
    first = project.commit(a="1")
    mirror = mirror_of(str(project.path), context)
    mirror.ensure(first)
    for name in ("packed-refs.lock", "config.lock", "refs/heads/main.lock", "refs/heads/a/b.lock"):
        (mirror.path / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror.path / name).touch()
    (mirror.path / "objects/tmp_objdir-bulk-fsync-O4F5Nz/1a").mkdir(parents=True)
    (mirror.path / "objects/tmp_objdir-bulk-fsync-O4F5Nz/1a/tmp_obj_IBkl9o").touch()
    second = project.commit(a="2")
    mirror.ensure(second)
    assert mirror.has(second)
    assert list(mirror.path.rglob("*.lock")) == []
    assert list(mirror.path.rglob("tmp_*")) == []


def test_a_commit_that_no_branch_leads_to(repository: MakeRepository, context: SourceContext) -> None:
    project = repository()
    project.commit(a="1")
    lost = project.commit(a="2")
    project.git("reset", "-q", "--hard", "HEAD~1")
    project.git("config", "uploadpack.allowAnySHA1InWant", "true")
    source = GitSource(url=str(project.path), ref=lost)
    fetch_all([(source, git_pin(lost))], context)
    assert KIND.is_fetched(source, git_pin(lost), context)
    mirror_of(str(project.path), context).update()
    assert KIND.is_fetched(source, git_pin(lost), context)


def test_a_commit_that_is_nowhere(repository: MakeRepository, context: SourceContext) -> None:
    project = repository()
    project.commit(a="1")
    source = GitSource(url=str(project.path), ref="1" * 40)
    with fails(PinGone, "zlib: commit 1111", str(project.path), "`lithify lock --update zlib`"):
        fetch_all([(source, git_pin("1" * 40))], context, chunk="zlib")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/nowhere/at/all", "does not appear to be a git repository"),
        ("http://127.0.0.1:9/x.git", "127.0.0.1"),
        ("git://127.0.0.1:9/x.git", "127.0.0.1"),
        ("ssh://127.0.0.1:9/x.git", "Could not read from remote repository"),
    ],
)
def test_a_server_that_is_down(url: str, said: str, context: SourceContext) -> None:
    source = GitSource(url=url, ref="1" * 40)
    with fails(FetchError, "x: cannot fetch the repository", url, said):
        fetch_all([(source, git_pin("1" * 40))], context, chunk="x")


def bare(project: Repository, folder: Path, name: str) -> None:
    """Put a copy of a repository where a plain HTTP server gives it out."""
    target = folder / name
    subprocess.run(["git", "clone", "-q", "--bare", str(project.path), str(target)], check=True)
    subprocess.run(["git", "-C", str(target), "repack", "-adq"], check=True)
    subprocess.run(["git", "-C", str(target), "update-server-info"], check=True)


def test_over_http(
    repository: MakeRepository, context: SourceContext, server: Server, tmp_path: Path
) -> None:
    project = repository()
    commit = project.commit(README="hello")
    bare(project, server.folder, "p.git")
    source = GitSource(url=f"{server.url}/p.git", ref="main")
    pin = KIND.pin(source, context)
    assert pin.digest_data == {"commit": commit}
    assert pin.fetch == {"tree": project.git("rev-parse", "HEAD^{tree}"), "submodules": []}
    laid_out(source, commit, context, tmp_path / "into")


def test_a_server_that_cuts_off(repository: MakeRepository, context: SourceContext, server: Server) -> None:
    project = repository()
    commit = project.commit(README=os.urandom(5000).hex())
    bare(project, server.folder, "p.git")
    (pack,) = (server.folder / "p.git/objects/pack").glob("*.pack")
    server.cut_after[f"/p.git/objects/pack/{pack.name}"] = 1000
    source = GitSource(url=f"{server.url}/p.git", ref=commit)
    with fails(FetchError, "cannot fetch the repository"):
        fetch_all([(source, git_pin(commit))], context)
    assert not KIND.is_fetched(source, git_pin(commit), context)
    server.cut_after.clear()
    fetch_all([(source, git_pin(commit))], context)
    assert KIND.is_fetched(source, git_pin(commit), context)


def test_a_mirror_setting(repository: MakeRepository, place: Place, tmp_path: Path) -> None:
    project = repository("mirrored/p")
    commit = project.commit(a="1")
    context = place(mirrors=(("https://upstream.invalid/", f"{tmp_path}/repositories/mirrored/"),))
    fetch_all([(GitSource(url="https://upstream.invalid/p", ref=commit), git_pin(commit))], context)


# Branches and tags.


def test_what_a_ref_means(repository: MakeRepository, context: SourceContext) -> None:
    project = repository()
    first = project.commit(a="1")
    project.git("tag", "-a", "-m", "annotated", "v1")
    project.git("branch", "both")
    second = project.commit(a="2")
    project.git("tag", "both")
    url = str(project.path)
    refs = {
        "main": second,
        "v1": first,
        "both": second,
        "refs/heads/both": first,
        "HEAD": second,
        first: first,
        first[:10]: first,
    }
    sources = {GitSource(url=url, ref=ref): commit for ref, commit in refs.items()}
    assert resolve_refs(sources, context) == sources
    with fails(SourceError, "has no branch, tag or commit nothing"):
        resolve_refs([GitSource(url=url, ref="nothing")], context)
    with fails(SourceError, "has no branch, tag or commit abcdef0123"):
        resolve_refs([GitSource(url=url, ref="abcdef0123")], context)


def test_hostile_refs_reach_no_git(
    repository: MakeRepository, context: SourceContext, tmp_path: Path
) -> None:
    project = repository()
    project.commit(a="1")
    flag = tmp_path / "ran"
    for url, ref in (
        (str(project.path), f"--upload-pack=touch {flag}"),
        (f"--upload-pack=touch {flag}", "main"),
        (f"ext::touch {flag}", "main"),
    ):
        source = GitSource(url=url, ref=ref, track=None, submodules=(), into="", kind="git")
        with pytest.raises(SourceError):
            resolve_refs([source], context)
    assert not flag.exists()


def test_a_branch_named_like_an_option(
    repository: MakeRepository, context: SourceContext, tmp_path: Path
) -> None:
    project = repository()
    commit = project.commit(a="1")
    project.git("update-ref", "refs/heads/-x", commit)
    fetch_all([(GitSource(url=str(project.path), ref=commit), git_pin(commit))], context)


def test_without_the_network(repository: MakeRepository, place: Place) -> None:
    project = repository()
    commit = project.commit(a="1")
    source = GitSource(url=str(project.path), ref="main")
    offline = place(no_git_update=True)
    with fails(FetchError, "main of the repository", "is not cached yet", "no-git-update"):
        resolve_refs([source], offline)
    with fails(FetchError, "is not cached yet"):
        fetch_all([(source, git_pin(commit))], offline)
    fetch_all([(source, git_pin(commit))], place())
    project.commit(a="2")
    assert resolve_refs([source], offline) == {source: commit}


def test_the_branch_or_tag_that_is_tracked(repository: MakeRepository, context: SourceContext) -> None:
    project = repository()
    commits = {}
    for tag in ("v1.9", "v1.10", "v1.10-rc1", "v2.0-beta", "other-3"):
        commits[tag] = project.commit(tag)
        project.git("tag", tag)
    url = str(project.path)

    def pinned(track: str) -> object:
        return KIND.pin(GitSource(url=url, track=track), context).digest_data["commit"]

    assert pinned("v1.*") == commits["v1.10"]
    assert pinned("v*") == commits["v2.0-beta"]
    assert pinned("main") == commits["other-3"]
    assert pinned("v1.9") == commits["v1.9"]
    with fails(SourceError, "has no branch or tag w*"):
        pinned("w*")


def test_version_order() -> None:
    tags = ["v1.2-alpha", "v1.2-rc1", "v1.2-rc2", "v1.2", "v1.2.1", "v1.10", "v2"]
    assert all(version_order(one) < version_order(next) for one, next in pairwise(tags))
    assert newest_commit({"refs/tags/1": "a", "refs/heads/1x": "b"}, "1*", "u") == "a"


# Submodules.


def test_submodules_are_recursive(repository: MakeRepository, place: Place, tmp_path: Path) -> None:
    inner, middle, outer = repository("inner"), repository("middle"), repository("outer")
    inner.commit(inner="i")
    middle.git("submodule", "add", "-q", "../inner", "deep/inner")
    middle.commit(middle="m")
    outer.git("submodule", "add", "-q", f"file://{middle.path}", "middle")
    commit = outer.commit(outer="o")
    inner.commit(inner="later")
    source = GitSource(url=str(outer.path), ref="main")
    context = place()
    pin = KIND.pin(source, context)
    laid_out(source, commit, context, tmp_path / "into")
    assert (tmp_path / "into/middle/middle").read_text() == "m"
    assert (tmp_path / "into/middle/deep/inner/inner").read_text() == "i"
    assert not list((tmp_path / "into").rglob(".git"))
    rows = pin.fetch["submodules"]
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["middle", "middle/deep/inner"]
    assert KIND.read_pin([line.split() for line in KIND.write_pin(pin)]) == pin


def test_urls_of_submodules_are_overridden_by_name(
    repository: MakeRepository, place: Place, tmp_path: Path
) -> None:
    inner, outer = repository("inner"), repository("outer")
    inner.commit(inner="i")
    outer.git("submodule", "add", "-q", "--name", "nested", f"file://{inner.path}", "inner")
    commit = outer.commit(outer="o")
    inner.path.rename(tmp_path / "elsewhere")
    plain = GitSource(url=str(outer.path), ref=commit)
    with fails(FetchError, "cannot fetch the repository file://"):
        fetch_all([(plain, git_pin(commit))], place())
    source = GitSource(url=str(outer.path), ref=commit, submodules=(("nested", str(tmp_path / "elsewhere")),))
    laid_out(source, commit, place(), tmp_path / "into")
    assert (tmp_path / "into/inner/inner").exists()


def test_upstream_may_not_name_a_folder_of_this_machine(
    repository: MakeRepository, context: SourceContext, server: Server
) -> None:
    secret, outer = repository("secret"), repository("outer")
    secret.commit(key="k")
    outer.git("submodule", "add", "-q", str(secret.path), "stolen")
    commit = outer.commit()
    bare(outer, server.folder, "p.git")
    source = GitSource(url=f"{server.url}/p.git", ref=commit)
    with fails(SourceError, "the submodule stolen of", "has the local URL", "submodules"):
        fetch_all([(source, git_pin(commit))], context)


@pytest.mark.parametrize("url", ["ext::touch %S", "--upload-pack=x", "ssh://-oProxyCommand=x/y"])
def test_hostile_submodules(url: str, repository: MakeRepository, context: SourceContext) -> None:
    inner, outer = repository("inner"), repository("outer")
    inner.commit(a="1")
    outer.git("submodule", "add", "-q", "../inner", "inner")
    outer.git("config", "-f", ".gitmodules", "submodule.inner.url", url)
    commit = outer.commit()
    with pytest.raises(SourceError):
        fetch_all([(GitSource(url=str(outer.path), ref=commit), git_pin(commit))], context)


def test_a_submodule_that_nothing_is_said_of(
    repository: MakeRepository, place: Place, tmp_path: Path
) -> None:
    project = repository()
    project.commit(**{".gitmodules": '[submodule "other"]\n\tpath = other\n\turl = ../other\n'})
    project.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},stale")
    project.git("commit", "-q", "-m", "stale")
    commit = project.git("rev-parse", "HEAD")
    laid_out(GitSource(url=str(project.path), ref=commit), commit, place(), tmp_path / "into")
    assert list((tmp_path / "into/stale").iterdir()) == []
    assert "where the submodule stale comes from" in place.told(Warned)[0].text


# What a repository may not do.


def test_nothing_of_a_repository_runs(
    repository: MakeRepository, context: SourceContext, tmp_path: Path
) -> None:
    project = repository()
    flag = tmp_path / "ran"
    commit = project.commit(**{".gitattributes": "* filter=evil\n", "a": "1"})
    hook = project.path / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {flag}\n")
    hook.chmod(0o755)
    for name in ("core.fsmonitor", "filter.evil.smudge", "uploadpack.packObjectsHook", "core.sshCommand"):
        project.git("config", name, f"touch {flag}")
    flag.unlink(missing_ok=True)
    laid_out(GitSource(url=str(project.path), ref=commit), commit, context, tmp_path / "into")
    assert not flag.exists()


def test_the_users_configuration_changes_no_result(
    repository: MakeRepository, place: Place, tmp_path: Path
) -> None:
    project = repository()
    commit = project.commit(
        text="a\nb\n", **{".gitattributes": "text text\nlarge filter=lfs\n"}, large="pointer\n"
    )
    home = Path(os.environ["HOME"], ".gitconfig")
    source = GitSource(url=str(project.path), ref=commit)
    first = laid_out(source, commit, place(), tmp_path / "one")
    home.write_text(
        home.read_text() + '[core]\n\tautocrlf = true\n\teol = crlf\n[filter "lfs"]\n\tsmudge = tr a-z A-Z\n'
    )
    assert laid_out(source, commit, place(), tmp_path / "two") == first
    assert "Git LFS" in place.told(Warned)[0].text


def test_a_hook_that_starts_us(repository: MakeRepository, place: Place, tmp_path: Path) -> None:
    project, other = repository("project"), repository("other")
    commit = project.commit(a="1")
    other.commit(b="2")
    variables = {"GIT_DIR": str(other.path / ".git"), "GIT_WORK_TREE": str(other.path), "GIT_INDEX_FILE": "x"}
    context = place(git_environment={**os.environ, **variables})
    laid_out(GitSource(url=str(project.path), ref=commit), commit, context, tmp_path / "into")
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["a"]


def test_a_tree_that_is_not_pinned(
    repository: MakeRepository, context: SourceContext, tmp_path: Path
) -> None:
    project = repository()
    commit = project.commit(a="1")
    source = GitSource(url=str(project.path), ref="main")
    fetch_all([(source, git_pin(commit))], context)
    (tmp_path / "into").mkdir()
    with fails(PinMismatch, "is not the pinned"):
        KIND.unpack(source, git_pin(commit, fetch={"tree": "1" * 40}), tmp_path / "into", context)


# keep-git.


def test_keeping_git(repository: MakeRepository, place: Place, tmp_path: Path) -> None:
    project = repository()
    project.commit(a="1")
    project.git("tag", "-a", "-m", "tag", "v1.0")
    commit = project.commit(a="2")
    later = project.commit(a="1")
    project.git("tag", "-a", "-m", "tag", "v2.0")
    source = GitSource(url=str(project.path), ref=commit)
    context = place()
    digest = laid_out(source, commit, context, tmp_path / "into", keep_git=True)
    kept = Repository(tmp_path / "into")
    assert kept.git("rev-parse", "HEAD") == commit
    assert kept.git("describe", "--dirty") == f"v1.0-1-g{commit[:7]}"
    assert kept.git("diff-index", "HEAD") == "", "no file looks changed"
    assert kept.git("tag") == "v1.0"
    assert digest != laid_out(source, commit, context, tmp_path / "plain")
    assert laid_out(source, later, context, tmp_path / "later", keep_git=True) != digest
    pins = {source: git_pin(commit)}
    assert known_tree_digest([source], pins, context, keep_git=True) == digest
    assert laid_out(source, commit, context, tmp_path / "again", keep_git=True) == digest


def test_the_commit_of_a_work_tree_is_told_and_nothing_is_changed(tmp_path: Path) -> None:
    assert checked_out_commit(tmp_path) == ""
    for arguments in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)
    told = subprocess.run(
        ["git", "-C", str(tmp_path), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout
    assert checked_out_commit(tmp_path) == told.strip()
