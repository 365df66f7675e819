"""`cadastre rm LINK|ID...`: end links, as their owner or by the deletion tokens that were kept here."""

import argparse
from contextlib import ExitStack
from dataclasses import dataclass

from client.api import Api
from client.consoles import LINK_BYTES_MAX
from client.documents import is_uuid
from client.errors import ClientError, NotAuthorizedError, NotFoundError, UsageError
from client.jobs import Stop, describe_failure, report_failures, run_jobs
from client.kept_links import KeptLinks, decode_token
from client.links import parse_public_url
from client.runs import Run

HELP = "Delete links: nobody can fetch by them any more; the bytes go with a blob's last link."
DELETION_TOKEN_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "links", nargs="+", metavar="LINK|ID", help="a link, with or without its key, its id, or - for standard input"
    )
    parser.add_argument(
        "--deletion-token-file", metavar="FILE", help="use the deletion token in the first line of FILE, not an account"
    )


@dataclass(frozen=True)
class _Target:
    """A link to delete, on which server, and the token that was kept for it."""

    api: Api
    link_id: str
    deletion_token: bytes | None


def run(run: Run) -> int:
    """Delete the links; the ones that failed are named at the end. A link that is deleted already is no failure."""
    names = [_read_name(run, text) for text in run.arguments.links]
    token = _read_token(run)
    kept = {(entry.server, entry.id): entry for entry in KeptLinks(run.home).list()}
    with ExitStack() as stack:
        urls = {server for server, _ in names}
        apis = {url: stack.enter_context(run.connect(url, is_signed_in=False)) for url in urls}
        targets = []
        for server, link_id in names:
            entry = kept.get((server, link_id))
            own = entry.get_deletion_token() if entry is not None else None
            targets.append(_Target(apis[server], link_id, token or own))
        is_named = token is not None
        deleted, failures = _delete_all(targets, is_token_alone=is_named, stop=run.stop)
    for server in urls:
        gone = [target.link_id for target in deleted if target.api.server.url == server]
        if gone and any((server, link_id) in kept for link_id in gone):
            KeptLinks(run.home).remove(server=server, link_ids=gone)
    if failures and len(targets) == 1:
        raise failures[0][1]
    run.console.print_result(
        {
            "deleted": [target.link_id for target in deleted],
            "failures": [{"id": link_id, **describe_failure(error)} for link_id, error in failures],
        },
        [f"Deleted: {target.link_id}" for target in deleted],
    )
    return report_failures(run.console, failures, total=len(targets))


def _delete_all(
    targets: list[_Target], *, is_token_alone: bool, stop: Stop
) -> tuple[list[_Target], list[tuple[str, ClientError]]]:
    deleted, failures = [], []
    for outcome in run_jobs(
        targets, lambda target: _delete(target, is_token_alone=is_token_alone), jobs_max=1, stop=stop
    ):
        if outcome.error is None:
            deleted.append(outcome.item)
        else:
            failures.append((outcome.item.link_id, outcome.error))
    return deleted, failures


def _delete(target: _Target, *, is_token_alone: bool) -> None:
    """Delete as the owner, and where that is refused by the token that was kept."""
    token = target.deletion_token
    if is_token_alone:
        target.api.delete_link(target.link_id, deletion_token=token)
        return
    try:
        target.api.delete_link(target.link_id)
    except (NotAuthorizedError, NotFoundError):
        if token is None:
            raise
        target.api.delete_link(target.link_id, deletion_token=token)


def _read_name(run: Run, text: str) -> tuple[str, str]:
    """Return the server's URL and the link's id; an id alone is of the server of --server, or the default."""
    name = run.read_link(text)
    return (run.get_server_url(), name) if is_uuid(name) else parse_public_url(name)


def _read_token(run: Run) -> bytes | None:
    path = run.arguments.deletion_token_file
    if path is None:
        return None
    try:
        token = decode_token(run.console.read_line(path, what="deletion token", bytes_max=LINK_BYTES_MAX))
    except ValueError as error:
        raise UsageError("The deletion token is not base64url.") from error
    if len(token) != DELETION_TOKEN_BYTES:
        raise UsageError(f"A deletion token has {DELETION_TOKEN_BYTES} bytes.")
    return token
