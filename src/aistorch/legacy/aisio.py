"""The DataPipes, by the module that they were in until release 1.10 of the plugin."""

from aistorch.datasets.file_lister import AISFileLister, AISFileListerIterDataPipe, AISSourceLister
from aistorch.datasets.file_loader import AISFileLoader, AISFileLoaderIterDataPipe

__all__ = [
    "AISFileLister",
    "AISFileListerIterDataPipe",
    "AISFileLoader",
    "AISFileLoaderIterDataPipe",
    "AISSourceLister",
]
