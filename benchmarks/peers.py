"""Other programs that the store is compared with, as shell commands."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another program and the shell commands of its steps; {source} and {to} are filled in."""

    name: str
    ingest: str
    status: str = ""
    verify: str = ""
    environment: dict[str, str] = field(default_factory=dict)


GIT = {
    "GIT_AUTHOR_NAME": "bench",
    "GIT_AUTHOR_EMAIL": "bench@localhost",
    "GIT_COMMITTER_NAME": "bench",
    "GIT_COMMITTER_EMAIL": "bench@localhost",
}
RSYNC = Peer(
    name="rsync",
    ingest="rsync -a {source}/ {to}/",
    status="rsync -a {source}/ {to}/",
    verify="rsync -anc {source}/ {to}/",
)
FLOORS = (  # what the same bytes cost when they are made durable by a single call
    Peer(name="rsync, sync -f", ingest="rsync -a {source}/ {to}/ && sync -f {to}"),
    Peer(name="cp, sync -f", ingest="cp -r {source} {to} && sync -f {to}"),
)
PEERS = (
    Peer(
        name="rclone",
        ingest="rclone -q sync {source} {to}",
        status="rclone -q sync {source} {to}",
        verify="rclone -q check {source} {to}",
    ),
    Peer(
        name="restic",
        ingest="restic -q init -r {to} && restic -q backup -r {to} {source}",
        status="restic -q backup -r {to} {source}",
        verify="restic -q check --read-data -r {to}",
        environment={"RESTIC_PASSWORD": "bench"},
    ),
    Peer(
        name="borg",
        ingest="borg init -e none {to} && borg create {to}::one {source}",
        status="borg create {to}::two {source}",
        verify="borg check --verify-data {to}",
        environment={"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"},
    ),
    Peer(
        name="git-annex",
        ingest="git init -q {to} && cd {to} && git annex init -q && cp -r {source}/. . "
        "&& git annex add -q . && git commit -qm one",
        status="cd {to} && git annex add -q . && git status --short",
        verify="cd {to} && git annex fsck -q",
        environment=GIT,
    ),
    Peer(
        name="dvc",
        ingest="cp -r {source} {to}.data && mkdir {to} && mv {to}.data {to}/data && cd {to} "
        "&& dvc init -q --no-scm && dvc add -q data",
        status="cd {to} && dvc status -q",
        verify="cd {to} && rm -rf .dvc/tmp && dvc status -q",
    ),
)
