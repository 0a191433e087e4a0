"""The argument `etl_name` of all datasets."""

from __future__ import annotations

from aistore.sdk.etl import ETLConfig

from aistorch.errors import ArgumentTypeError


def etl_config(etl_name: str | ETLConfig | None) -> ETLConfig | None:
    """The ETL that is meant; None where objects are wanted as they are.

    Raises:
        ArgumentTypeError: It is neither a name nor an `ETLConfig`.
    """
    if etl_name is None:
        return None
    if isinstance(etl_name, ETLConfig):
        return etl_name if etl_name.name else None
    if not isinstance(etl_name, str):
        raise ArgumentTypeError(f"etl_name must be a str or an ETLConfig, not {type(etl_name).__name__}")
    return ETLConfig(etl_name) if etl_name else None
