"""MATLAB's files. scipy and h5py read them; both are extras, imported only when such a file is opened."""

from pathlib import Path
from typing import Any

import numpy as np

from ....foundation.errors import UserError

EXTRA = "pip install 'vemo[readers]'"


def load_mat(path: Path) -> dict[str, Any]:
    """The variables of a .mat file up to version 7.2; structs are objects, axes of length 1 are gone."""
    try:
        from scipy.io import loadmat  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(f"{path}: MATLAB files need scipy: {EXTRA}") from None
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        return loadmat(path, squeeze_me=True, struct_as_record=False)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # scipy raises nearly anything on damaged bytes
        raise UserError(f"{path}: no MATLAB file that scipy reads ({error}); fetch it again") from None


def load_hdf5(path: Path, name: str) -> np.ndarray:
    """One variable of a .mat file of version 7.3 (HDF5), its axes in MATLAB's order."""
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise UserError(f"{path}: MATLAB files of version 7.3 need h5py: {EXTRA}") from None
    try:
        with h5py.File(path, "r") as file:
            if not isinstance(file.get(name), h5py.Dataset):
                raise UserError(f"{path}: no variable {name}; there are {', '.join(file) or 'none'}")
            return np.asarray(file[name]).T  # HDF5 stores the last axis first
    except OSError as error:
        raise UserError(f"{path}: no HDF5 file ({error}); fetch it again") from None


def listed(value: Any) -> list[Any]:
    """What a field holds, one thing or many: to MATLAB a scalar is 1 x 1, and nothing is 0 x 0."""
    if value is None:
        return []
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]
