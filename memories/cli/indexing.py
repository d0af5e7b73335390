"""index and its jobs; and the indexing that follows every command that writes."""

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memories.cli import options
from memories.cli.output import Output, Progress, count, line
from memories.engine.config import Config
from memories.engine.errors import MemvidError
from memories.engine.jobs import Job, JobStore

if TYPE_CHECKING:
    from memories.engine.indexing import Indexed


def choice_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--no-index", action="store_true", help="store only")
    choice.add_argument("--background-index", action="store_true", help="return once the video is safe")


def after_writing(path: Path, changed: bool, args: argparse.Namespace, config: Config, out: Output) -> "Indexed":
    """Indexes at once, in a job, or not at all, as flags and settings say; see `refuse_failed`."""
    from memories.engine.indexing import Indexed, IndexFailed

    try:
        return _after_writing(path, changed, args, config, out)
    except IndexFailed as error:
        return Indexed("failed", notes=(str(error),))


def refuse_failed(index: "Indexed") -> None:
    """What was stored has been reported by now: only its index failed."""
    if index.state == "failed":
        raise MemvidError(index.notes[0])


def _after_writing(path: Path, changed: bool, args: argparse.Namespace, config: Config, out: Output) -> "Indexed":
    from memories.engine.indexing import index_as_configured

    search = config.search
    if args.no_index or not changed:
        search.enable_index_building = search.enable_background_indexing = False
    elif args.background_index:
        search.enable_background_indexing = True
    wait = getattr(args, "wait", 0.0)
    if search.enable_background_indexing or not search.enable_index_building:
        return index_as_configured(path, args.index, config)
    with out.progress("indexing") as progress:
        built = index_as_configured(path, args.index, config, progress, wait)
    return _noted(built, out)


def lines(index: "Indexed") -> Iterator[str]:
    if index.job:
        yield f"Background indexing job: {index.job}"
    elif index.state == "failed":
        yield "indexing failed"
    elif index.state == "done":
        yield f"indexed {count(index.chunks, 'chunk')} {f'with {line(index.model)}' if index.model else 'by words'}"


def shown(index: "Indexed") -> dict[str, Any]:
    """For a document, which has the notes already."""
    return {key: value for key, value in asdict(index).items() if key != "notes"}


def index_arguments(parser: argparse.ArgumentParser) -> None:
    options.memory_arguments(parser)
    options.wait_argument(parser)


def index(args: argparse.Namespace, config: Config, out: Output) -> int:
    from memories.engine.indexing import index_memory

    path = options.memory_path(args)
    with out.progress("indexing") as progress:
        built = _noted(index_memory(path, args.index, config, progress, args.wait), out)
    out.answer({"video": str(path), "index": args.index, **shown(built)}, lines(built))
    return 0


def index_jobs_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--resume", action="store_true", help="resume those that were interrupted")


def index_jobs(args: argparse.Namespace, config: Config, out: Output) -> int:
    store = JobStore()
    if args.resume:
        for job in store.jobs():
            if job.state == "interrupted":
                store.resume(job.id)
                out.note(f"resumed {job.id}")
    jobs, bad = store.survey()
    for note in bad:
        out.note(note)
    rows = [[job.id, job.state, f"{job.progress:.0%}", job.error or job.video] for job in jobs]

    def show() -> None:
        out.table(["JOB", "STATE", "PROGRESS", "MEMORY"], rows) if rows else print("no jobs")

    out.answer({"jobs": [_shown(job) for job in jobs]}, show)
    return 0


def index_status_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")


def index_status(args: argparse.Namespace, config: Config, out: Output) -> int:
    job = JobStore().get(args.job)
    out.answer(_shown(job), [_sentence(job)])
    return 0


def index_wait_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--timeout", type=options.seconds, metavar="SECONDS", help="give up waiting after so long")


def index_wait(args: argparse.Namespace, config: Config, out: Output) -> int:
    store = JobStore()
    with out.progress("indexing") as progress:
        job = store.wait(
            args.job,
            args.timeout,
            watch=lambda job: progress(round(job.progress * 100), 100, job.state),
            resumed=lambda job: out.note(f"{job.id} was interrupted; resumed"),
        )
    out.answer(_shown(job), [_sentence(job)])
    if job.state == "failed":
        raise MemvidError(f"{job.id} failed; its log is {store.log(job.id)}")
    return 0


def index_run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("job", metavar="JOB")
    parser.add_argument("--lock", type=int, help="the inherited descriptor that holds the job's lock")


def index_run(args: argparse.Namespace, config: Config, out: Output) -> int:
    return 1 if JobStore().run(args.job, _work, args.lock).state == "failed" else 0


def _work(job: Job, progress: Progress) -> list[str]:
    from memories.engine.indexing import index_memory

    config = Config.from_dict(job.settings)
    built = index_memory(job.video, job.index, config, progress, wait=float("inf"))
    return list(built.notes)


def _noted(built: "Indexed", out: Output) -> "Indexed":
    for note in built.notes:
        out.note(note)
    return built


def _shown(job: Job) -> dict[str, Any]:
    document = asdict(job) | {"notes": list(job.notes), "duration_seconds": job.duration_seconds}
    del document["settings"]
    return document


def _sentence(job: Job) -> str:
    if job.state == "failed":
        return f"{job.id} failed: {line(job.error)}"
    if job.state == "done":
        return f"{job.id} done in {job.duration_seconds:.1f} s: {line(job.video)}"
    hint = f"; memvid index-wait {job.id} resumes it" if job.state == "interrupted" else ""
    return f"{job.id} {job.state} ({job.progress:.0%}): {line(job.video)}{hint}"
