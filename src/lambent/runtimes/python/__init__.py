"""What runs inside a sandbox: AWS's contract with a Python handler, on any Python from 3.8 on.

Nothing here imports anything of ours, and nothing happens on import, so that a zygote can load `bootstrap`
and fork. Inside, the package goes by a name that no handler's module will have: see `__main__.load`.
"""
