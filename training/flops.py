"""Floating-point operations: how many a step takes, and the share of the devices' peak that a run reaches."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

# Dense peaks in TFLOP/s as (bf16 with fp32 accumulation, fp32 without tensor cores), by torch's name of the
# device; the first pattern that fits the whole name counts. From NVIDIA's data sheets and architecture
# whitepapers, halved where a sheet gives the figure with sparsity. Slices of a device (MIG), laptop chips and
# whatever else is not listed have no known peak.
PEAKS = {
    "NVIDIA A10": (125, 31.2),
    "NVIDIA A100-*GB": (312, 19.5),
    "NVIDIA A100 80GB PCIe": (312, 19.5),
    "NVIDIA A30": (165, 10.3),
    "NVIDIA A40": (149.7, 37.4),
    "NVIDIA RTX A6000": (154.8, 38.7),
    "NVIDIA L4": (121, 30.3),
    "NVIDIA L40": (181, 90.5),
    "NVIDIA L40S": (362, 91.6),
    "NVIDIA H100 80GB HBM3": (989, 67),  # SXM
    "NVIDIA H100 PCIe": (756, 51),
    "NVIDIA H100 NVL": (835, 60),
    "NVIDIA H200": (989, 67),  # SXM
    "NVIDIA H200 NVL": (835, 60),
    "NVIDIA GH200 *": (989, 67),
    "NVIDIA B200": (2250, 75),
    "NVIDIA GeForce RTX 3090": (71, 35.6),
    "NVIDIA GeForce RTX 4090": (165.2, 82.6),
    "NVIDIA GeForce RTX 5090": (209.5, 104.8),
}


@dataclass(frozen=True)
class Utilisation:
    """What a speed in images/s means in operations.

    Attributes:
        flops_per_image: useful operations of a training step by the images of its global batch.
        peak: TFLOP/s that all devices of the run have together; None where that is not known.
    """

    flops_per_image: float
    peak: float | None

    def at(self, images_per_second: float) -> dict[str, float]:
        """`tflops` (TFLOP/s of all devices together) and, with a known peak, `mfu` (of 1)."""
        tflops = self.flops_per_image * images_per_second / 1e12
        return {"tflops": tflops} if self.peak is None else {"tflops": tflops, "mfu": tflops / self.peak}


def count_flops(compute_loss: Callable[[], Tensor]) -> int:
    """Operations of `compute_loss()` and of its backward pass (a multiply-add is two); both are run, eagerly.

    Counted are matrix products, convolutions and attention. What a block recomputes in backward (activation
    checkpointing, flash attention) is not: model FLOPs, not the hardware's (Chowdhery et al. 2022, PaLM,
    appendix B). Kernels of one's own count as nothing.
    """
    with torch.compiler.set_stance("force_eager"):
        with _Counter(display=False, custom_mapping=ATTENTION) as forward:
            loss = compute_loss()
        with _Counter(display=False, custom_mapping=ATTENTION) as backward:
            backward.in_backward = True
            loss.backward()
        loss.item()  # waits for the device, so that its work does not count as that of the next step
    return forward.get_total_flops() + backward.get_total_flops()


def peak_tflops(device: torch.device, precision: str) -> float | None:
    """The device's dense peak in TFLOP/s for matrix products in `precision`; None where it is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    # Otherwise fp32 products run as TF32, on units with a peak of their own.
    if precision == "fp32" and torch.get_float32_matmul_precision() != "highest":
        return None
    for pattern, (bf16, fp32) in PEAKS.items():
        if fnmatchcase(name, pattern):
            return bf16 if precision == "bf16" else fp32
    return None


class _Counter(FlopCounterMode):
    in_backward = False

    def _count_flops(self, func_packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
        if self.in_backward and torch.is_grad_enabled():  # only what is recomputed builds a graph there
            return out
        return super()._count_flops(func_packet, out, args, kwargs)


def _attention(query: Any, key: Any, value: Any, *others: Any, **named: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward(gradient: Any, query: Any, key: Any, value: Any, *others: Any, **named: Any) -> int:
    return 2 * sdpa_flop_count(query, key, value)  # torch's own formula adds what flash attention recomputes


_aten = torch.ops.aten
ATTENTION = {
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,  # torch has no formula for it
    _aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    _aten._scaled_dot_product_flash_attention_backward: _attention_backward,
    _aten._scaled_dot_product_efficient_attention_backward: _attention_backward,
    _aten._scaled_dot_product_cudnn_attention_backward: _attention_backward,
}
