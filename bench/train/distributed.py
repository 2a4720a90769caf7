"""Several processes that train one network, one a GPU, as `torchrun` starts them."""

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from bench.common.errors import BenchError

if TYPE_CHECKING:
    from torch import nn


def size() -> int:
    """Return how many processes train together; 1 where nobody said so (WORLD_SIZE)."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Return the number of this process, from 0; the first one validates, stores and prints."""
    return int(os.environ.get("RANK", "0"))


def local_device(device: str) -> str:
    """Return the device of this process: each has the GPU of its number on its machine (LOCAL_RANK)."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if size() > 1 and device != "cpu" else device


def local_batch(batch: int) -> int:
    """Return the part of a batch that this process draws: batch / processes.

    Raises
    ------
    BenchError
        If the batch cannot be shared evenly, since the mean of the gradients would then be another one.
    """
    if batch % size():
        raise BenchError(
            f"training: a batch of {batch} cannot be shared evenly by {size()} processes; "
            f"expected a multiple, as CHANGE=batch={-(-batch // size()) * size()}"
        )
    return batch // size()


def data_parallel(network: "nn.Module", device: str) -> "nn.Module":
    """Return a network whose gradients are the mean over all processes; alone, the network itself.

    Gradients go over NCCL on CUDA and over Gloo on the CPU. Batch normalisation is local, on the CPU as on CUDA: it
    sees the part of the batch that is its process's own, and its running statistics, which are stored, are those of the
    first process, handed round at every step. It is not made one over all processes (`SyncBatchNorm`), which is not to
    be had on the CPU, waits for the others in every layer, and leaves out norms of our own, as that without additive
    constants. An eighth of DnCNN's batch, 16 patches of 40x40, still has 25,600 values in each channel.

    A process ends with what started it: of a killed `torchrun` none goes on beside the next one. The network has the
    same weights in every process.
    """
    if size() == 1:
        return network
    import torch
    from torch import distributed
    from torch.nn.parallel import DistributedDataParallel

    cuda = device != "cpu"
    if cuda:
        torch.cuda.set_device(device)
    if not distributed.is_initialized():
        _end_with_parent()
        # Numbers that are agreed on lie in main memory: Gloo hands them round without waiting for the GPU.
        distributed.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo")
    return DistributedDataParallel(network, device_ids=[torch.device(device)] if cuda else None)


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, which it sees by having another parent then."""
    parent = os.getppid()

    def wait() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def broadcast_numbers(*numbers: int) -> tuple[int, ...]:
    """Return the numbers of the first process, so that all of them stop at the same step."""
    if size() == 1:
        return numbers
    import torch
    from torch import distributed

    tensor = torch.tensor(numbers, dtype=torch.int64)
    distributed.broadcast(tensor, 0)
    return tuple(tensor.tolist())


def broadcast(value: Any) -> Any:
    """Return what the first process has, for example its best weights, in every process."""
    if size() == 1:
        return value
    import torch
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box, 0, device=torch.device("cpu"))
    return box[0]
