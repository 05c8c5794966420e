"""What a person sees while candidates are measured."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import TextColumn, TimeElapsedColumn

from phasor._extend.events import Event, Explained, LeftOut, Watch
from phasor._extend.explain import explanation_lines
from phasor._extend.plan import Task
from phasor._extend.store import Measurement
from phasor._kit.screen import Screen
from phasor._kit.watching import Begun


@contextmanager
def shown_on(console: Console) -> Iterator[Watch]:
    """What watches an extension: a line for each pass, and a bar while it runs in a terminal."""
    with Screen(
        console,
        TextColumn("{task.completed:,.0f}/{task.total:,.0f} tokens"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    ) as screen:

        def watch(event: Event) -> None:
            if isinstance(event, Explained):
                for line in (*explanation_lines(event.explanation), ""):
                    screen.say(line)
            elif isinstance(event, LeftOut):
                screen.say(f"Not read of the text: {event.what}.")
            elif isinstance(event, Begun):
                left = f"about {_clock(event.left)} left in all" if event.left else ""
                screen.begin(_words(event.what), event.total, left=left)
            elif isinstance(event, Measurement):
                screen.end()
                screen.say(f"{_words(event)}: {_outcome(event)} ({event.seconds:.0f} s)")
            else:
                screen.advance(event.done)

        yield watch


def _words(task: Task | Measurement) -> str:
    if task.kind == "passkey":
        return f"{task.candidate}: pass key in {task.length:,} tokens at {task.depth:.0%}"
    if task.kind == "finetune":
        return f"training with {task.candidate}, {task.length:,} steps"
    if task.kind == "search":
        return f"search, {task.candidate}: setting {task.document + 1}"
    if task.kind == "embedding":
        return f"{task.candidate}: vectors of text {task.document + 1}, {task.length:,} tokens"
    if task.kind == "cropped":
        return f"reference, context cut: document {task.document + 1}, {task.length:,} tokens"
    return f"{task.candidate}: document {task.document + 1}, {task.length:,} tokens"


def _outcome(measurement: Measurement) -> str:
    if measurement.kind == "passkey":
        return "found" if measurement.values[0] else "not found"
    if measurement.kind == "embedding":
        return f"cosine {measurement.values[0]:.3f} before and after"
    first, last = measurement.values[0], measurement.values[-1]
    mean = sum(measurement.values) / len(measurement.values)
    return f"{mean:.3f} nats, {first:.3f} at the start, {last:.3f} at the end"


def _clock(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
