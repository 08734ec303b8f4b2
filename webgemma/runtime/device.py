"""The GPU device of the native runner: which adapter, which features, which limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import wgpu

from webgemma.errors import GpuError

NATIVE_FEATURES = {"shader-f16": "shader-f16", "subgroups": "subgroup"}
"""WebGPU feature -> wgpu-native's name. An unknown name in required_features is ignored silently,
so these are checked after the device is made."""

BROWSER_LIMITS = {
    "max-storage-buffer-binding-size": 128 << 20,
    "max-buffer-size": 256 << 20,
    "max-storage-buffers-per-shader-stage": 8,
    "max-uniform-buffer-binding-size": 64 << 10,
    "max-compute-workgroup-storage-size": 16 << 10,
    "max-compute-invocations-per-workgroup": 256,
    "max-compute-workgroup-size-x": 256,
    "max-compute-workgroup-size-y": 256,
    "max-compute-workgroup-size-z": 64,
    "max-compute-workgroups-per-dimension": 65535,
}
"""WebGPU's default limits (https://www.w3.org/TR/webgpu/#limits), by wgpu-py's names. A device
made with these refuses what a browser's default device would refuse."""


def choose_adapter() -> Any:
    """The best adapter: a real GPU before a software one, Vulkan, Metal or D3D12 before OpenGL.

    Raises:
        GpuError: there is none.
    """
    adapters = wgpu.gpu.enumerate_adapters_sync()
    ranked = sorted(adapters, key=_rank)
    if not ranked or ranked[0].info["backend_type"] == "OpenGL":
        msg = (
            "no GPU adapter: got none with Vulkan, Metal or D3D12, expected at least one. On "
            "Debian or Ubuntu install mesa-vulkan-drivers and libvulkan1 (a software adapter)."
        )
        raise GpuError(msg)
    return ranked[0]


def _rank(adapter: Any) -> tuple[bool, int]:
    kinds = ("DiscreteGPU", "IntegratedGPU", "VirtualGPU", "CPU", "Unknown")
    kind = str(adapter.info["adapter_type"])
    return (
        adapter.info["backend_type"] == "OpenGL",
        kinds.index(kind) if kind in kinds else len(kinds),
    )


def adapter_features(adapter: Any) -> set[str]:
    """Features the adapter has, by WebGPU's names, of those webgemma can use."""
    return {ours for ours, native in NATIVE_FEATURES.items() if native in adapter.features}


def is_software(adapter: Any) -> bool:
    """Whether the adapter computes on the processor."""
    return str(adapter.info["adapter_type"]) == "CPU"


def adapter_kinds(adapter: Any) -> set[str]:
    """What an adapter is, as variants name it: "software", and "lavapipe" if it is Mesa's.

    That variant counts on subgroups of eight, which Mesa's has where vectors have 256 bits: see
    https://docs.mesa3d.org/drivers/llvmpipe.html on LP_NATIVE_VECTOR_WIDTH.
    """
    if not is_software(adapter):
        return {"any"}
    is_lavapipe = re.search("llvmpipe.*256 bits", adapter.info["device"])
    return {"any", "software", "lavapipe"} if is_lavapipe else {"any", "software"}


def request_device(
    features: Iterable[str] = (),
    *,
    limits: str | Mapping[str, int] = "browser",
    adapter: Any = None,
) -> Any:
    """Open a device.

    Args:
        features: WebGPU feature names that the program's variant requires.
        limits: "browser" for WebGPU's defaults, "adapter" for all the adapter has, or limits by
            wgpu-py's names that are laid over the defaults.
        adapter: What `choose_adapter` gave, if it was asked already.

    Raises:
        GpuError: no adapter, or it lacks a feature or a limit.
    """
    adapter = adapter or choose_adapter()
    wanted = [NATIVE_FEATURES[feature] for feature in features]
    missing = [feature for feature in wanted if feature not in adapter.features]
    if missing:
        msg = (
            f"adapter {adapter.info['device']}: features {', '.join(missing)} are missing. "
            "Choose another --variant (f32 runs everywhere)."
        )
        raise GpuError(msg)
    required = {} if limits == "adapter" else dict(BROWSER_LIMITS)
    if isinstance(limits, Mapping):
        required |= limits
    for name, need in required.items():
        have = adapter.limits[name]
        if have < need:
            msg = f"adapter {adapter.info['device']}: limit {name}: have {have:,}, need {need:,}."
            raise GpuError(msg)
    if limits == "adapter":
        return adapter.request_device_sync(required_features=wanted)
    return adapter.request_device_sync(required_features=wanted, required_limits=required)
