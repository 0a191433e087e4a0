"""The classes that users hand to `torch.utils.data`."""
