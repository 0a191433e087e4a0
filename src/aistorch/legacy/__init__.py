"""For scripts written for the AIStore SDK's PyTorch plugin, of any release: they run as they are.

    python -m aistorch.legacy train.py --epochs 3

or with one line, before the plugin's names are imported:

    aistorch.install_as_aistore_pytorch()
"""
