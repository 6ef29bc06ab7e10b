"""Do the kernels compile for the GPUs they are meant for? Triton brings ptxas; no GPU is needed.

The interpreter accepts what a compiler refuses: types, shapes, loops. In a process of its own, as
the other tests have Triton interpret.
"""

import os
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="needs torch: make kernels")

PROGRAM = """
import sys
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile
from kvsim.kernels import blocks, cascade, decode, latent, pages, prefill, quantise, stream

F, I = "fp32", "i32"
HEAD = dict(H=32, KVH=8, D=128, TILE=64)

def kernel(fn, types, constants, **options):
    names = [name for name in fn.arg_names if name not in constants]
    signature = dict(zip(names, types, strict=True)) | dict.fromkeys(constants, "constexpr")
    target = GPUTarget("cuda", int(sys.argv[1]), 32)
    made = compile(ASTSource(fn, signature, constants), target=target, options=options)
    assert made.metadata.shared <= {"80": 163, "90": 227}[sys.argv[1]] * 1024, fn

QUICK = dict(num_warps=4, num_stages=2)
for stored, bits, group in (("bf16", 0, 1), ("fp16", 0, 1), ("fp8e4nv", 0, 1), ("u8", 8, 32),
                            ("u8", 4, 32), ("u8", 2, 32)):
    if stored == "fp8e4nv" and int(sys.argv[1]) < 89:
        continue
    q = "fp16" if stored == "fp16" else "bf16"
    for queries, rows in ((4, 16), (32, 32)):
        kernel(decode._attend, ["*" + q, "*" + stored, "*" + stored, "*fp16", "*fp16", "*i32",
                                "*i32", "*fp32", "*fp32", I, I, I, F],
               dict(HEAD, QUERIES=queries, ROWS=rows, PAGE=16, BITS=bits, GROUP=group), **QUICK)
for out in ("bf16", "fp16"):
    kernel(decode._merge, ["*fp32", "*fp32", "*" + out, I], dict(D=128), num_warps=4)
    kernel(decode._merge, ["*fp32", "*fp32", "*" + out, I], dict(D=512), num_warps=4)
kernel(latent._attend, ["*bf16", "*bf16", "*i32", "*i32", "*fp32", "*fp32", I, I, F, I],
       dict(LATENT=512, ROPE=64, ROWS=16, PAGE=16, TILE=latent.TILE), **QUICK)
kernel(prefill._attend, ["*bf16", "*bf16", "*bf16", "*i32", "*i32", "*bf16", I, I, F],
       dict(HEAD, PAGE=16, ROWS=prefill.ROWS), **QUICK)
kernel(cascade._shared, ["*bf16", "*bf16", "*bf16", "*fp32", "*fp32", I, I, I, I, I, F],
       dict(HEAD, ROWS=cascade.ROWS), **QUICK)
kernel(stream._read, ["*fp32", "*fp32", I], dict(TILE=4096))
kernel(stream._write, ["*fp32", F, I], dict(TILE=4096))
kernel(stream._copy, ["*fp32", "*fp32", I], dict(TILE=4096))
for gather in (True, False):
    kernel(blocks._move, ["*i32", "*i32", "*i32", I], dict(GATHER=gather, TILE=1024))
for bits, group in ((8, 32), (4, 32), (2, 32)):
    shape = dict(D=128, BITS=bits, GROUP=group, TILE=16)
    kernel(quantise._pack, ["*bf16", "*u8", "*fp16", I], shape)
    kernel(quantise._unpack, ["*u8", "*fp16", "*bf16", I], shape)
kernel(pages._bound, ["*bf16", "*bf16", "*bf16", "*fp32", I], dict(H=32, KVH=8, D=128, TILE=32))
print("all")
"""


@pytest.mark.slow
@pytest.mark.parametrize("capability", ["80", "90"])
def test_every_kernel_compiles(capability) -> None:
    """For the A100 (8.0) and the H100 and H200 (9.0)."""
    compiled = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", PROGRAM, capability]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=compiled)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("all\n")
