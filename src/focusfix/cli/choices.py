"""What options can be that have a few names for values."""

from enum import StrEnum


class Precision(StrEnum):
    """Number format of the network's arithmetic."""

    AUTO = "auto"
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class Runtime(StrEnum):
    """Library that executes the network."""

    AUTO = "auto"
    TORCH = "torch"
    OPENVINO = "openvino"


class OutputType(StrEnum):
    """Pixel type of the output."""

    INPUT = "input"
    UINT16 = "uint16"
    FLOAT32 = "float32"


class ZarrVersion(StrEnum):
    """Version of OME-Zarr that is written."""

    V04 = "0.4"
    V05 = "0.5"


class Normalization(StrEnum):
    """Which intensities become 0 and 1 before the network sees them."""

    AUTO = "auto"
    DTYPE = "dtype"


class NanPolicy(StrEnum):
    """What to do with pixels that are not finite numbers."""

    ERROR = "error"
    FILL = "fill"
