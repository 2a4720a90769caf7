import numpy as np
import torch
from torch import nn

from bench.common import subnormal


def test_weights_below_the_smallest_normal_number_become_zero():
    """It is 2**-126 (IEEE 754); what is smaller and not zero is counted, of either sign."""
    network = nn.Conv2d(1, 5, 2, bias=False)
    # Written as bits, since a processor that counts them as zero cannot compute them: 2**-126 and its negative, 0, -0,
    # 1, 2**-127, -(2**-149), 1e-40.
    bits = [0x00800000, 0x80800000, 0, 0x80000000, 0x3F800000, 0x00400000, 0x80000001, 0x000116C2]
    weights = np.zeros(20, np.uint32)
    weights[:8] = bits
    network.weight.data = torch.from_numpy(weights.view(np.float32).reshape(5, 1, 2, 2))
    said = "15 % of its weights are subnormal numbers, which are slow; they count as zero"
    assert subnormal.zeroed(network) == (said,)
    left = network.weight.detach().numpy().ravel().view(np.uint32)
    assert left.tolist()[:5] == bits[:5]
    assert not left[5:].any()
    assert subnormal.zeroed(network) == ()
    assert subnormal.line(1, 1000) == ("1 of its weights are subnormal numbers, which are slow; they count as zero",)


def test_subnormal_results_count_as_zero():
    subnormal.flush()
    assert float(torch.full((64,), 1e-30).mul(1e-10).abs().max()) == 0
