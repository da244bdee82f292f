"""What `snnprune run` shows of its stages: on a terminal a live line for each that runs and above them a line for each
that has ended, elsewhere those alone. All that a stage prints is in a file of its own, `logs/<stage>.log`."""

from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from flows.engine.engine import Done, Work
from flows.engine.stage import Stage

LOGS = Path("logs")


class Display:
    """A context; lines may come from several threads."""

    def __init__(self) -> None:
        """Nothing is shown before it is entered."""
        self._console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
        last_line = TextColumn("{task.fields[last]}", markup=False, table_column=Column(no_wrap=True, ratio=1))
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn(), last_line
        self._running = Progress(
            *columns, console=self._console, transient=True, expand=True, disable=not self._console.is_terminal
        )
        self._is_said = False

    def __enter__(self) -> "Display":
        self._running.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._running.stop()

    def say(self, line: str) -> None:
        """Print a line."""
        self._console.print(line)

    def bring_up(self, work: Work, stage: Stage) -> Done:
        """`Work.bring_up`, its output in the stage's file, whose last line is shown. Raises what that raises."""
        file, mode = LOGS / f"{stage.address}.log", "w"
        live = self._running.add_task(stage.address, total=None, last="")

        def show(line: str) -> None:
            nonlocal mode
            if not self._is_said:
                self._is_said = True
                self.say(f"what stages print: {LOGS}/<stage>.log")
            LOGS.mkdir(exist_ok=True)
            with file.open(mode, encoding="utf-8") as log:
                log.write(f"{line}\n")
            mode = "a"
            self._running.update(live, last=line)

        try:
            return work.bring_up(stage, show, {})
        finally:
            self._running.remove_task(live)
