"""Release 2.0: datasets of one's own on the plugin's base classes and classes."""

import os

from aistore.pytorch import AISBaseIterDataset, AISBaseMapDataset, AISIterDataset, AISMapDataset
from aistore.sdk import Client
from aistore.sdk.etl import ETLConfig

client = Client(os.environ["AIS_ENDPOINT"])
bucket = client.bucket("bucket1")


class Upper(AISBaseMapDataset):
    def __getitem__(self, index):
        obj = self.get_obj_list()[index]
        return obj.name.upper(), obj.get_reader().read_all()

    def __len__(self):
        return len(self._obj_list)


class Chosen(AISMapDataset):
    def _create_objects_list(self):
        return [obj for obj in super()._create_objects_list() if obj.name.endswith(("0", "2"))]


class Sizes(AISBaseIterDataset):
    def __iter__(self):
        self._reset_iterator()
        objects, worker = self._get_worker_iter_info()
        for obj in objects:
            yield obj.name, obj.props_cached.size, worker


class EverySecond(AISIterDataset):
    def _create_objects_iter(self, sources=None):
        for number, obj in enumerate(super()._create_objects_iter()):
            if number % 2 == 0:
                yield obj


class ByItself(AISIterDataset):
    def __iter__(self):
        self._reset_iterator()
        for obj in self._get_worker_iter_info()[0]:
            yield obj.name, obj.get_reader(etl=ETLConfig(self._etl_name)).read_all()[:3]


upper = Upper(bucket)
print(len(upper), [upper[i] for i in range(len(upper))])
chosen = Chosen(bucket)
print(len(chosen), [chosen[i] for i in range(len(chosen))])
print(list(Sizes([bucket], {bucket: "file-"})))
print(list(EverySecond(bucket)), len(EverySecond(bucket)))
print(list(ByItself(bucket)))
print([kind.__name__ for kind in Chosen.__mro__ if kind.__name__.startswith("AIS")][:2])
