"""Trials in processes of their own: one thread each, as many at a time as asked for."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver, resource_tracker, util
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess

from phasor._compare.config import TrialConfig
from phasor._compare.trial import Trial
from phasor._compare.workers_folder import FOLDER
from phasor._kit.text import Text
from phasor.errors import PhasorError


@dataclass(frozen=True)
class Job:
    """One trial to run."""

    encoding: str
    seed: int


@dataclass(frozen=True)
class Started:
    """A worker took up `job`."""

    job: Job


@dataclass(frozen=True)
class Progressed:
    """`job` has trained for `step` steps; `loss` is the training loss since the last report."""

    job: Job
    step: int
    loss: float


@dataclass(frozen=True)
class Finished:
    """`job` is done, and this is what it found."""

    job: Job
    trial: Trial


Event = Started | Progressed | Finished


@dataclass(frozen=True)
class _Failed:
    """What went wrong in a worker, as text: an exception may not survive the journey."""

    summary: str
    details: str
    may_resume: bool


class TrialFailedError(PhasorError, RuntimeError):
    """A trial ended without a result.

    Args:
        message: What happened.
        details: The worker's traceback, if there is one.
        may_resume: Whether the same trial might succeed another time.
    """

    def __init__(self, message: str, details: str = "", *, may_resume: bool = True) -> None:
        super().__init__(message)
        self.details = details
        self.may_resume = may_resume


def default_workers(device: str, jobs: int) -> int:
    """One per core that this process may use on the CPU, one in all on a GPU; no more than jobs."""
    if device != "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, jobs))


def run_jobs(
    jobs: Sequence[Job], config: TrialConfig, text: Text | None, workers: int
) -> Generator[Event, None, None]:
    """Run `jobs` in order, `workers` at a time, and yield what happens as it happens.

    Each trial has a process and one thread of its own, so its numbers do not depend on `workers`,
    and its peak of memory is its own. When the generator is closed, running trials are ended.

    Raises:
        TrialFailedError: A trial raised an error, or its process died.
    """
    if not jobs:
        return
    context = _context()
    waiting = deque(jobs)
    running: dict[Connection, tuple[Job, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job = waiting.popleft()
                receiver, sender = context.Pipe(duplex=False)
                process = context.Process(
                    target=_work, args=(sender, job, config, text), daemon=True
                )
                process.start()
                sender.close()
                running[receiver] = (job, process)
                yield Started(job)
            for receiver in wait(list(running)):
                assert isinstance(receiver, Connection)
                job, process = running[receiver]
                try:
                    message = receiver.recv()
                except EOFError:
                    process.join()
                    raise TrialFailedError(_death(job, process.exitcode)) from None
                if isinstance(message, _Failed):
                    raise TrialFailedError(
                        f"the trial of {job.encoding} with seed {job.seed} failed: "
                        f"{message.summary}",
                        message.details,
                        may_resume=message.may_resume,
                    )
                yield message
                if isinstance(message, Finished):
                    receiver.close()
                    process.join()
                    del running[receiver]
    finally:
        for receiver, (_, process) in running.items():
            process.kill()
            process.join()
            receiver.close()


def _context() -> ForkServerContext | SpawnContext:
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    # Imports cost seconds; the server pays once and each trial is forked from it.
    context.set_forkserver_preload(["phasor._compare.workers_preload"])
    # Ctrl-C reaches the whole group of processes. It is for the parent, which ends the others: the
    # server inherits this mask, and the trials inherit it from the server. (The tracker clears the
    # mask when it starts, so it starts first.)
    resource_tracker.ensure_running()
    # A command that is killed leaves the folder of its server's socket to the server.
    os.environ[FOLDER] = util.get_temp_dir()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        del os.environ[FOLDER]
    return context


def _work(sender: Connection, job: Job, config: TrialConfig, text: Text | None) -> None:
    # Where there is no server to inherit it from.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    from phasor._compare.tasks import build_task
    from phasor._compare.train import run_trial

    torch.set_num_threads(1)

    def report(step: int, loss: float) -> None:
        sender.send(Progressed(job, step, loss))

    try:
        task = build_task(
            config.task,
            text=text,
            train_length=config.train_length,
            max_length=config.eval_lengths[-1],
        )
        trial = run_trial(job.encoding, job.seed, task, config, report)
        sender.send(Finished(job, trial))
    except BrokenPipeError:
        return  # The parent is gone, and with it everyone who wanted the result.
    except PhasorError as error:
        sender.send(_Failed(str(error), details="", may_resume=False))
    except Exception as error:
        summary = f"{type(error).__name__}: {error}"
        sender.send(_Failed(summary, traceback.format_exc(), may_resume=True))


def _end_with_parent() -> None:
    """Nobody ends the trials of a command that was killed, and a report may be minutes away."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _death(job: Job, exitcode: int | None) -> str:
    how = f"exit status {exitcode}"
    if exitcode is not None and exitcode < 0:
        how = f"signal {signal.Signals(-exitcode).name}"
        if -exitcode == signal.SIGKILL:
            how += ", as when memory runs out"
    return f"the process of {job.encoding} with seed {job.seed} died ({how})"
