"""Releases 1.4 to 1.10: DataPipes, by their classes and by their functional forms."""

import os

from aistore.pytorch import AISFileLister, AISFileLoader, AISSourceLister
from aistore.pytorch.aisio import AISFileListerIterDataPipe, AISFileLoaderIterDataPipe
from aistore.sdk import Client
from torch.utils.data.datapipes.iter import IterableWrapper

ais_url = os.environ["AIS_ENDPOINT"]
prefixes = ["ais://bucket1/file-", "ais://bucket2/train/"]

list_of_files = AISFileListerIterDataPipe(url=ais_url, source_datapipe=prefixes)
files = AISFileLoaderIterDataPipe(url=ais_url, source_datapipe=list_of_files)
for url, file in files:
    print(url, file.read())

print(AISFileLister is AISFileListerIterDataPipe, AISFileLoader is AISFileLoaderIterDataPipe)

urls = IterableWrapper(prefixes).list_files_by_ais(url=ais_url)
print(list(urls) == list(list_of_files))
print(sorted(url for url, _ in urls.shuffle().sharding_filter().load_files_by_ais(url=ais_url)) == sorted(urls))

try:
    len(list_of_files)
except TypeError:
    print("TypeError")

sources = AISSourceLister(ais_sources=[Client(ais_url).bucket("bucket1")], prefix="file-")
print([url.replace(ais_url, "") for url in sources])
