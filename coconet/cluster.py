"""The workers of a Dask scheduler, for joblib: what jobs need of a cluster, and how it fails.

joblib's Dask backend runs the jobs; Dask itself starts those of a killed worker again.
What either would wait for without end, or tell in its own way, becomes a `ChoraleError`:
nothing answers, something else does, no worker is left, the scheduler is gone.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from coconet.errors import ChoraleError

#: Seconds in which a Dask scheduler has to answer, and then its workers to be there.
ANSWER = 9
#: Seconds that a cluster may be without any worker.
PATIENCE = 60
#: Bytes that no scheduler's greeting has.
LONG = 1 << 20


def validate_address(address: str) -> None:
    """Check that something answers at the address of a Dask scheduler; raises ChoraleError."""
    match = re.fullmatch(r"(?:(?:tcp|tls)://)?(\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})", address)
    if not match or not 1 <= int(match[2]) <= 65535:
        raise ChoraleError(
            f"--dask {address!r}: expected a scheduler's address such as tcp://192.168.1.5:8786"
        )
    place, secret = (match[1].strip("[]"), int(match[2])), address.startswith("tls:")
    heard: queue.Queue[int | Exception] = queue.Queue()

    def call() -> None:
        try:
            with socket.create_connection(place, timeout=ANSWER / 2) as line:
                # A scheduler speaks first: the size of its greeting. Over TLS it can't be read.
                heard.put(1 if secret else int.from_bytes(line.recv(8), "little"))
        except (OSError, UnicodeError) as error:  # UnicodeError: a name that no machine can have
            heard.put(error)

    # A name takes its own time to look up and may stand for several machines: all that is
    # waited for in one thread, which ends with the program.
    threading.Thread(target=call, daemon=True).start()
    try:
        size = heard.get(timeout=ANSWER / 2)
    except queue.Empty:
        size = TimeoutError("timed out")
    if isinstance(size, Exception):
        reason = str(getattr(size, "strerror", None) or size).lower()
        raise _silent(address, reason) from size
    if not 0 < size < LONG:
        raise _silent(address, "what is there is something else")


def _silent(address: str, reason: str) -> ChoraleError:
    return ChoraleError(
        f"--dask {address}: no Dask scheduler answers there ({reason}); is it running "
        "(dask scheduler), and does a firewall let its port through?"
    )


class Cluster:
    """The workers of a Dask scheduler.

    killed : what is raised where a job's workers were killed too often
    restarts : how often jobs may be started again after that; Dask has done it already
    """

    restarts = 1

    def __init__(self, address: str):
        try:
            from distributed import KilledWorker
        except ImportError as error:
            raise ChoraleError(
                "--dask needs the package distributed: "
                "pip install -c constraints.txt -e '.[cluster]', on every machine"
            ) from error
        self.address = address
        self.killed = KilledWorker

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        """A `joblib.Parallel` that hands results over as they come; raises ChoraleError."""
        from joblib import Parallel

        with _quiet("distributed", "tornado", "asyncio"):
            client = _client(self.address)
            try:
                client.wait_for_workers(1, timeout=ANSWER)
                backend = _dask_backend(client)
                with self._watch(client, backend.fail):
                    # All jobs at once: workers that come later find some, too.
                    yield Parallel(
                        -1,
                        backend=backend,
                        return_as="generator_unordered",
                        batch_size=1,
                        pre_dispatch="all",
                    )
            except TimeoutError as error:
                raise self._deserted() from error
            except CancelledError as error:
                raise ChoraleError(
                    f"--dask {self.address}: the scheduler is gone. What is finished is kept: "
                    "the same command goes on from there"
                ) from error
            except (ImportError, RuntimeError) as error:
                # Dask wraps what goes wrong before a job begins.
                reason = error.__cause__ or error
                if not isinstance(reason, ImportError):
                    raise
                raise ChoraleError(
                    f"--dask {self.address}: a worker can't read the jobs ({reason}); "
                    "docs/workers.md tells what must be the same on every machine"
                ) from error
            finally:
                client.close(timeout=ANSWER)

    @contextlib.contextmanager
    def _watch(self, client: Any, fail: Callable[[Exception], None]) -> Iterator[None]:
        """Fail jobs that no worker is left for; Dask would wait for new ones for ever."""
        over = threading.Event()

        def watch() -> None:
            without = 0
            # Where the connection is lost Dask itself cancels the jobs.
            with contextlib.suppress(Exception):
                while not over.wait(1) and without < PATIENCE:
                    without = 0 if client.ncores() else without + 1
                if not over.is_set():
                    fail(self._deserted())

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(ANSWER)

    def _deserted(self) -> ChoraleError:
        return ChoraleError(
            f"--dask {self.address}: the scheduler has no workers; start some "
            f"(dask worker {self.address} --nthreads 1 --nworkers 2). What is finished is "
            "kept: the same command goes on from there"
        )


def _client(address: str) -> Any:
    """A Dask client; one that found no scheduler is closed before it is thrown away."""
    from distributed import Client

    client = Client.__new__(Client)
    found = False
    try:
        client.__init__(address, timeout=ANSWER / 2, set_as_default=False)
        found = True
    except Exception as error:
        raise _silent(address, "what is there is something else") from error
    finally:
        if not found:
            # Else its __del__ takes leave of the stranger, and waits for an answer.
            client.status = "closed"
    return client


def _dask_backend(client: Any) -> Any:
    """joblib's Dask backend, which also tells of jobs that never came to an end."""
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        def __init__(self, **options: Any):
            super().__init__(**options)
            self.futures: list[Any] = []

        def submit(self, func: Any, callback: Callable[[Any], None] | None = None) -> Any:
            # joblib is called back for jobs that end. For those whose workers were killed too
            # often it would wait for ever.
            future = super().submit(func, callback)
            future.add_done_callback(lambda done: done.exception() and callback(done.exception()))
            self.futures.append(future)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

        def effective_n_jobs(self, n_jobs: int) -> int:
            # For a single worker joblib would run the jobs in this process.
            return max(2, super().effective_n_jobs(n_jobs))

        def fail(self, error: Exception) -> None:
            for future in self.futures:
                if not future.done():
                    future.set_exception(error)

    return Backend(client=client)


@contextlib.contextmanager
def _quiet(*libraries: str) -> Iterator[None]:
    """Let the logs of libraries tell only of what is critical."""
    loggers = [
        logging.getLogger(name)
        for name in {*libraries, *logging.root.manager.loggerDict}
        if name.partition(".")[0] in libraries
    ]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
