"""Where and how cells run."""

from dataclasses import dataclass
from pathlib import Path

RUNTIMES = ("auto", "torch", "onnxruntime")
"""What may be asked on BACKEND."""

ENGINES = ("serial", "loky", "dask")
"""What may be asked on ENGINE."""

TIMEOUT = 3600.0
"""What TIMEOUT is where it is not said: long enough for what works, and what hangs ends some day."""


@dataclass(frozen=True)
class Settings:
    """Where and how cells run; none of it changes a result by more than rounding.

    Attributes
    ----------
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"`` or ``"cuda:N"``.
    runtime : str
        What computes networks: one of `RUNTIMES`.
    jobs : int
        Processes for methods that take one image at a time; 0: one a core. With a batch system: workers it starts.
    threads : int
        Threads for networks on the CPU; 0: one a core.
    compile : bool
        Whether PyTorch compiles networks before it runs them.
    memory : float
        GiB that a cell may take, on the device; 0: a limit that the harness chooses.
    timeout : float
        Seconds that a method of foreign origin may take to be loaded, and for each call; 0: as many as it likes.
    engine : str
        Who runs cells: one of `ENGINES`.
    scheduler : str
        Of the engine ``"dask"``: an address, Dask's scheduler file, or a configuration of dask-jobqueue.
    save : Path, optional
        Folder that gets the noisy and the denoised images.
    """

    device: str = "auto"
    runtime: str = "auto"
    jobs: int = 0
    threads: int = 0
    compile: bool = False
    memory: float = 0.0
    timeout: float = TIMEOUT
    engine: str = "serial"
    scheduler: str = ""
    save: Path | None = None
