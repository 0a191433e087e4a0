"""Transformers: its own object that shares samples among ranks; its `Trainer` uses those of Accelerate, too."""

from __future__ import annotations

from typing import Any

from torch.utils.data import IterableDataset

from aistorch.errors import InvalidArgumentError

MODULES = ("transformers.trainer_pt_utils",)
SHARE_AMONG_RANKS = ("IterableDatasetShard",)
COUNT_ITERATIONS: tuple[str, ...] = ()


class AISTrainerMixin:
    """Lets a `Trainer` train with an `AISDataLoader`: `class MyTrainer(AISTrainerMixin, Trainer)`.

    Batch size, workers, collator and the rest are the trainer's own. A plain `Trainer` reads every sample once as well,
    but an iterable dataset on rank 0 alone, which sends batches to the others.
    """

    def get_train_dataloader(self: Any) -> Any:
        """The loader over `train_dataset`; a map-style one is shuffled."""
        from aistorch.loading.loader import AISDataLoader  # which looks at this module where it is made

        if self.train_dataset is None:
            raise InvalidArgumentError("Trainer: training requires a train_dataset")
        args = self.args
        loader: Any = AISDataLoader(
            self.train_dataset,
            self._train_batch_size,
            None if isinstance(self.train_dataset, IterableDataset) else True,
            num_workers=args.dataloader_num_workers,
            collate_fn=self.data_collator,
            pin_memory=args.dataloader_pin_memory,
            drop_last=args.dataloader_drop_last,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            multiprocessing_context=getattr(args, "dataloader_multiprocessing_context", None),
        )
        if not any(type(callback).__name__ == _TELLS_EPOCH for callback in self.callback_handler.callbacks):
            self.add_callback(_epoch_teller())
        return self.accelerator.prepare(loader)


_TELLS_EPOCH = "TellsEpoch"


def _epoch_teller() -> Any:
    """A callback that sets the epoch of the loader before a trainer that goes on from a checkpoint skips batches."""
    from transformers import TrainerCallback

    class TellsEpoch(TrainerCallback):
        """Tells a loader which epoch begins."""

        def on_epoch_begin(self, args: Any, state: Any, control: Any, train_dataloader: Any = None, **_: Any) -> None:  # noqa: ARG002
            """The loop that skips batches tells an iterable dataset nothing."""
            train_dataloader.set_epoch(int(state.epoch or 0))

    return TellsEpoch
