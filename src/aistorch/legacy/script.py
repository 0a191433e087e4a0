"""The script that `python -m aistorch.legacy` runs, as a module, by which worker processes import it again."""

from aistorch.legacy.run import execute

if __name__ in ("__main__", "__mp_main__"):
    execute(globals())
