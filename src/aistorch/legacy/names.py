"""Every name of `aistore.pytorch`, of all releases of the plugin, and where it is found here."""

from __future__ import annotations

PLUGIN = "aistore.pytorch"

_HERE = "aistorch"
_PLUGIN_SPLIT = "aistorch.legacy.plugin"
_PIPES = dict.fromkeys(
    [
        "AISFileLister",
        "AISFileListerIterDataPipe",
        "AISFileLoader",
        "AISFileLoaderIterDataPipe",
        "AISSourceLister",
    ],
    "aistorch.legacy.aisio",
)
_UTILS = dict.fromkeys(
    [
        "MB_TO_B",
        "convert_bytes_to_mb",
        "convert_mb_to_bytes",
        "get_basename",
        "get_extension",
        "list_objects",
        "list_objects_info",
        "list_objects_iterator",
        "list_shard_objects_iterator",
        "parse_url",
        "unparse_url",
    ],
    "aistorch.legacy.utils",
)
_DATASET = dict.fromkeys(
    ["AISBaseClass", "AISBaseClassIter", "AISDataset", "AISIterDataset"], "aistorch.legacy.dataset"
)
_BY_MODULE = {
    "base_iter_dataset": {"AISBaseIterDataset": _PLUGIN_SPLIT},
    "base_map_dataset": {"AISBaseMapDataset": _HERE},
    "batch_iter_dataset": {"AISBaseIterDataset": _PLUGIN_SPLIT, "AISBatchIterDataset": _PLUGIN_SPLIT},
    "dynamic_sampler": {"DynamicBatchSampler": _PLUGIN_SPLIT},
    "iter_dataset": {"AISIterDataset": _PLUGIN_SPLIT},
    "map_dataset": {"AISMapDataset": _HERE},
    "multishard_dataset": {"AISMultiShardStream": _PLUGIN_SPLIT},
    "parallel_map_dataset": {"AISParallelMapDataset": _HERE},
    "shard_reader": {"AISShardReader": _PLUGIN_SPLIT},
}

NAMES: dict[str, dict[str, str]] = {
    # What was exported under one name with two signatures has the later one here: the earlier is in `dataset`.
    PLUGIN: {
        **{name: found for names in _BY_MODULE.values() for name, found in names.items()},
        **_PIPES,
        "AISDataset": "aistorch.legacy.dataset",
    },
    f"{PLUGIN}.aisio": _PIPES,
    f"{PLUGIN}.dataset": {**_DATASET, "AISMultiShardStream": _PLUGIN_SPLIT},
    f"{PLUGIN}.utils": _UTILS,
    f"{PLUGIN}.worker_request_client": {"WorkerRequestClient": "aistorch.legacy.worker_request_client"},
    **{f"{PLUGIN}.{module}": names for module, names in _BY_MODULE.items()},
    f"{PLUGIN}.dynamic_sampler": {"DynamicBatchSampler": _PLUGIN_SPLIT, "SATURATION_FACTOR": "aistorch.legacy.utils"},
}
"""By module and name, the module that has it here."""
