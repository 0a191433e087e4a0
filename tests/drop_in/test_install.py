"""The plugin's names, as `install_as_aistore_pytorch` and `python -m aistorch.legacy` give them."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pickle
import pydoc
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import pytest
from aistore.sdk import Bucket
from aistore.sdk.obj.object import Object
from torch.utils.data import Dataset, IterableDataset
from torch.utils.data.datapipes.iter import IterableWrapper

import aistorch
from aistorch.legacy import install
from aistorch.legacy.__main__ import main
from aistorch.legacy.names import NAMES, PLUGIN
from aistorch.legacy.worker_request_client import WorkerRequestClient
from tests.contract.conftest import Server
from tests.support.archives import pack

REAL = pytest.importorskip(PLUGIN)


@pytest.fixture(autouse=True)
def nothing_installed() -> Iterator[None]:
    install.uninstall()
    yield
    install.uninstall()


def module(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there(name: str) -> None:
    with aistorch.install_as_aistore_pytorch():
        found = module(name)
        assert found is sys.modules[name]
        assert sorted(found.__all__) == sorted(NAMES[name])
        namespace: dict[str, Any] = {}
        exec(f"from {name} import *", namespace)
        for public in NAMES[name]:
            assert namespace[public] is getattr(found, public)
            assert public in dir(found)
            source = inspect.getmodule(namespace[public])
            assert source is None or source.__name__.startswith("aistorch.")


def test_every_name_of_the_plugin_is_there() -> None:
    names = {name for name in vars(REAL) if not name.startswith("_") and not inspect.ismodule(getattr(REAL, name))}
    assert names <= NAMES[PLUGIN].keys()
    files = {path.stem for path in Path(REAL.__path__[0]).glob("*.py")} - {"__init__"}
    assert {f"{PLUGIN}.{name}" for name in files} <= NAMES.keys()


SHARED = (
    "AISBaseIterDataset",
    "AISBatchIterDataset",
    "AISIterDataset",
    "AISMultiShardStream",
    "AISShardReader",
    "DynamicBatchSampler",
)
"""What shares samples among ranks in `aistorch`, and does not in the plugin."""


def test_the_classes_are_ours() -> None:
    with aistorch.install_as_aistore_pytorch():
        for name in ("AISMapDataset", "AISBaseMapDataset", "AISParallelMapDataset"):
            assert getattr(module(PLUGIN), name) is getattr(aistorch, name)
        for name in SHARED:
            assert issubclass(getattr(module(PLUGIN), name), getattr(aistorch, name))
        for name in ("AISIterDataset", "AISShardReader", "AISBatchIterDataset"):
            assert issubclass(getattr(module(PLUGIN), name), module(PLUGIN).AISBaseIterDataset)
        legacy = module(f"{PLUGIN}.dataset")
        assert issubclass(legacy.AISDataset, aistorch.AISDataset)
        assert issubclass(legacy.AISDataset, legacy.AISBaseClass)
        assert issubclass(legacy.AISIterDataset, aistorch.AISIterDataset)
        assert issubclass(legacy.AISIterDataset, legacy.AISBaseClassIter)
        assert module(PLUGIN).AISDataset is legacy.AISDataset


def test_before_the_plugin_was_imported() -> None:
    loaded = {name: sys.modules.pop(name) for name in list(sys.modules) if name.startswith(PLUGIN)}
    try:
        aistorch.install_as_aistore_pytorch()
        found: dict[str, Any] = {}
        exec("from aistore.pytorch import AISMapDataset\nimport aistore.pytorch.base_map_dataset as base", found)
        assert found["AISMapDataset"] is aistorch.AISMapDataset
        assert found["base"].AISBaseMapDataset is aistorch.AISBaseMapDataset
        assert not set(loaded.values()) & set(sys.modules.values())
        install.uninstall()
        assert not any(name.startswith(PLUGIN) for name in sys.modules)
    finally:
        sys.modules.update(loaded)
        setattr(module("aistore"), "pytorch", REAL)  # noqa: B010


def test_after_the_plugin_was_imported() -> None:
    theirs = REAL.AISMapDataset
    inner = REAL.map_dataset
    installation = aistorch.install_as_aistore_pytorch()
    # By the name, by the package's attribute, and by a module that somebody holds.
    assert sys.modules[PLUGIN] is module("aistore").pytorch is not REAL
    assert module(PLUGIN).AISMapDataset is REAL.AISMapDataset is aistorch.AISMapDataset
    assert inner.AISMapDataset is module(f"{PLUGIN}.map_dataset").AISMapDataset is aistorch.AISMapDataset
    installation.uninstall()
    assert sys.modules[PLUGIN] is module("aistore").pytorch is REAL
    assert REAL.AISMapDataset is inner.AISMapDataset is theirs
    assert module(f"{PLUGIN}.map_dataset") is inner
    with pytest.raises(ModuleNotFoundError):
        module(f"{PLUGIN}.dataset")


def test_it_is_idempotent() -> None:
    with aistorch.install_as_aistore_pytorch():
        found = module(PLUGIN)
        with aistorch.install_as_aistore_pytorch():
            assert module(PLUGIN) is found
        assert module(PLUGIN) is found
        assert found.AISMapDataset is aistorch.AISMapDataset
    for _ in range(2):
        install.uninstall()
        assert module(PLUGIN) is REAL
    aistorch.install_as_aistore_pytorch()
    assert module(PLUGIN) is not REAL


def test_modules_are_modules() -> None:
    with aistorch.install_as_aistore_pytorch():
        found = module(f"{PLUGIN}.map_dataset")
        spec = importlib.util.find_spec(f"{PLUGIN}.map_dataset")
        assert spec is found.__spec__
        assert importlib.reload(found).AISMapDataset is aistorch.AISMapDataset
        with pytest.raises(AttributeError, match=r"aistorch.*'nothing'"):
            _ = found.nothing
        assert not hasattr(found, "nothing")
        with pytest.raises(ImportError):
            exec(f"from {PLUGIN} import nothing")
        with patch(f"{PLUGIN}.map_dataset.AISMapDataset", "replaced"):
            assert found.AISMapDataset == "replaced"
        assert found.AISMapDataset is aistorch.AISMapDataset
        # What only a later release of the plugin has is found in it.
        assert module(PLUGIN).__path__ == list(REAL.__path__)
        assert importlib.util.find_spec(f"{PLUGIN}.not_there") is None


@pytest.mark.parametrize("name", sorted(NAMES[PLUGIN]))
def test_classes_can_be_looked_into(name: str) -> None:
    with aistorch.install_as_aistore_pytorch():
        kind = getattr(module(PLUGIN), name)
        assert f"class {kind.__name__}" in inspect.getsource(kind)
        assert pickle.loads(pickle.dumps(kind)) is kind
        assert kind.__name__ in pydoc.render_doc(kind)
    # By its own name, so that nothing need be installed where it is taken out of a pickle.
    assert kind.__module__.startswith("aistorch.")
    assert pickle.loads(pickle.dumps(kind)) is kind


def test_functional_forms_come_with_the_import() -> None:
    fresh = ("aistorch.legacy.aisio", "aistorch.datasets.file_lister", "aistorch.datasets.file_loader")
    kept = [module(name) for name in fresh]
    with patch.dict(sys.modules), patch.dict(IterableWrapper.functions):
        for name in fresh:
            del sys.modules[name]
        for form in ("list_files_by_ais", "load_files_by_ais"):
            del IterableWrapper.functions[form]
        with aistorch.install_as_aistore_pytorch():
            module(PLUGIN)
            start: Any = IterableWrapper(["ais://b"])
            pipe = start.list_files_by_ais(url="http://localhost:1").load_files_by_ais(url="http://localhost:1")
        assert type(pipe).__name__ == "AISFileLoaderIterDataPipe"
    for name, before in zip(fresh, kept, strict=True):
        parent, _, child = name.rpartition(".")
        setattr(module(parent), child, before)


def test_objects_of_the_sdk_have_their_earlier_methods(documented: Server) -> None:
    added = ("get", "put_content", "put_file")
    assert not any(hasattr(Object, name) for name in added)
    bucket = documented.client().bucket("my-bck").create(exist_ok=True)
    obj: Any = bucket.object("earlier")
    with aistorch.install_as_aistore_pytorch():
        obj.put_content(b"as then")
        assert obj.get().read_all() == b"as then"
        obj.put_file(Path(__file__))
        assert obj.get(chunk_size=100).read_all() == Path(__file__).read_bytes()
    assert not any(hasattr(Object, name) for name in added)


def test_the_client_of_release_1_5(documented: Server) -> None:
    bucket = documented.client().bucket("bucket1")
    client = WorkerRequestClient(bucket.client)
    assert client.base_url == bucket.client.base_url
    assert client.request("HEAD", path="health").status_code == 200


def test_helpers_of_release_1_4(documented: Server, bucket: Bucket) -> None:
    client = documented.client()
    with aistorch.install_as_aistore_pytorch():
        utils = module(f"{PLUGIN}.utils")
    urls = ["ais://bucket2/train/", "ais://bucket1/file-1"]
    assert utils.list_objects_info(client, urls) == [
        {"provider": "ais", "bck_name": "bucket2", "object": "train/x"},
        {"provider": "ais", "bck_name": "bucket2", "object": "train/y"},
        {"provider": "ais", "bck_name": "bucket1", "object": "file-1"},
    ]
    group = client.bucket("bucket1").objects(obj_names=["other"])
    names = ["train/x", "train/y", "file-1", "other"]
    assert [obj.name for obj in utils.list_objects(client, urls, [group])] == names
    assert [obj.name for obj in utils.list_objects_iterator(client, urls_list=urls, ais_source_list=[group])] == names
    files = {"a.jpg": b"picture", "a.cls": b"1", "in/b.jpg": b"other"}
    for shard in ("s-1.tar", "s-2.tar"):
        bucket.object(shard).get_writer().put_content(pack(".tar", list(files.items())))
    contents = list(utils.list_shard_objects_iterator(bucket, "s-"))
    assert sorted(contents) == sorted([*files.values()] * 2)


def test_base_classes_of_release_1_4(documented: Server) -> None:
    with aistorch.install_as_aistore_pytorch():
        legacy = module(f"{PLUGIN}.dataset")

    class Names(legacy.AISBaseClass, Dataset):  # type: ignore[misc, name-defined, type-arg]
        def __getitem__(self, index: int) -> str:
            return str(self._objects[index].name)

    class Stream(legacy.AISBaseClassIter, IterableDataset):  # type: ignore[misc, name-defined, type-arg]
        def __iter__(self) -> Iterator[str]:
            self._reset_iterator()
            for obj in self._get_worker_iter_info()[0]:
                yield obj.name

    group = documented.client().bucket("bucket1").objects(obj_names=["other"])
    for kind in (Names, Stream):
        dataset = kind(documented.endpoint, "ais://bucket2/train/", group)
        names = list(dataset) if kind is Stream else [dataset[index] for index in range(len(dataset))]
        assert names == ["train/x", "train/y", "other"]
        assert dataset.client.bucket("bucket1").name == "bucket1"
        with pytest.raises(ValueError, match="nothing to read"):
            kind(documented.endpoint, [], [])


# python -m aistorch.legacy


@pytest.mark.parametrize(
    ("arguments", "text"), [([], "usage: "), (["--help"], "usage: "), (["no/such.py"], "there is no script no/such.py")]
)
def test_what_it_says_without_a_script(arguments: list[str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["legacy", *arguments])
    with pytest.raises(SystemExit, match=text):
        main()


def test_a_script_runs_as_it_would_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "beside.py").write_text("VALUE = 7\n")
    script = tmp_path / "script.py"
    script.write_text(
        '# -*- coding: latin-1 -*-\n"""A script."""\nimport sys, beside\nfrom aistore.pytorch import AISMapDataset\n'
        "print(sys.argv[1:], __name__, __file__, __doc__, beside.VALUE, AISMapDataset.__module__)\n"
        "print([name for name in globals() if not name.startswith('__')])\n"
        "print('\xe4', sys.modules['__main__'].AISMapDataset is AISMapDataset)\nsys.exit(3)\n",
        encoding="latin-1",
    )
    monkeypatch.setattr(sys, "argv", ["legacy", str(script), "--a", "b"])
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("AISTORCH_LEGACY_SCRIPT", "")
    monkeypatch.delitem(sys.modules, "beside", raising=False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert capsys.readouterr().out.splitlines() == [
        f"['--a', 'b'] __main__ {script} A script. 7 aistorch.datasets.map",
        "['sys', 'beside', 'AISMapDataset']",
        "ä True",
    ]
