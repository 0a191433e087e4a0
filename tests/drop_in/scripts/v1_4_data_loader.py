"""Release 1.4: DataLoaders with workers over two prefixes, and a dataset derived from the plugin's."""

import argparse
import os

import torch
from aistore.pytorch.dataset import AISDataset


class Lengths(AISDataset):
    """Gives lengths instead of contents."""

    def __getitem__(self, index):
        name, content = super().__getitem__(index)
        return name, len(content)


def main(args):
    ais_url = os.environ["AIS_ENDPOINT"]
    contents = AISDataset(ais_url, urls_list=["ais://bucket1/", "ais://bucket2/train/"])
    lengths = Lengths(ais_url, "ais://bucket1/")
    for start in args.start:
        train_loader = torch.utils.data.DataLoader(
            torch.utils.data.ConcatDataset([contents, lengths]),
            batch_size=args.batch_size,
            shuffle=True,
            num_workers=args.workers,
            multiprocessing_context=start,
            collate_fn=list,
        )
        seen = [sample for batch in train_loader for sample in batch]
        print(start, sorted(seen, key=str))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--start", nargs="+")
    main(parser.parse_args())
