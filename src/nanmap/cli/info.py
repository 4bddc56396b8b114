"""`nanmap info`: what the results of this machine rest on."""

import os
import platform

from nanmap.cli.app import app

PACKAGES = ("nanmap", "jax", "jaxlib", "optax", "numpy", "pandas", "pyarrow")


@app.command(epilog="Example:  nanmap info")
def info() -> None:
    """Versions, devices, caches, and the machine's measured peak."""
    from importlib.metadata import version

    from nanmap.engine.compilation_cache import cache_folder
    from nanmap.engine.devices import set_up

    set_up("auto")
    import jax

    from nanmap.engine.matmul_peak import matrix_product_gflops

    print(f"python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in PACKAGES))
    devices = jax.devices()
    print(f"devices: {len(devices)} × {devices[0].device_kind} ({devices[0].platform}), {os.cpu_count()} cores")
    folder = cache_folder()
    files = list(folder.glob("*")) if folder.is_dir() else []
    size = sum(file.stat().st_size for file in files if file.is_file()) / 2**20
    print(f"compiled programs: {folder} ({len(files)} files, {size:.1f} MiB); safe to delete")
    peaks = ", ".join(f"{dtype} {matrix_product_gflops(dtype):,.0f} GFLOP/s" for dtype in ("float32", "float64"))
    print(f"measured peak of a 2048 × 2048 matrix product: {peaks}")
