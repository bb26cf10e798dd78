"""torchvision, also beside a torch build that its compiled parts do not fit.

A torchvision wheel built for CUDA cannot load its compiled operators beside a CPU build of torch, and then even
`import torchvision` fails with "operator torchvision::nms does not exist" (pytorch/vision issues 8985 and 9077).
Nothing here needs those operators; declaring their two schemas lets the Python parts load. Where torchvision
imports by itself this module does nothing.

Use it as `from ._compat import torchvision`.
"""

from __future__ import annotations

import sys

import torch

_declared = None  # the library must stay alive as long as its schemas are used


def _import_torchvision():
    global _declared
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]  # half imported
        _declared = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            _declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision
    return torchvision


torchvision = _import_torchvision()
