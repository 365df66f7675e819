"""`cadastre put PATH...`: encrypt and upload files and folders, several at once, and print one link for each."""

import argparse
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from client import exits
from client.arguments import add_jobs, add_terms
from client.consoles import escape_text
from client.errors import ClientError, UsageError
from client.folders import Source, find_source
from client.jobs import Outcome, describe_failure, report_failures, run_jobs
from client.kept_links import KeptLink, KeptLinks, encode_token
from client.links import format_link
from client.runs import Run
from client.terms import LinkTerms, format_time
from client.uploads import Uploaded, Uploader

HELP = "Encrypt and upload files and folders; print one link per path."
DASH = "-"
STANDARD_INPUT = Path(DASH)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "paths",
        nargs="+",
        type=Path,
        metavar="PATH",
        help="a file, a folder (one link for all of it), or - for standard input",
    )
    parser.add_argument("--name", help="the file's name in the link of what standard input brings")
    add_terms(parser)
    parser.add_argument("--password-file", metavar="FILE", help="lock the links with the first line of FILE")
    parser.add_argument(
        "--pad", "--padding", action="store_true", help="hide the exact size, at a cost of at most 12 %%"
    )
    add_jobs(parser)


@dataclass(frozen=True)
class _Made:
    """A link that was made, and how it is handed out."""

    uploaded: Uploaded
    text: str


@dataclass(frozen=True)
class _Maker:
    """Makes links of one run: all on the same terms, locked by the same password."""

    run: Run
    uploader: Uploader
    terms: LinkTerms
    password: str | None

    def finish(self, uploaded: Uploaded, *, name: str) -> _Made:
        """Keep a link's key and deletion token on the disk, and return it as it is handed out."""
        link = uploaded.link
        text = format_link(link, password=self.password)
        kept = KeptLink(
            server=link.server_url,
            id=link.id,
            link=text,
            name=name,
            size=uploaded.size,
            kept_at=format_time(datetime.now(UTC)),
            deletion_token=encode_token(uploaded.deletion_token),
        )
        KeptLinks(self.run.home).add(kept)
        return _Made(uploaded, text)


def run(run: Run) -> int:
    """Upload all paths. Links are printed in the paths' order, and the paths that failed are named at the end."""
    arguments = run.arguments
    _check_usage(arguments)
    terms = LinkTerms(arguments.price_msat, arguments.expires, arguments.transfers_max)
    is_streamed = arguments.paths == [STANDARD_INPUT]
    sources = [] if is_streamed else [find_source(path, is_padded=arguments.pad) for path in arguments.paths]
    _check_once(sources)
    password = None
    if arguments.password_file is not None:
        password = run.console.read_password(arguments.password_file, prompt="Password of the link")
    with run.connect(is_signed_in=True) as api:
        maker = _Maker(run, Uploader(api, run.home, pace=run.get_pace()), terms, password)
        if is_streamed:
            return _put_stream(maker)
        return _put_sources(maker, sources)


def _check_usage(arguments: argparse.Namespace) -> None:
    if STANDARD_INPUT not in arguments.paths:
        if arguments.name is not None:
            raise UsageError("--name is for standard input: a file has its own.")
        return
    if len(arguments.paths) > 1:
        raise UsageError("Standard input is put alone.")
    if arguments.name is None:
        raise UsageError("Standard input has no name: give one with --name.")
    if arguments.password_file == DASH:
        raise UsageError("Standard input cannot bring both the file and the password.")


def _check_once(sources: list[Source]) -> None:
    paths = [source.path for source in sources]
    if len(set(paths)) != len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UsageError(f"{twice} is named twice.")


def _put_stream(maker: _Maker) -> int:
    run, arguments = maker.run, maker.run.arguments
    with run.show_progress(arguments.name, 0) as progress:
        uploaded = maker.uploader.upload_stream(
            sys.stdin.buffer, name=arguments.name, is_padded=arguments.pad, terms=maker.terms, progress=progress
        )
    made = maker.finish(uploaded, name=arguments.name)
    run.console.print_result({"results": [_describe(DASH, made)], "failures": []}, [made.text])
    return exits.DONE


def _put_sources(maker: _Maker, sources: list[Source]) -> int:
    run, total_bytes = maker.run, sum(source.length for source in sources)
    results: list[dict[str, object]] = []
    failures: list[tuple[str, ClientError]] = []
    with run.show_board(total_bytes, count=len(sources)) as board:

        def upload(source: Source) -> _Made:
            with board.open(escape_text(source.path.name), source.length) as progress:
                uploaded = maker.uploader.upload(source, terms=maker.terms, progress=progress)
            return maker.finish(uploaded, name=source.path.name)

        for outcome in run_jobs(sources, upload, jobs_max=run.arguments.jobs, stop=run.stop):
            _take(run, outcome, results, failures)
    if not failures:
        maker.uploader.forget(*sources)
    elif len(sources) == 1:
        raise failures[0][1]
    described = [{"path": path, **describe_failure(error)} for path, error in failures]
    run.console.print_result({"results": results, "failures": described}, [])
    return report_failures(run.console, failures, total=len(sources))


def _take(
    run: Run,
    outcome: Outcome[Source, _Made],
    results: list[dict[str, object]],
    failures: list[tuple[str, ClientError]],
) -> None:
    path, made = outcome.item.path, outcome.result
    if outcome.error is not None:
        failures.append((str(path), outcome.error))
    if made is None:
        return
    if made.uploaded.is_restarted:
        run.console.note(f"{path.name}: the unfinished upload could not continue; encrypted afresh.")
    if run.console.is_json:
        results.append(_describe(str(path), made))
    else:
        run.console.print_line(made.text)


def _describe(path: str, made: _Made) -> dict[str, object]:
    info = made.uploaded.info
    return {
        "path": path,
        "link": made.text,
        "id": info.id,
        "length": info.length,
        "sha256": f"sha256:{info.sha256.hex()}",
        "root": f"sha256:{info.root.hex()}",
        "seal": info.seal.hex(),
        "price": {"amount_msat": info.price_msat},
        "expires_at": info.expires_at and format_time(info.expires_at),
        "transfers_max": info.transfers_max,
        "deletion_token": encode_token(made.uploaded.deletion_token),
        "record": info.record_id,
        "is_resumed": made.uploaded.is_resumed,
    }
