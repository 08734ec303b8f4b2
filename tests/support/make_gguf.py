"""Write small GGUF files with gguf-py, the reference writer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

TensorData = NDArray[Any] | tuple[str, NDArray[Any]]
"""A float array, or a type's name with floats to quantize or uint8 blocks [rows, row bytes]."""


def write_gguf(
    path: Path,
    architecture: str,
    metadata: Mapping[str, Any],
    tensors: Mapping[str, TensorData],
) -> Path:
    """Write a GGUF file.

    Args:
        path: where.
        architecture: general.architecture.
        metadata: key -> bool, int (as u32), float (as f32), str, list of one of these (integers
            as i32), or numpy scalars for other types. `{arch}` in a key stands for `architecture`.
        tensors: name -> data, outermost dimension first. float32 and float16 are kept; gguf-py
            quantizes to "BF16", "Q4_0", "Q4_1", "Q8_0" and the like, not to K-types.

    Returns:
        `path`.
    """
    writer = GGUFWriter(path, architecture)
    add_metadata(writer, {k.format(arch=architecture): v for k, v in metadata.items()})
    for name, tensor in tensors.items():
        data, kind = tensor_bytes(tensor)
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def tensor_bytes(tensor: TensorData) -> tuple[NDArray[Any], GGMLQuantizationType]:
    """(the data as gguf-py takes it, its type)."""
    if not isinstance(tensor, tuple):
        return np.ascontiguousarray(tensor), GGMLQuantizationType[f"F{tensor.itemsize * 8}"]
    kind = GGMLQuantizationType[tensor[0]]
    data = np.ascontiguousarray(tensor[1])
    return (data if data.dtype == np.uint8 else quantize(data, kind)), kind


def add_metadata(writer: GGUFWriter, metadata: Mapping[str, Any]) -> None:
    """Add key-values, each as the GGUF type of its Python or numpy type."""
    for key, value in metadata.items():
        if isinstance(value, list | tuple | np.ndarray):
            writer.add_array(key, value.tolist() if isinstance(value, np.ndarray) else list(value))
        elif isinstance(value, np.generic):
            names = {"int": "int", "uint": "uint", "float": "float"}
            kind = value.dtype.name.rstrip("0123456789")
            getattr(writer, f"add_{names[kind]}{value.itemsize * 8}")(key, value.item())
        else:
            add = {bool: "bool", int: "uint32", float: "float32", str: "string"}[type(value)]
            getattr(writer, f"add_{add}")(key, value)


def read_back(path: Path) -> tuple[str, dict[str, Any], dict[str, TensorData]]:
    """(architecture, metadata, tensors) of a GGUF file, as `write_gguf` takes them."""
    reader = GGUFReader(path)
    metadata = {
        key: field.contents()
        for key, field in reader.fields.items()
        if not key.startswith(("GGUF.", "general.architecture"))
    }
    tensors: dict[str, TensorData] = {
        tensor.name: (tensor.tensor_type.name, tensor.data)
        if tensor.data.dtype == np.uint8
        else tensor.data
        for tensor in reader.tensors
    }
    return reader.fields["general.architecture"].contents(), metadata, tensors
