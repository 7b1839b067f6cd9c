"""The environment variables by which a framework's documentation says that its speed changes.

The libraries below the frameworks (BLAS, OpenMP, oneDNN, CUDA, allocators) are listed by the
harness. Variables that only name a folder, a version or a log are left out there; what an adapter
itself decides, such as the framework that Keras computes with, is left out here.
"""

TORCH = (
    *("ATEN_*", "TORCH_*", "PYTORCH_*", "TORCHINDUCTOR_*", "TORCHDYNAMO_*", "TRITON_*"),
    "LRU_CACHE_CAPACITY",  # of oneDNN's primitives
    "CXX",  # TorchInductor compiles with it
)
XLA = (
    *("XLA_*", "JAX_*"),
    *("NPROC", "PJRT_NPROC"),  # the threads of XLA's client on the CPU
)
# Terraform's variables begin with `TF_` as well, and some of them are secrets.
TENSORFLOW = (
    *("TF_ENABLE_*", "TF_DISABLE_*", "TF_XLA_*", "TF_ONEDNN_*", "TF_MKL_*", "TF_CPU_*"),
    *("TF_NUM_*", "TF_OVERRIDE_GLOBAL_THREADPOOL", "TF_GPU_*", "TF_USE_*"),
    *("TF_CUDNN_*", "TF_CUBLAS*", "TF_AUTOTUNE_*", "TF_DETERMINISTIC_OPS", "TF_FP16_*"),
    *("TF_GRAPPLER_*", "TF_FUNCTION_*", "TF_LAYOUT_*", "TF_JIT_*", "TF_FORCE_UNIFIED_MEMORY"),
)
KERAS = ("KERAS_NNX_ENABLED", "KERAS_TORCH_DEVICE")
ONNX_RUNTIME = ("ORT_*", "ONNXRUNTIME_*")
CUDNN = ("CUDNN_*",)

SPEED_VARIABLES = (*TORCH, *XLA, *TENSORFLOW, *KERAS, *ONNX_RUNTIME, *CUDNN)
"""Patterns of names. Every worker records what matches, whatever its backend: a plug-in may use any
framework."""
